// Whatever an attacker writes where he can write, the address of an event is the one that the daemon wrote; and nobody is banned
// who must never be.

import { describe, expect, test } from "@jest/globals";
import type { Task } from "@logwarden/shared/task";
import fc from "fast-check";
import type { Rule } from "../src/recognize/rule.ts";
import type { Recognition } from "../src/recognize/recognize.ts";
import { shippedRules } from "../src/recognize/rule-set.ts";
import { attacker, hostileText, port } from "./properties-lines.ts";
import { freshRecognizer, ParserInProcess } from "./properties-parser.ts";
import { type FieldKind, type Form, formsOf, readTemplate } from "./properties-templates.ts";

const recognizer = freshRecognizer();

function recognize(line: string): Recognition {
  const bytes = Buffer.from(line, "latin1");
  return recognizer.recognize({ text: line, bytes }, 0, bytes.length);
}

function addressOf(recognition: Recognition): string | undefined {
  return typeof recognition !== "string" && "from" in recognition ? recognition.from.text : undefined;
}

/** How a text reaches us: in either RFC, summed up, or through logger. */
const wrapped = (program: string, message: string): string[] => [
  `<38>Nov 21 04:44:40 gw1 ${program}[2319]: ${message}`,
  `<38>2026-11-21T04:44:36.689151+00:00 gw1 ${program}[2317]: ${message}`,
  `<38>1 2026-11-21T04:44:36Z gw1 ${program} 2317 - [a b="] \\] \\""] ${message}`,
  `<38>Nov 21 04:44:40 gw1 ${program}[2320]: message repeated 2 times: [ ${message}]`,
  `<13>Nov 21 04:44:40 gw1 root: Nov 21 04:44:40 gw1 ${program}[1]: ${message}`,
];

