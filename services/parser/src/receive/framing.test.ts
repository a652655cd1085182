import { describe, expect, test } from "@jest/globals";
import { carryBytesMax, Framer } from "./framing.ts";

const space = Buffer.alloc(carryBytesMax + 65_536);

/** One framer, its pushes in latin1, and where every byte went. */
function startFramer(frameBytesMax: number) {
  const frames: string[] = [];
  const faults: string[] = [];
  const bytes = { line: { count: 0 }, framing: { count: 0 }, refused: { count: 0 } };
  const framer = new Framer(frameBytesMax, {
    frame: ({ text, bytes: same }, from, to) => {
      frames.push(text.slice(from, to));
      expect(Buffer.from(same.subarray(from, to)).toString("latin1")).toBe(frames.at(-1));
    },
    fault: (fault) => faults.push(fault),
    bytes,
  });
  const push = (chunk: string): boolean => {
    const length = space.write(chunk, carryBytesMax, "latin1");
    return framer.push(space, carryBytesMax, carryBytesMax + length);
  };
  const accounted = (): number => bytes.line.count + bytes.framing.count + bytes.refused.count;
  return { frames, faults, bytes, push, accounted, end: () => framer.end() };
}

function run(chunks: readonly string[], frameBytesMax = 8192): { frames: string[]; faults: string[]; open: boolean } {
  const framer = startFramer(frameBytesMax);
  let pushed = 0;
  const open = chunks.every((chunk) => {
    pushed += chunk.length;
    return framer.push(chunk);
  });
  if (open) framer.end();
  expect(framer.accounted()).toBe(pushed);
  expect(framer.bytes.line.count).toBe(framer.frames.reduce((sum, { length }) => sum + length, 0));
  const { frames, faults } = framer;
  return { frames, faults, open };
}

/** Every way to cut the stream in two, and byte by byte. */
function everySplit(stream: string): string[][] {
  const cuts = Array.from({ length: stream.length + 1 }, (_, at) => [stream.slice(0, at), stream.slice(at)]);
  return [...cuts, [...stream]];
}

const a =
  "<38>1 2026-11-21T04:44:36.689151+00:00 gw1 sshd 2317 - -  Failed password for root from 203.0.113.7 port 40022 ssh2";
const b = "<38>Nov 21 04:44:44 gw1 sshd[2320]: Failed password for root from 203.0.113.8 port 40030 ssh2";

describe("one stream gives the same frames however it is cut:", () => {
  test.each([
    ["lines", `${a}\n${b}\n`],
    ["lines with CR, NUL and empty ones between", `${a}\r\n\n\n${b}\0\n`],
    ["a last line without its newline", `${a}\n${b}`],
    ["counted frames whose count includes a newline (VyOS 1.3)", `${a.length + 1} ${a}\n${b.length + 1} ${b}\n`],
    ["counted frames that touch each other (VyOS 1.4)", `${a.length} ${a}${b.length} ${b}`],
    ["counted frames with newlines between that are not counted", `${a.length} ${a}\n${b.length} ${b}\n`],
  ])("%s", (_, stream) => {
    for (const chunks of everySplit(stream)) expect(run(chunks)).toEqual({ frames: [a, b], faults: [], open: true });
  });
});

describe("a frame over the limit", () => {
  const long = "x".repeat(100);

  test("is skipped, counted once, and the next one is read", () => {
    for (const chunks of everySplit(`${b}\n<1>${long}\n${b}\n`)) {
      expect(run(chunks, 95)).toEqual({ frames: [b, b], faults: ["frame-too-long"], open: true });
    }
  });

  test("with octet counting is skipped by its count, whatever it holds", () => {
    const evil = `${b.length} ${b}`.padEnd(110, "1");
    for (const chunks of everySplit(`${b.length} ${b}${evil.length} ${evil}${b.length} ${b}`)) {
      expect(run(chunks, 95)).toEqual({ frames: [b, b], faults: ["frame-too-long"], open: true });
    }
  });

  test("is never kept: a stream without an end does not grow", () => {
    const framer = startFramer(100);
    for (let n = 0; n < 100; n++) framer.push("x".repeat(65_536));
    expect(framer.bytes.refused.count).toBe(100 * 65_536);
  });
});

describe("octet counts that lie", () => {
  test.each([
    ["a letter where a count should be", `${b.length} ${b}x`],
    ["a count that is too short, so that text follows it", `10 ${b}`],
    ["a leading zero", `${b.length} ${b}093 ${b}`],
    ["more digits than any frame can need", `${b.length} ${b}1234567 ${b}`],
  ])("%s end the connection", (_, stream) => {
    const { faults, open } = run([stream]);
    expect({ last: faults.at(-1), open }).toEqual({ last: "octet-count-invalid", open: false });
  });

  test("a count that is too long swallows what follows, and the end is reported", () => {
    expect(run([`500 ${b}`])).toEqual({ frames: [], faults: ["frame-truncated"], open: true });
  });

  test("a line that begins with a number cannot switch the method", () => {
    expect(run([`${b}\n`, `500 ${a}\n`, `${b}\n`]).frames).toEqual([b, `500 ${a}`, b]);
  });
});

test("NUL and bytes that are no UTF-8 stay inside their frame", () => {
  const hostile = `<38>Nov 21 04:44:44 gw1 sshd[1]: \0\xff\xfe from`;
  expect(run([`${hostile}\n${b}\n`])).toEqual({ frames: [hostile, b], faults: [], open: true });
});
