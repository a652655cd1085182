/**
 * Can any of a program's forms end as this line does? Asked before anything else of the line is read: of most lines of a program
 * that has rules the answer is no, whether it has three rules or three hundred.
 *
 *   … port 22 ssh2          the form ends with fixed text that holds a space  ──▶ its last word
 *   … was refused from A    it ends with a field that holds none              ──▶ the two characters before the last space
 *
 * One look at the end of the line answers for all forms. Both are hashed into a table of one byte each: a "no" is certain, a
 * "yes" is not. A form that ends in another way (free text, a quote, two fields) can end as any line does: then every line may be one.
 */

import type { Form } from "./template.ts";

const space = 0x20;

export class Endings {
  /** By the hash of a line's last word, or of what stands before it. */
  readonly #lastWords = new Uint8Array(256);
  readonly #beforeLast = new Uint8Array(256);
  readonly #areKnown: boolean;

  constructor(forms: readonly Form[]) {
    this.#areKnown = forms.every((form) => this.#add(form));
  }

  /** Whether a message that ends at `to` may have one of the forms. `from` is a place before the message. */
  mayEnd(bytes: Uint8Array, from: number, to: number): boolean {
    if (!this.#areKnown) return true;
    let word = 0;
    let at = to - 1;
    for (; at > from; at--) {
      const code = bytes[at] as number;
      if (code === space) break;
      word = step(word, code);
    }
    if (this.#lastWords[word & 0xff] === 1) return true;
    return at - 2 > from && this.#beforeLast[pair(bytes[at - 2] as number, bytes[at - 1] as number)] === 1;
  }

  /** @returns whether it is known how its lines end */
  #add({ suffix, beforeLastWord }: Form): boolean {
    const last = suffix.lastIndexOf(" ");
    if (last !== -1) {
      let word = 0;
      for (let at = suffix.length - 1; at > last; at--) word = step(word, suffix.charCodeAt(at));
      this.#lastWords[word & 0xff] = 1;
      return true;
    }
    const end = beforeLastWord.length - 1;
    if (end < 2) return false;
    this.#beforeLast[pair(beforeLastWord.charCodeAt(end - 2), beforeLastWord.charCodeAt(end - 1))] = 1;
    return true;
  }
}

function step(hash: number, code: number): number {
  return (Math.imul(hash, 31) + code) | 0;
}

function pair(before: number, last: number): number {
  return (Math.imul(before, 31) + last) & 0xff;
}
