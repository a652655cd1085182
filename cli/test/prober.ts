/**
 * Knocks at two doors every 20 ms and says when somebody was there, a line of JSON each. Run on a machine of a test's network:
 *
 *   node prober.ts SYSLOG-ADDRESS:PORT QUEUE-ADDRESS:PORT
 *
 *   syslog  a line is sent, and whoever reads it has read it to its end (a parser closes then; a held connection stays)
 *   queue   beanstalkd answers
 *   stall   this process could not run for so long: the machine was busy, and so may have been everybody else
 */

import { connect } from "node:net";

const everyMs = 20;
/** A knock that nobody hears is given up; the next ones are under way already. */
const patienceMs = 500;

const [syslog, queue] = process.argv.slice(2).map((text) => {
  const [host = "", port = ""] = text.split(":");
  return { host, port: Number(port) };
});
if (syslog === undefined || queue === undefined) throw new Error("usage: prober.ts SYSLOG QUEUE");

let lastMs = Date.now();
let count = 0;
setInterval(() => {
  const nowMs = Date.now();
  if (nowMs - lastMs > 3 * everyMs) say({ stall: nowMs - lastMs });
  lastMs = nowMs;
  count++;
  const line = `<38>Nov 21 04:44:40 gw1 sshd[1]: Failed password for root from 203.0.113.7 port ${count % 60_000} ssh2\n`;
  knock("syslog", syslog, line, (_, ended) => ended);
  knock("queue", queue, "stats\r\n", (answer) => answer.startsWith("OK "));
}, everyMs);

function knock(
  door: string,
  at: { host: string; port: number },
  words: string,
  heard: (answer: string, ended: boolean) => boolean,
): void {
  const startedAtMs = Date.now();
  const socket = connect({ ...at, allowHalfOpen: true });
  let answer = "";
  const judge = (ended: boolean): void => {
    if (!heard(answer, ended)) return;
    say({ door, startedAtMs, heardAtMs: Date.now() });
    socket.destroy();
  };
  socket.setTimeout(patienceMs, () => socket.destroy());
  socket.on("error", () => socket.destroy());
  if (door === "syslog") socket.end(words);
  else socket.write(words);
  socket.on("data", (chunk) => {
    answer += chunk.toString("latin1");
    judge(false);
  });
  socket.on("end", () => judge(true));
}

function say(fact: object): void {
  process.stdout.write(`${JSON.stringify(fact)}\n`);
}
