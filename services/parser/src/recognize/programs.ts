/**
 * Which program speaks? Asked by the name's characters in place: no text is cut out, nor its end looked for.
 *
 *   two characters of the name  ──▶ what is known about all names that begin so: for every line
 *   the whole name              ──▶ what is known about this one: for the few lines that are not told apart by that
 */

import { nameEnds } from "../decode/header.ts";
import { literalBytes, pairOf, pairPlaces } from "../latin1.ts";

/** Beginnings of program names → what is known about the programs whose names begin so. Names may share a beginning by chance. */
export class NameStarts<T> {
  readonly #values: (T | undefined)[] = Array.from({ length: pairPlaces }, () => undefined);

  /** @param join of the names that share a beginning, what is known about them together */
  constructor(names: Iterable<string>, join: (names: readonly string[]) => T) {
    const byStart = new Map<number, string[]>();
    for (const name of names) {
      for (const start of startsOf(name)) byStart.set(start, [...(byStart.get(start) ?? []), name]);
    }
    for (const [start, sharers] of byStart) this.#values[start] = join(sharers);
  }

  /** @returns undefined when no name begins as the one at `from` does */
  get(bytes: Uint8Array, from: number): T | undefined {
    return this.#values[pairOf(bytes[from] as number, bytes[from + 1] as number)];
  }
}

/** More than one of a name of one character: what ends it is the second. */
function startsOf(name: string): ReadonlySet<number> {
  const [first = 0, second] = literalBytes(name);
  const seconds = second === undefined ? nameEnds : [second];
  return new Set(seconds.map((code) => pairOf(first, code)));
}

/** What a cell says beside the row to go on with (from 1 on): no name begins so; or below, that a name has ended, and whose value it is. */
const noName = 0;
const firstRow = 1;

/**
 * Program names → what is known about each.
 *
 * An automaton: a row of a table for each beginning of a name, with a cell for each character that may follow. One load for each
 * character, however many names there are.
 */
export class ProgramTable<T> {
  readonly #cells: Int32Array;
  /** Of row n, the value's number when a name ends there. */
  readonly #endings: number[] = [];
  readonly #values: T[] = [];

  constructor(programs: Iterable<readonly [name: string, value: T]>) {
    const rows = [new Int32Array(256), new Int32Array(256)];
    for (const [name, value] of programs) {
      let row = firstRow;
      for (const code of literalBytes(name)) {
        const cells = rows[row] as Int32Array;
        if (cells[code] === noName) cells[code] = rows.push(new Int32Array(256)) - 1;
        row = cells[code] as number;
      }
      this.#endings[row] = this.#values.push(value);
    }
    for (const [row, number] of this.#endings.entries()) {
      if (number === undefined) continue;
      for (const code of nameEnds) (rows[row] as Int32Array)[code] = -number;
    }
    this.#cells = new Int32Array(256 * rows.length);
    for (const [number, cells] of rows.entries()) this.#cells.set(cells, 256 * number);
  }

  /** @returns what is known about the program whose name begins at `from` and ends as a tag or a field does, or with the line */
  get(bytes: Uint8Array, from: number, to: number): T | undefined {
    const cells = this.#cells;
    let row = firstRow;
    for (let at = from; at < to; at++) {
      row = cells[(row << 8) | (bytes[at] as number)] as number;
      if (row <= noName) return row === noName ? undefined : this.#values[-row - 1];
    }
    const number = this.#endings[row];
    return number === undefined ? undefined : this.#values[number - 1];
  }
}
