/**
 * Knocks at the virtual address every 20 ms and says when nobody was there, a line of JSON for each such time.
 *
 *   node knocker.ts ADDRESS:PORT
 *
 *   {"fromMs":…,"toMs":…,"stallMs":…}   between the last knock that was answered before and the first one after; stallMs of
 *                                      it this process itself could not run: the machine was busy, and so may have been others
 *
 * A connection that is accepted is an answer. HAProxy closes it at once, since a knocker is no sender: no parser hears of it.
 */

import { connect } from "node:net";

const everyMs = 20;
/** A knock that nobody answers is given up; the next ones are under way already. */
const patienceMs = 500;
/** Shorter is a busy machine, not an absence. */
const absenceMsMin = 100;

const [host = "", port = ""] = (process.argv[2] ?? "").split(":");
let lastTickMs = Date.now();
let lastHeardMs = Date.now();
let stallMs = 0;

setInterval(() => {
  const nowMs = Date.now();
  if (nowMs - lastTickMs > 3 * everyMs) stallMs += nowMs - lastTickMs - everyMs;
  lastTickMs = nowMs;
  const socket = connect({ host, port: Number(port) });
  socket.setTimeout(patienceMs, () => socket.destroy());
  socket.on("error", () => socket.destroy());
  socket.once("connect", () => {
    heard(nowMs);
    socket.resetAndDestroy();
  });
}, everyMs);

/** @param startedAtMs of the knock: a late answer to an early one is no news */
function heard(startedAtMs: number): void {
  if (startedAtMs <= lastHeardMs) return;
  if (startedAtMs - lastHeardMs > absenceMsMin) {
    process.stdout.write(`${JSON.stringify({ fromMs: lastHeardMs, toMs: startedAtMs, stallMs })}\n`);
  }
  lastHeardMs = startedAtMs;
  stallMs = 0;
}
