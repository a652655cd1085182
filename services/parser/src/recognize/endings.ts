/**
 * Can any of these forms end as this line does? Asked of the forms of all programs whose names begin as this line's does, before
 * anything else of the line is read: of most lines the answer is no, whether there are three rules or three hundred.
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

/** What a character can be at the end of one of the forms: a bit for each. Most lines are told from all of them by these alone. */
const lastOfText = 1;
const secondLastOfText = 2;
const thirdLastOfText = 4;
const lastOfField = 8;
const beforeSpace = 16;
const secondBeforeSpace = 32;

export class Endings {
  /** Of each character. */
  readonly #roles = new Uint8Array(256);
  /** The last three characters of forms. */
  readonly #texts = new Set<number>();
  /** The two characters before the last space, and the space: with the kinds of field (characterKinds) that may stand behind it. */
  readonly #fields = new Map<number, number>();
  readonly #areKnown: boolean;

  constructor(forms: readonly Form[]) {
    this.#areKnown = forms.every(({ suffix, beforeLastWords: [before = ""], lastWordKind }) => {
      if (suffix.length >= 3) this.#addText(literalBytes(suffix.slice(-3)));
      else if (before.length >= 3) this.#addField(literalBytes(before.slice(-3)), lastWordKind || anyKind);
      else return false;
      return true;
    });
  }

  /** Whether a message that ends at `to` may have one of the forms. @param from where it begins, or a place before it */
  mayEnd(bytes: Uint8Array, from: number, to: number): boolean {
    if (!this.#areKnown) return true;
    if (to - from < 3) return false;
    const roles = this.#roles;
    const last = roles[bytes[to - 1] as number] as number;
    if ((last & (lastOfText | lastOfField)) === 0) return false;
    const secondLast = roles[bytes[to - 2] as number] as number;
    const thirdLast = roles[bytes[to - 3] as number] as number;
    const isText = (last & lastOfText & (secondLast >> 1) & (thirdLast >> 2)) !== 0;
    if (isText && this.#texts.has(keyAt(bytes, to))) return true;
    if ((last & lastOfField) === 0) return false;
    let at = to - 1;
    while (at > from && bytes[at] !== space) at--;
    const before = roles[bytes[at - 1] as number] as number;
    const secondBefore = roles[bytes[at - 2] as number] as number;
    if ((beforeSpace & before & (secondBefore >> 1)) === 0 || at - 2 < from || at === to - 1) return false;
    const ends = characterKinds[bytes[to - 1] as number] as number;
    const begins = firstCharacterKinds[bytes[at + 1] as number] as number;
    return ((this.#fields.get(keyAt(bytes, at + 1)) ?? 0) & begins & ends) !== 0;
  }

  #addText(text: Uint8Array): void {
    this.#texts.add(keyAt(text, 3));
    this.#addRole(text[0] as number, thirdLastOfText);
    this.#addRole(text[1] as number, secondLastOfText);
    this.#addRole(text[2] as number, lastOfText);
  }

  #addField(before: Uint8Array, kind: number): void {
    const key = keyAt(before, 3);
    this.#fields.set(key, (this.#fields.get(key) ?? 0) | kind);
    this.#addRole(before[0] as number, secondBeforeSpace);
    this.#addRole(before[1] as number, beforeSpace);
    for (const [code, kinds] of characterKinds.entries()) if ((kinds & kind) !== 0) this.#addRole(code, lastOfField);
  }

  #addRole(code: number, role: number): void {
    this.#roles[code] = (this.#roles[code] as number) | role;
  }
}

/** The three characters before `to`, in one number. */
function keyAt(bytes: Uint8Array, to: number): number {
  return ((bytes[to - 3] as number) << 16) | ((bytes[to - 2] as number) << 8) | (bytes[to - 1] as number);
}
