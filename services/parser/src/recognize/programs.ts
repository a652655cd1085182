/** Which program speaks? Asked for every line, so by the name's characters in place: no text is cut out. */

import { literalBytes, standsAt } from "../latin1.ts";

interface Entry<T> {
  name: Uint8Array;
  value: T;
}

/** Program names → what is known about each. */
export class ProgramTable<T> {
  /** Nearly every line is answered by an empty slot. */
  readonly #slots = Array.from<Entry<T>[] | undefined>({ length: slots });

  /** @throws RangeError when a name is longer than any header may hold */
  constructor(programs: Iterable<readonly [name: string, value: T]>) {
    for (const [name, value] of programs) {
      if (name.length > lengthMax) throw new RangeError(`expected at most ${lengthMax} characters, got "${name}"`);
      const slot = slotOf(name.length, name.charCodeAt(0));
      this.#slots[slot] = [...(this.#slots[slot] ?? []), { name: literalBytes(name), value }];
    }
  }

  /** @returns what is known about the program bytes[from..to) */
  get(bytes: Uint8Array, from: number, to: number): T | undefined {
    const entries = this.#slots[slotOf(to - from, bytes[from] as number)];
    if (entries === undefined) return undefined;
    for (let index = 0; index < entries.length; index++) {
      const { name, value } = entries[index] as Entry<T>;
      if (standsAt(name, bytes, from)) return value;
    }
    return undefined;
  }
}

const lengthMax = 64;
const slots = (lengthMax + 1) << 8;

/** Names of one length that begin alike share a slot: few do. */
function slotOf(length: number, first: number): number {
  return (length << 8) | (first & 0xff);
}
