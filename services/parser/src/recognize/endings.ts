/**
 * Can any of a program's forms end as this line does? Asked before anything else of the line is read: of most lines of a program
 * that has rules the answer is no, whether it has three rules or three hundred.
 *
 *   … port 22 ssh2          the form ends with fixed text         ──▶ the last three characters
 *   … was refused from A    it ends with a field without spaces   ──▶ the two characters before the last space, and what the
 *                                                                     last word begins and ends with
 *
 * One look at the end of the line answers for all forms: a "no" is certain, a "yes" is not. A form that ends in another way (free
 * text, a quote, two fields) can end as any line does: then every line may be one.
 */

import { literalBytes } from "../latin1.ts";
import { characterKinds, firstCharacterKinds, type Form } from "./template.ts";

const space = 0x20;
/** What the last word begins with is fixed text: any character. */
const anyKind = 0xff;

export class Endings {
  /** The last three characters of forms. */
  readonly #texts = new Triples();
  /** The two characters before the last space, and the space: with the kinds of field (characterKinds) that may stand behind it. */
  readonly #fields = new Triples();
  readonly #areKnown: boolean;

  constructor(forms: readonly Form[]) {
    this.#areKnown = forms.every(({ suffix, beforeLastWords: [before = ""], lastWordKind }) => {
      if (suffix.length >= 3) this.#texts.add(suffix, anyKind);
      else if (before.length >= 3) this.#fields.add(before, lastWordKind === 0 ? anyKind : lastWordKind);
      else return false;
      return true;
    });
  }

  /** Whether a message that ends at `to` may have one of the forms. @param from where it begins, or a place before it */
  mayEnd(bytes: Uint8Array, from: number, to: number): boolean {
    if (!this.#areKnown) return true;
    if (to - from < 3) return false;
    if (this.#texts.mayHave(bytes, to) && this.#texts.get(bytes, to) !== 0) return true;
    const last = characterKinds[bytes[to - 1] as number] as number;
    if ((this.#fields.kinds & last) === 0) return false;
    let at = to - 1;
    while (at > from && bytes[at] !== space) at--;
    if (at - 2 < from || at === to - 1 || !this.#fields.mayHave(bytes, at + 1)) return false;
    const first = firstCharacterKinds[bytes[at + 1] as number] as number;
    return (this.#fields.get(bytes, at + 1) & first & last) !== 0;
  }
}

/** Values of a few texts of three characters. */
class Triples {
  readonly #values = new Map<number, number>();
  /** Which characters stand first, second and third, a bit for each eight of them: most texts are told from these by what lies at hand. */
  #first = 0;
  #second = 0;
  #third = 0;
  /** All of their values. */
  kinds = 0;

  /** Adds the bits of the value to that of the text's end. */
  add(text: string, value: number): void {
    const bytes = literalBytes(text.slice(-3));
    const key = keyAt(bytes, 3);
    this.#values.set(key, (this.#values.get(key) ?? 0) | value);
    this.kinds |= value;
    this.#first |= 1 << (bytes[0] as number);
    this.#second |= 1 << (bytes[1] as number);
    this.#third |= 1 << (bytes[2] as number);
  }

  /** Whether the characters before `to` may be one of the texts: no is certain. */
  mayHave(bytes: Uint8Array, to: number): boolean {
    const [first, second, third] = [bytes[to - 3] as number, bytes[to - 2] as number, bytes[to - 1] as number];
    // A shift takes the last five bits of a number.
    return ((this.#first >> first) & (this.#second >> second) & (this.#third >> third) & 1) === 1;
  }

  /** @returns 0 when the characters before `to` are none of the texts */
  get(bytes: Uint8Array, to: number): number {
    return this.#values.get(keyAt(bytes, to)) ?? 0;
  }
}

/** The three characters before `to`, in one number. */
function keyAt(bytes: Uint8Array, to: number): number {
  return ((bytes[to - 3] as number) << 16) | ((bytes[to - 2] as number) << 8) | (bytes[to - 1] as number);
}
