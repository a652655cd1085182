/**
 * Run in a container (`node --eval`, so it imports nothing of ours): how long an address is away.
 *
 *   node outage.ts HOST PORT FILE
 *
 * Asks beanstalkd at the address every 25 ms, a connection each. Makes FILE at the first answer, ends when FILE is away and
 * all questions have had an answer for a second. Prints the longest time between two answers, in ms: an address may move so fast
 * that no question fails.
 */

import { existsSync, writeFileSync } from "node:fs";
import { connect } from "node:net";

const [host = "", port = "", file = ""] = process.argv.slice(-3);
const answerMsMax = 250;
const pauseMs = 25;
const calmMs = 1000;

function ask(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port) });
    const settle = (answered: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answered);
    };
    const timer = setTimeout(settle, answerMsMax, false);
    socket.on("error", () => settle(false));
    socket.on("close", () => settle(false));
    socket.on("data", () => settle(true));
    socket.write("list-tube-used\r\n");
  });
}

let longestMs = 0;
let answeredAtMs: number | undefined;
/** Since when every question has had its answer. */
let calmSinceMs: number | undefined;
let calm = false;
do {
  const answered = await ask();
  const nowMs = performance.now();
  if (answered) {
    if (answeredAtMs === undefined) writeFileSync(file, "");
    else longestMs = Math.max(longestMs, nowMs - answeredAtMs);
    answeredAtMs = nowMs;
    calmSinceMs ??= nowMs;
    calm = nowMs - calmSinceMs > calmMs;
  } else {
    calmSinceMs = undefined;
    calm = false;
  }
  await new Promise((resolve) => setTimeout(resolve, pauseMs));
} while (answeredAtMs === undefined || existsSync(file) || !calm);
process.stdout.write(`${Math.round(longestMs)}\n`);
