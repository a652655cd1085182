/**
 * Run in a container (`node --eval`, so it imports nothing of ours): how long an address is away.
 *
 *   node outage.ts HOST PORT FILE
 *
 * Asks beanstalkd at the address every 25 ms, a connection each. Makes FILE at the first answer, ends when FILE is away, or when
 * a question had no answer and all have had one for a second since. Prints the longest time between two answers, in ms.
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
let backAtMs: number | undefined;
let failed = false;
do {
  const answered = await ask();
  const nowMs = performance.now();
  if (answered) {
    if (answeredAtMs === undefined) writeFileSync(file, "");
    else longestMs = Math.max(longestMs, nowMs - answeredAtMs);
    answeredAtMs = nowMs;
    backAtMs ??= nowMs;
  } else if (answeredAtMs !== undefined) {
    failed = true;
    backAtMs = undefined;
  }
  if (failed && backAtMs !== undefined && nowMs - backAtMs > calmMs) break;
  await new Promise((resolve) => setTimeout(resolve, pauseMs));
} while (answeredAtMs === undefined || existsSync(file));
process.stdout.write(`${Math.round(longestMs)}\n`);
