/** Which program speaks? Asked for every line, so by the name's characters in place: no text is cut out, nor its end looked for. */

import { endsName } from "../decode/header.ts";
import { EdgeTree } from "./edge-tree.ts";

/** Program names → what is known about each. */
export class ProgramTable<T> {
  readonly #names = new EdgeTree<T>(1);

  constructor(programs: Iterable<readonly [name: string, value: T]>) {
    for (const [name, value] of programs) this.#names.add(name, value);
  }

  /** @returns what is known about the program whose name begins at `from` and ends as a tag or a field does, or with the line */
  get(bytes: Uint8Array, from: number, to: number): T | undefined {
    return this.#names.find(bytes, from, to - from, endsName);
  }
}
