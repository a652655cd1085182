/**
 * Forms that end with words, fixed or fields without spaces: which of them can stand before one of the line's last spaces?
 *
 * From space to space, from the last one on. At each there is a radix tree of the texts that may stand before it; and whether
 * any form has its text further left is told by what stands around the space: nearly every line ends there at its last one.
 */

import { literalBytes, pairOf, pairPlaces } from "../latin1.ts";
import { EdgeTree } from "./edge-tree.ts";
import type { Form } from "./template.ts";

const space = 0x20;

export class LastWords<V> {
  /** By number of the space, counted from the last. */
  readonly #trees: readonly (EdgeTree<V> | undefined)[];
  /** Bit n: some form may stand so around the space number n, and has its text further left. By the two characters before it: */
  readonly #goOnBefore = new Uint8Array(pairPlaces);
  /** By the character behind it: */
  readonly #goOnBehind = new Uint8Array(256);

  /** @param entries each with the number of the space at which it is looked for, at most lastWordsMax - 1, where its form has fixed text */
  constructor(entries: readonly { form: Form; number: number; value: V }[]) {
    const trees: (EdgeTree<V> | undefined)[] = [];
    for (const { form, number, value } of entries) {
      trees[number] ??= new EdgeTree(-1);
      trees[number].add(form.beforeLastWords[number] ?? "", value);
      for (let passed = 0; passed < number; passed++) this.#goOn(form, passed);
    }
    // No holes: a place that is missing would be looked for in the prototypes.
    this.#trees = Array.from(trees);
  }

  /** Tells the values whose texts stand in bytes[from..to). */
  walk(bytes: Uint8Array, from: number, to: number, tell: (value: V) => void): void {
    const trees = this.#trees;
    let number = 0;
    for (let at = to - 1; at >= from; at--) {
      if (bytes[at] !== space) continue;
      trees[number]?.walk(bytes, at, at - from + 1, tell);
      const before = this.#goOnBefore[pairOf(bytes[at - 2] as number, bytes[at - 1] as number)] as number;
      const behind = this.#goOnBehind[at + 1 < to ? (bytes[at + 1] as number) : space] as number;
      if ((((before | behind) >> number) & 1) === 0) return;
      number++;
    }
  }

  /** The form has its text further left than this space: the line must be followed beyond it. */
  #goOn({ beforeLastWords, behindLastSpaces }: Form, number: number): void {
    const before = literalBytes(beforeLastWords[number] ?? "");
    const behind = literalBytes(behindLastSpaces[number] ?? "");
    const bit = 1 << number;
    if (before.length > 2) {
      const pair = pairOf(before.at(-3) as number, before.at(-2) as number);
      this.#goOnBefore[pair] = (this.#goOnBefore[pair] as number) | bit;
    } else {
      const codes = behind.length > 0 ? behind.subarray(0, 1) : this.#goOnBehind.keys();
      for (const code of codes) this.#goOnBehind[code] = (this.#goOnBehind[code] as number) | bit;
    }
  }
}
