// Syslog over UDP (RFC 5426): a datagram is a line, its sender's address the device. What is lost is counted by name.

import { readFileSync } from "node:fs";
import { afterEach, expect, test } from "@jest/globals";
import { balancer, type Doors, type DoorsOptions, edge, openDoors, stranger } from "./doors.ts";
import { until } from "./rig.ts";

let doors: Doors;
afterEach(() => doors.close());

const open = async (options: Partial<DoorsOptions> = {}): Promise<void> =>
  void (doors = await openDoors({ open: ["udp"], ...options }));

const line = (n: number): string => `<38>Nov 21 04:44:40 gw1 app[1]: line ${n}`;
const refusedLines = (reason: string): Promise<number> => doors.metric(`line_refused_total{reason="${reason}"}`);

test("a datagram is one line of its sender, without the newline or NUL at its end, whatever it begins with", async () => {
  await open();
  for (const bytes of [line(1), `${line(2)}\n`, `${line(3)}\r\n\0`, "16 <38>not framed", `${line(4)}\n${line(5)}`]) {
    await doors.datagram(bytes, edge.address);
  }
  await until("all have come", () => doors.lines.length === 5);
  expect(doors.lines).toEqual(
    [line(1), line(2), line(3), "16 <38>not framed", `${line(4)}\n${line(5)}`].map((text) => ({
      device: edge.key,
      text,
    })),
  );
  await until("the reads have ended", () => doors.readEnds() > 0);
});

test("an empty datagram, and one of newlines, are no lines and no faults", async () => {
  await open();
  for (const bytes of ["", "\n\n", line(1)]) await doors.datagram(bytes, edge.address);
  await until("the line has come", () => doors.lines.length === 1);
  expect(await doors.metric("line_refused_total")).toBe(0);
});

test("a datagram over the limit is refused and counted; one that is as long as the limit is read", async () => {
  await open({ env: { LOGWARDEN_FRAME_BYTES_MAX: "480" } });
  const long = line(1).padEnd(480, "x");
  await doors.datagram(`${long}x`, edge.address);
  await doors.datagram(long, edge.address);
  await until("the shorter has come", () => doors.lines.length === 1);
  expect(doors.lines).toEqual([{ device: edge.key, text: long }]);
  expect(await refusedLines("frame-too-long")).toBe(1);
});

test("a stranger's datagrams are refused and counted, a balancer's as well", async () => {
  await open();
  await doors.datagram(line(1), stranger.address);
  await doors.datagram(line(1), balancer.address);
  await doors.datagram(line(2), edge.address);
  await until("the device's has come", () => doors.lines.length === 1);
  expect(doors.lines).toEqual([{ device: edge.key, text: line(2) }]);
  expect(await refusedLines("unknown-device")).toBe(2);
});

test("an IPv6 sender is known by its address", async () => {
  await open({
    env: { LOGWARDEN_UDP_LISTEN: `[::1]:${20_000 + Math.floor(Math.random() * 12_000)}` },
    inventory: { devices: { six: { address: "0:0:0:0:0:0:0:1" } } },
  });
  await doors.datagram(line(1), "::1");
  await until("it has come", () => doors.lines.length === 1);
  expect(doors.lines).toEqual([{ device: "six", text: line(1) }]);
});

test("an IPv4 sender is known at a listener for both families", async () => {
  const port = 20_000 + Math.floor(Math.random() * 12_000);
  await open({ env: { LOGWARDEN_UDP_LISTEN: `[::]:${port}` } });
  doors.at.udp = { host: "127.0.0.1", port };
  await doors.datagram(line(1), edge.address);
  await until("it has come", () => doors.lines.length === 1);
  expect(doors.lines).toEqual([{ device: edge.key, text: line(1) }]);
});

test("while reading pauses datagrams are held to a bound, in order; what is above it is counted", async () => {
  // Room for ten: each is its bytes and 512.
  const bytes = line(10).length;
  await open({ env: { LOGWARDEN_UDP_HELD_BYTES_MAX: String(10 * (bytes + 512)) } });
  doors.receiver.pause();
  for (let n = 10; n < 25; n++) await doors.datagram(line(n), edge.address);
  await until("five are refused", async () => (await refusedLines("queue-full")) === 5);
  expect(doors.lines).toEqual([]);
  expect(await doors.metric("udp_held_bytes")).toBe(10 * (bytes + 512));
  doors.receiver.resume();
  expect(doors.lines.map(({ text }) => text)).toEqual(Array.from({ length: 10 }, (_, n) => line(n + 10)));
  expect(await doors.metric("udp_held_bytes")).toBe(0);
});

test("held datagrams that fill the queue again stay held", async () => {
  await open({ onReadEnd: () => doors.receiver.pause() });
  doors.receiver.pause();
  for (let n = 1; n <= 3; n++) await doors.datagram(line(n), edge.address);
  await until("all are held", async () => (await doors.metric("udp_held_bytes")) === 3 * (line(1).length + 512));
  for (let n = 1; n <= 3; n++) {
    doors.receiver.resume();
    expect(doors.lines.length).toBe(n);
  }
});

test("a stop reads what the kernel still has, and hands out what was held", async () => {
  await open();
  doors.receiver.pause();
  await doors.datagram(line(1), edge.address);
  await until("it is held", async () => (await doors.metric("udp_held_bytes")) > 0);
  await Promise.all([2, 3, 4].map((n) => doors.datagram(line(n), edge.address)));
  await doors.receiver.drain(1000);
  expect(doors.lines.map(({ text }) => text).sort()).toEqual([1, 2, 3, 4].map(line));
});

test("what the kernel dropped is a number that somebody can see", async () => {
  await open({ env: { LOGWARDEN_UDP_RECEIVE_BUFFER_BYTES: "4096" } });
  // One turn of our own loop sends all of them, so that none is read in between.
  const { createSocket } = await import("node:dgram");
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind({ address: edge.address }, resolve));
  const { port, host } = doors.at.udp;
  await Promise.all(
    Array.from({ length: 200 }, () => new Promise((resolve) => socket.send("x".repeat(1000), port, host, resolve))),
  );
  socket.close();
  await until(
    "what was not dropped has come",
    async () => doors.lines.length + (await doors.metric("udp_dropped_by_kernel")) === 200,
  );
  expect(await doors.metric("udp_dropped_by_kernel")).toBeGreaterThan(0);
  expect(readFileSync("/proc/net/udp", "latin1")).toContain("drops");
});
