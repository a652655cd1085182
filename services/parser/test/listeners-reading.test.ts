// The two ways of reading a socket are one: whatever comes after them cannot tell which it was.

import { afterEach, describe, expect, test } from "@jest/globals";
import { frames, proxyHeader } from "./balancer.ts";
import { balancer, type Doors, type DoorsOptions, edge, openDoors } from "./doors.ts";
import { until } from "./rig.ts";

let doors: Doors;
afterEach(() => doors.close());

const line = (n: number): string => `<38>Nov 21 04:44:40 gw1 app[1]: line ${n}`;
const many = (count: number): string[] => Array.from({ length: count }, (_, n) => line(n));
const texts = (): string[] => doors.lines.map(({ text }) => text);
const from = edge.address;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe.each(["direct", "copied"] as const)("read %s:", (reading) => {
  const open = async (options: Partial<DoorsOptions> = {}): Promise<void> =>
    void (doors = await openDoors({ open: ["proxied", "plain"], reading, ...options }));

  test.each(["lf", "octet-counted"] as const)("frames (%s) arrive whole, split at every byte", async (framing) => {
    await open();
    const stream = frames([line(1), line(2)], framing);
    const senders = await Promise.all(Array.from(stream, () => doors.tcp("plain", { from, silent: true })));
    for (const [at, sender] of senders.entries()) await sender.send(stream.subarray(0, at));
    await until("the first parts are read", () => doors.receiver.connections === senders.length);
    for (const [at, sender] of senders.entries()) await sender.send(stream.subarray(at));
    await until("every line has come", () => doors.lines.length === 2 * senders.length);
    expect(new Set(texts())).toEqual(new Set([line(1), line(2)]));
  });

  test("a PROXY header and frames arrive whole, one byte a read", async () => {
    await open();
    const sender = await doors.tcp("proxied", { from: balancer.address, silent: true });
    for (const byte of Buffer.concat([proxyHeader({ source: from }), frames([line(1), line(2)])])) {
      await sender.send(Buffer.from([byte]));
      // One loop writes and reads: a turn of it later the byte has been read.
      await turn();
    }
    await until("both lines have come", () => doors.lines.length === 2);
    expect(doors.lines).toEqual([
      { device: edge.key, text: line(1) },
      { device: edge.key, text: line(2) },
    ]);
  });

  test("many connections share the buffer and none sees another's bytes", async () => {
    await open();
    const senders = await Promise.all(Array.from({ length: 50 }, () => doors.tcp("plain", { from, silent: true })));
    // Each line is longer than what one write carries, so that every connection always has a rest.
    const long = (n: number): string => `<38>Nov 21 04:44:40 gw1 app[1]: ${String(n).repeat(2000)}`;
    for (let part = 0; part < 10; part++) {
      await Promise.all(
        senders.map((sender, n) => {
          const stream = frames([long(n), long(n)]);
          const size = Math.ceil(stream.length / 10);
          return sender.send(stream.subarray(part * size, (part + 1) * size));
        }),
      );
    }
    await until("every line has come", () => doors.lines.length === 100);
    expect(texts().sort()).toEqual(senders.flatMap((_, n) => [long(n), long(n)]).sort());
  });

  test("a chunk is read to its end before anything else, also when a line of it pauses reading", async () => {
    await open({ onLine: () => doors.receiver.pause() });
    const sender = await doors.tcp("plain", { from, silent: true });
    await sender.send(frames(many(100)));
    await until("the chunk is read", () => doors.lines.length === 100);
    const late = sender.send(frames(many(1)));
    await late;
    const ends = doors.readEnds();
    // Another connection's line would be read in the same turn of the loop; nothing is.
    await (await doors.tcp("plain", { from, silent: true })).send(frames(many(1)));
    await turn();
    await turn();
    expect([doors.lines.length, doors.readEnds()]).toEqual([100, ends]);
    doors.receiver.resume();
    await until("what waited is read", () => doors.lines.length >= 101);
  });

  test("paused, the sender's writes stall; read again, nothing is lost", async () => {
    await open();
    const sender = await doors.tcp("plain", { from, silent: true });
    await until("it is open", () => doors.receiver.connections === 1);
    doors.receiver.pause();
    // 60 MB: more than the kernel's buffers of one connection hold (tcp_rmem and tcp_wmem end at 38 MB).
    const filler = "x".repeat(8000);
    const stream = frames(Array.from({ length: 7500 }, (_, n) => `<38>Nov 21 04:44:40 gw1 app[1]: ${n} ${filler}`));
    const sent = sender.send(stream);
    const taken = (): number => sender.socket.bytesWritten - sender.socket.writableLength;
    let looks = 0;
    let last = -1;
    await until("the sender's socket takes no more", () => {
      looks = taken() === last ? looks + 1 : 0;
      last = taken();
      return looks >= 20;
    });
    expect(last).toBeLessThan(stream.length);
    expect(doors.lines).toEqual([]);
    doors.receiver.resume();
    await sent;
    await until("every line has come", () => doors.lines.length === 7500);
    expect(texts().map((text) => Number(text.split(" ")[5]))).toEqual(Array.from({ length: 7500 }, (_, n) => n));
  });

  test("a connection that is opened while paused is read when reading goes on", async () => {
    await open();
    doors.receiver.pause();
    const [plain, proxied] = await Promise.all([
      doors.tcp("plain", { from, silent: true }),
      doors.tcp("proxied", { from: balancer.address, silent: true }),
    ]);
    await plain.send(frames(many(1)));
    // With its header in one segment: whoever reads the one has the other.
    await proxied.send(Buffer.concat([proxyHeader({ source: from }), frames(many(1))]));
    await until("both are accepted", () => doors.receiver.connections === 2);
    await turn();
    await turn();
    expect(doors.lines).toEqual([]);
    doors.receiver.resume();
    await until("both lines have come", () => doors.lines.length === 2);
  });

  test("the end of a stream is seen, a line without its newline is a line, and the connection closes", async () => {
    await open();
    const sender = await doors.tcp("plain", { from, silent: true });
    await sender.send(line(1));
    sender.finish();
    await sender.closed;
    await until("it is closed here too", () => doors.receiver.connections === 0);
    expect(doors.lines).toEqual([{ device: edge.key, text: line(1) }]);
    expect(doors.said.at(-1)).toMatchObject({
      event: "connection.closed",
      peer: from,
      device: edge.key,
      reason: "ended",
    });
  });

  test("a reset is seen, and what was begun counts", async () => {
    await open();
    const sender = await doors.tcp("plain", { from, silent: true });
    await sender.send(frames([line(1)], "octet-counted").subarray(0, 20));
    await until("it is read", () => doors.readEnds() === 1);
    sender.reset();
    await until("it is closed", () => doors.receiver.connections === 0);
    expect(await doors.metric('line_refused_total{reason="frame-truncated"}')).toBe(1);
    expect(doors.said.at(-1)).toMatchObject({ event: "connection.closed", device: edge.key, reason: "reset" });
  });

  test("half-closed by us, it is read until the peer closes", async () => {
    await open();
    const sender = await doors.tcp("plain", { from, silent: true, stubborn: true });
    await sender.send(frames([line(1)]));
    await until("the first line has come", () => doors.lines.length === 1);
    const drained = doors.receiver.drain(10_000);
    await sender.halfClosed;
    await sender.send(frames([line(2)]));
    await until("the line behind it has come", () => doors.lines.length === 2);
    sender.finish();
    expect(await drained).toBe(0);
  });

  test.each([
    ["a count that is none", "12x3 <38>…"],
    ["a count with a leading zero", "20 <38>Nov 21 04:44:40 019 <38>…"],
    ["a count of too many digits", "99999999 <38>…"],
  ])("octet counts that lie end the connection, and are counted: %s", async (_, stream) => {
    await open();
    const sender = await doors.tcp("plain", { from, silent: true });
    void sender.send(stream);
    await sender.closed;
    expect(await doors.metric('line_refused_total{reason="octet-count-invalid"}')).toBe(1);
  });

  test("a count that promises too little or too much makes lines of what it covers, never of its neighbours'", async () => {
    await open();
    const [short, long] = await Promise.all([0, 1].map(() => doors.tcp("plain", { from, silent: true })));
    // "10 " covers ten bytes; what follows is taken for a count, which it is not.
    void short?.send("10 <38>Nov 21 04:44:40 gw1 app[1]: cut");
    await short?.closed;
    expect(texts()).toEqual(["<38>Nov 21"]);
    await long?.send("60 <38>Nov 21 04:44:40 gw1 app[1]: short");
    long?.finish();
    await long?.closed;
    expect(texts()).toEqual(["<38>Nov 21"]);
    expect(await doors.metric('line_refused_total{reason="frame-truncated"}')).toBe(1);
  });
});
