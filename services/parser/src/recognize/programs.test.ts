import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { nameEnds } from "../decode/header.ts";
import { NameStarts, ProgramTable } from "./programs.ts";

/** Few characters, so that names begin with one another; a byte of UTF-8 among them, and two that a sum of theirs mistakes for one another. */
const name = fc.string({ unit: fc.constantFrom("a", "b", "s", "-", "\u00e9", "A"), minLength: 1, maxLength: 5 });

test("a name is found by its first two characters and by all of them, whatever ends it, and no other name is", () => {
  let others = 0;
  fc.assert(
    fc.property(fc.uniqueArray(name, { maxLength: 40 }), name, (names, other) => {
      const table = new ProgramTable(names.map((one) => [one, one] as const));
      const starts = new NameStarts(names, (sharers) => sharers);
      const isKnown = names.includes(other);
      if (!isKnown && names.length > 0) others++;
      for (const one of [...names, other]) {
        for (const end of nameEnds) {
          const line = Buffer.from(`<38>${one}${String.fromCharCode(end)}1`, "latin1");
          expect(table.get(line, 4, line.length)).toBe(one === other && !isKnown ? undefined : one);
          if (names.includes(one)) expect(starts.get(line, 4)).toContain(one);
        }
        const bare = Buffer.from(one, "latin1");
        expect(table.get(bare, 0, bare.length)).toBe(one === other && !isKnown ? undefined : one);
      }
    }),
  );
  expect(others).toBeGreaterThan(20);
});

test("names that begin otherwise have nothing known about them", () => {
  const starts = new NameStarts(["sshd", "sshguard", "s"], (sharers) => sharers);
  const get = (line: string): readonly string[] | undefined => starts.get(Buffer.from(line), 0);
  expect(get("sshd[1]: x")).toEqual(["sshd", "sshguard"]);
  expect(get("s[1]: x")).toEqual(["s"]);
  for (const line of ["su: x", "kernel: x", "hsd: x", ""]) expect(get(line)).toBe(undefined);
});
