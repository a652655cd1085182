/** Many texts, one place of a line: which of them stand there? A radix tree, walked once whatever their number. */

import { literalBytes } from "../latin1.ts";

interface Branch<V> {
  /** The text from the parent's end to this branch's, in walking order. */
  literal: Uint8Array;
  /** Values of the texts that end here. */
  ending: V[];
  /** By the first character of their literal: one place for each latin1 character. */
  children: (Branch<V> | undefined)[];
}

/** Texts at one place of a line, in a radix tree. */
export class EdgeTree<V> {
  readonly #step: 1 | -1;
  readonly #root: Branch<V> = branchOf(new Uint8Array());

  /** @param step -1: the texts are walked from their ends */
  constructor(step: 1 | -1) {
    this.#step = step;
  }

  add(text: string, value: V): void {
    const bytes = literalBytes(text);
    insert(this.#root, this.#step === 1 ? bytes : bytes.reverse(), value);
  }

  /** Tells the values of the texts that stand there. @param at the first character in walking order @param length what is left of the line */
  walk(bytes: Uint8Array, at: number, length: number, tell: (value: V) => void): void {
    const step = this.#step;
    let branch = this.#root;
    let place = at;
    let left = length;
    while (left > 0) {
      const child = branch.children[bytes[place] as number];
      if (child === undefined || child.literal.length > left) return;
      const { literal, ending } = child;
      for (let index = 1; index < literal.length; index++) if (bytes[place + step * index] !== literal[index]) return;
      for (let index = 0; index < ending.length; index++) tell(ending[index] as V);
      place += step * literal.length;
      left -= literal.length;
      branch = child;
    }
  }
}

function branchOf<V>(literal: Uint8Array): Branch<V> {
  return { literal, ending: [], children: Array.from<Branch<V> | undefined>({ length: 256 }) };
}

function insert<V>(branch: Branch<V>, text: Uint8Array, value: V): void {
  if (text.length === 0) return void branch.ending.push(value);
  const code = text[0] as number;
  const child = branch.children[code];
  if (child === undefined) {
    const leaf = branchOf<V>(text);
    leaf.ending.push(value);
    branch.children[code] = leaf;
    return;
  }
  let shared = 0;
  while (shared < text.length && text[shared] === child.literal[shared]) shared++;
  if (shared === child.literal.length) return insert(child, text.subarray(shared), value);
  // The child's text is cut where the new one leaves it.
  const upper = branchOf<V>(child.literal.slice(0, shared));
  const lower = { ...child, literal: child.literal.slice(shared) };
  upper.children[lower.literal[0] as number] = lower;
  branch.children[code] = upper;
  insert(upper, text.subarray(shared), value);
}