describe("sshd's line about a failed password", () => {
  const invalid = fc.constantFrom("", "invalid user ");

  test("whatever is in the user name, up to 8 KiB of it, gives the address that sshd wrote, and as much of the name as a task holds", () => {
    fc.assert(
      fc.property(invalid, hostileText, attacker, port, (prefix, user, from, at) => {
        const message = `Failed password for ${prefix}${user} from ${from} port ${at} ssh2`;
        for (const line of wrapped("sshd", message)) {
          const event = recognize(line);
          expect(event).toMatchObject({ rule: "sshd-failed-password", from: { text: from } });
          // The name is read from the left, so a name that begins like the form is a shorter one.
          const name = prefix === "" && user.startsWith("invalid user ") ? user.slice(13) : user;
          const utf8 = Buffer.from(name, "latin1")
            .toString("utf8")
            .slice(0, 256)
            .replace(/[\ud800-\udbff]$/, "")
            .replaceAll(/\p{Cc}/gu, "\ufffd");
          expect(event).toMatchObject({ user: utf8 });
        }
      }),
      { numRuns: 1500 },
    );
  });

  test("logged by another program is nobody's, whatever stands around it", () => {
    const known = new Set(shippedRules.flatMap(({ programs }) => programs));
    const program = fc.oneof(
      fc.constantFrom("sshd2", "xsshd", "SSHD", "ssh", "sshd-", "sshd-sessions", "app", "sshd/1", "sudo", "-sshd", "s"),
      fc.string({ minLength: 1, maxLength: 12 }).map((text) => text.replaceAll(/[[: ]/g, "_")),
    );
    const others = program.filter((name) => !known.has(name));
    fc.assert(
      fc.property(others, hostileText, attacker, (name, before, from) => {
        const sshds = `Failed password for root from ${from} port 22 ssh2`;
        for (const text of [sshds, before + sshds, `sshd[1]: ${sshds}`, `Nov 21 04:44:40 gw1 sshd[1]: ${sshds}`]) {
          // Facility user is logger's, which speaks for others; daemons have another.
          for (const line of wrapped(name, text).slice(0, 4)) expect(typeof recognize(line)).toBe("string");
        }
      }),
      { numRuns: 500 },
    );
  });
});

/** A rule about an address, and one form of one of its templates. */
interface Shape {
  rule: Rule;
  form: Form;
}

const shapes = shippedRules
  .filter(({ type }) => type !== "interface_down")
  .flatMap((rule) =>
    [rule.match].flat().flatMap((match) => formsOf(readTemplate(match)).map((form): Shape => ({ rule, form }))),
  );

/** What a daemon writes where no stranger has a say. */
const daemons: Record<FieldKind, string> = {
  text: "x",
  ip: "10.0.0.1",
  int: "22",
  hex: "0x1",
  word: "word",
  quoted: "q",
};

/** The address, and the values that some rules ask for. */
function given(field: string, from: string): string | undefined {
  if (field === "address") return from;
  if (field === "status") return "404";
  if (field === "length") return from.includes(":") ? "128" : "32";
  return undefined;
}

/**
 * What a stranger can put into the field, as his text comes out of the daemon. Names hold no colon: sshd cuts them there
 * (auth2.c), and basic authentication as well. Access logs escape what stands between quotes, nginx's error log does not.
 */
function strangers({ rule, form }: Shape, field: string, kind: FieldKind, text: string): string {
  const isName = field === "user" && rule.name !== "sshd-failed-password";
  const named = isName ? text.replaceAll(":", "") : text;
  if (kind === "text") return named;
  if (kind === "word" && field === "user") return named.replaceAll(/[\0- \x7f]/g, "").slice(0, 200) || "x";
  if (kind !== "quoted") return daemons[kind];
  const isRaw = form.some((part) => "literal" in part && part.literal.includes("client: "));
  if (isRaw) return field === "user" ? named : daemons.quoted;
  return text.replaceAll(/["\\]/g, "\\$&");
}

describe("of every rule that ships", () => {
  test.each(shapes.map((shape): [string, Shape] => [`${shape.rule.name}: ${write(shape, () => undefined)}`, shape]))(
    "%s: the address is the daemon's",
    (_, shape) => {
      for (const from of ["100.64.7.7", "2001:db8:bad::7"]) {
        const message = write(shape, (field) => given(field, from));
        for (const line of wrapped(shape.rule.programs[0] ?? "", message)) {
          expect(recognize(line)).toMatchObject({ rule: shape.rule.name, from: { text: from } });
        }
      }
      fc.assert(
        fc.property(attacker, hostileText, hostileText, (from, one, two) => {
          let n = 0;
          const message = write(
            shape,
            (field, kind) => given(field, from) ?? strangers(shape, field, kind, n++ % 2 === 0 ? one : two),
          );
          for (const program of shape.rule.programs) {
            for (const line of wrapped(program, message)) {
              const found = addressOf(recognize(line));
              if (found !== undefined && found !== from) throw new Error(`${found} is the stranger's, in ${line}`);
            }
          }
        }),
        { numRuns: 60 },
      );
    },
  );
});

function write({ form }: Shape, value: (field: string, kind: FieldKind) => string | undefined): string {
  return form
    .map((part) => ("literal" in part ? part.literal : (value(part.field, part.kind) ?? daemons[part.kind])))
    .join("");
}

describe("an address that is never banned", () => {
  /** Said once more, in numbers: what never-ban.ts builds in, and the inventory's. */
  const never: readonly [bits: 4 | 6, prefix: bigint, length: number][] = [
    ...[
      "0.0.0.0/8",
      "127.0.0.0/8",
      "169.254.0.0/16",
      "224.0.0.0/4",
      "255.255.255.255/32",
      "198.51.100.0/24",
      "10.10.10.201/32",
    ].map((text): [4, bigint, number] => {
      const [address = "", length = ""] = text.split("/");
      return [4, address.split(".").reduce((sum, octet) => (sum << 8n) + BigInt(octet), 0n), Number(length)];
    }),
    [6, 0n, 128],
    [6, 1n, 128],
    [6, 0xfe80n << 112n, 10],
    [6, 0xffn << 120n, 8],
    [6, 0x20010db8000an << 80n, 48],
    [6, (0x20010db8n << 96n) + 0x201n, 128],
  ];
  const isNever = (family: 4 | 6, value: bigint): boolean =>
    never.some(([of, prefix, length]) => {
      const rest = BigInt((of === 4 ? 32 : 128) - length);
      return of === family && value >> rest === prefix >> rest;
    });

  /** An address inside a prefix of the list, beside one, or any. */
  const anyAddress = fc
    .tuple(fc.constantFrom(...never), fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }), fc.nat(3))
    .map(([[family, prefix, length], random, near]): { family: 4 | 6; value: bigint } => {
      const bits = family === 4 ? 32n : 128n;
      const rest = bits - BigInt(length);
      const host = random & ((1n << rest) - 1n);
      if (near === 0) return { family, value: random & ((1n << bits) - 1n) };
      const shifted = near === 1 ? prefix ^ (1n << rest) : prefix;
      return { family, value: ((shifted >> rest) << rest) + host };
    });

  const quad = (value: bigint): string => [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join(".");

  /** One of the ways to write it that a daemon, or a liar, has. */
  function spell(family: 4 | 6, value: bigint, dice: readonly number[]): string {
    const [mapped = 0, dotted = 0, cased = 0, padded = 0, gap = 0, zoned = 0] = dice;
    if (family === 4 && mapped % 2 === 0) return quad(value);
    const all = family === 4 ? (0xffffn << 32n) + value : value;
    const groups = Array.from({ length: 8 }, (_, n) => ((all >> BigInt(112 - 16 * n)) & 0xffffn).toString(16));
    const written = groups.map((group) => (padded % 2 === 0 ? group : group.padStart(4, "0")));
    // `::192.0.2.1` is left out: what ipaddr.js makes of it is not what it makes of `::c000:201`.
    const isDotted = dotted % 2 === 1 && all >> 32n !== 0n;
    const tail = isDotted ? [quad(all & 0xffff_ffffn)] : written.slice(6);
    const words = [...written.slice(0, 6), ...tail];
    // Any run of zeros may be the gap, not only the longest.
    const runs = [...words.keys()].filter((at) => /^0+$/.test(words[at] ?? ""));
    const at = runs[gap % Math.max(1, runs.length)];
    let to = at ?? 0;
    while (at !== undefined && /^0+$/.test(words[to] ?? "")) to++;
    const text = at === undefined ? words.join(":") : `${words.slice(0, at).join(":")}::${words.slice(to).join(":")}`;
    const zone = zoned % 3 === 0 ? "%eth0" : "";
    return (cased % 2 === 0 ? text : text.toUpperCase()) + zone;
  }

  test("never becomes a task, however it is written; every other one does, in one spelling", () => {
    let refused = 0;
    let asked = 0;
    fc.assert(
      fc.property(anyAddress, fc.array(fc.nat(20), { minLength: 6, maxLength: 6 }), ({ family, value }, dice) => {
        const mapped = family === 6 && value >> 32n === 0xffffn;
        const spelled = spell(family, value, dice);
        const tasks: Task[] = [];
        const parser = new ParserInProcess({ recognizer, onTask: (task) => tasks.push(task) });
        const stream = parser.open();
        stream.push(
          Buffer.from(`<38>Nov 21 04:44:40 gw1 sshd[2319]: Failed password for root from ${spelled} port 1 ssh2\n`),
        );
        expect(parser.counted("event.recognized")).toBe(1);
        const isListed = mapped ? isNever(4, value & 0xffff_ffffn) : isNever(family, value);
        expect([spelled, tasks.length]).toEqual([spelled, isListed ? 0 : 1]);
        expect(parser.counted("event.refused", "never-ban")).toBe(isListed ? 1 : 0);
        if (isListed) refused++;
        else asked++;
        // Spelled in another way it is the same address.
        const [task] = tasks as { from?: string }[];
        stream.push(
          Buffer.from(
            `<38>Nov 21 04:44:40 gw1 sshd[2319]: Failed password for root from ${spell(family, value, [])} port 1 ssh2\n`,
          ),
        );
        expect((tasks[1] as { from?: string } | undefined)?.from).toBe(task?.from);
      }),
      { numRuns: 2000 },
    );
    expect(Math.min(refused, asked)).toBeGreaterThan(300);
  });

  test.each([
    "127.000.000.001",
    "127.1",
    "0x7f.0.0.1",
    "2130706433",
    "127.0.0.1.",
    "[::1]",
    "::ffff:127.0.0.01",
    "::ffff:127.1",
    "0:0:0:0:0:0:0:0:1",
    "localhost",
    "127.0.0.1%lo",
    "127.0.0.1:22",
    "-127.0.0.1",
  ])("written as %s is no address, and no event", (text) => {
    expect(recognize(`<38>Nov 21 04:44:40 gw1 sshd[2319]: Failed password for root from ${text} port 1 ssh2`)).toBe(
      "unrecognized",
    );
  });
});
