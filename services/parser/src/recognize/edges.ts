/**
 * Can any of these forms end, or begin, as this line does? The end is asked of the forms of all programs whose names begin as this
 * line's does, before anything else of the line is read: of most lines the answer is no, whether there are three rules or three
 * hundred.
 *
 *   … port 22 ssh2           the form ends with fixed text        ──▶ the last three characters
 *   … was refused from A     it ends with a field without spaces  ──▶ the two characters before the last space, and what the last
 *                                                                     word begins and ends with; then two further left, for many
 *                                                                     lines end with a port
 *   Accepted … ssh2: {key}   it ends with free text, a quote, …   ──▶ the first three characters, once the message is found
 *
 * One look answers for all forms: a "no" is certain, a "yes" is not. A form of which neither end is known (a field of quotes and
 * free text) can be any line: then every line may be one.
 */

import { literalBytes, pairOf, pairPlaces } from "../latin1.ts";
import { characterKinds, firstCharacterKinds, type Form, lastWordsMax } from "./template.ts";

const space = 0x20;
/** What the last word begins with is fixed text: any character. */
const anyKind = 0xff;

/** What stands behind the two characters before the last space, and what further left of them. */
interface LastWord {
  /** The kinds of field (characterKinds) that it may be. */
  kinds: number;
  /** So many spaces further left all forms that end with it have fixed text; 0: they have none in common. */
  wordsBefore: number;
  /** That text's last three characters. */
  textsBefore: ReadonlySet<number>;
}

export class Edges {
  /** The last three characters of forms. */
  readonly #lastTexts = new Set<number>();
  /** 1 at the place of each of them (textPlaceOf): tells most lines from all of them. */
  readonly #lastTextPlaces = new Uint8Array(textPlaces);
  /** By the two characters before the last space, and the space. */
  readonly #lastWords: ReadonlyMap<number, LastWord>;
  /** Their kinds of field, by those two characters (pairOf): tells most lines from all of them. */
  readonly #lastWordKinds = new Uint8Array(pairPlaces);
  /** 1 for each character that such a word may end with. */
  readonly #wordEnds = new Uint8Array(256);
  /** The first three characters of forms whose end is not known. */
  readonly #firstTexts = new Set<number>();
  /** The end tells of every form. */
  readonly #endTells: boolean;
  /** Either end tells of every form. */
  readonly #areKnown: boolean;

  constructor(forms: readonly Form[]) {
    const ofText = forms.filter(({ suffix }) => suffix.length >= keyLength);
    const ofWord = forms.filter((form) => !ofText.includes(form) && beforeWord(form, 0) !== undefined);
    const others = forms.filter((form) => !ofText.includes(form) && !ofWord.includes(form));
    const known = others.filter(({ prefix }) => prefix.length >= keyLength);
    for (const { suffix } of ofText) this.#addText(suffix);
    const byEnd = Map.groupBy(ofWord, (form) => beforeWord(form, 0) as number);
    this.#lastWords = new Map([...byEnd].map(([key, those]) => [key, lastWordOf(those)]));
    for (const [key, { kinds }] of this.#lastWords) this.#addWord(key, kinds);
    for (const { prefix } of known) this.#firstTexts.add(keyAt(literalBytes(prefix), keyLength));
    this.#endTells = others.length === 0;
    this.#areKnown = known.length === others.length;
  }

  /** Whether a message that ends at `to` may have one of the forms. @param from where it begins, or a place before it */
  mayEnd(bytes: Uint8Array, from: number, to: number): boolean {
    return !this.#endTells || this.#endsSo(bytes, from, to);
  }

  /** Whether the message bytes[from..to) may have one of the forms. @param endsSo mayEnd has said yes of it */
  mayBe(bytes: Uint8Array, from: number, to: number, endsSo: boolean): boolean {
    if (!this.#areKnown || (endsSo && this.#endTells)) return true;
    return (
      this.#endsSo(bytes, from, to) || (to - from >= keyLength && this.#firstTexts.has(keyAt(bytes, from + keyLength)))
    );
  }

  #endsSo(bytes: Uint8Array, from: number, to: number): boolean {
    if (to - from < keyLength) return false;
    const key = keyAt(bytes, to);
    if (this.#lastTextPlaces[textPlaceOf(key)] === 1 && this.#lastTexts.has(key)) return true;
    if (this.#wordEnds[bytes[to - 1] as number] === 0) return false;
    let at = to - 1;
    while (at > from && bytes[at] !== space) at--;
    const kinds = this.#lastWordKinds[pairOf(bytes[at - 2] as number, bytes[at - 1] as number)] as number;
    if ((kinds & (firstCharacterKinds[bytes[at + 1] as number] as number)) === 0) return false;
    return at - 2 >= from && this.#isLastWord(bytes, from, at, to);
  }

  /** @param at of the last space */
  #isLastWord(bytes: Uint8Array, from: number, at: number, to: number): boolean {
    const word = this.#lastWords.get(keyAt(bytes, at + 1));
    if (word === undefined) return false;
    const ends = characterKinds[bytes[to - 1] as number] as number;
    const begins = firstCharacterKinds[bytes[at + 1] as number] as number;
    if ((word.kinds & begins & ends) === 0) return false;
    if (word.wordsBefore === 0) return true;
    const further = lastSpace(bytes, from, at, word.wordsBefore - 1);
    return further - 2 >= from && word.textsBefore.has(keyAt(bytes, further + 1));
  }

  #addText(suffix: string): void {
    const key = keyAt(literalBytes(suffix), suffix.length);
    this.#lastTexts.add(key);
    this.#lastTextPlaces[textPlaceOf(key)] = 1;
  }

  #addWord(key: number, kinds: number): void {
    const pair = pairOf(key >> 16, (key >> 8) & 0xff);
    this.#lastWordKinds[pair] = (this.#lastWordKinds[pair] as number) | kinds;
    for (const [code, those] of characterKinds.entries()) {
      if (code !== space && (those & kinds) !== 0) this.#wordEnds[code] = 1;
    }
  }
}

function lastWordOf(forms: readonly Form[]): LastWord {
  const further = Array.from({ length: lastWordsMax - 1 }, (_, number) => number + 1);
  const wordsBefore = further.find((words) => forms.every((form) => beforeWord(form, words) !== undefined)) ?? 0;
  return {
    kinds: forms.reduce((all, { lastWordKind }) => all | (lastWordKind || anyKind), 0),
    wordsBefore,
    textsBefore: new Set(forms.map((form) => beforeWord(form, wordsBefore) as number)),
  };
}

/** How many characters make a key. */
const keyLength = 3;

/** The last three characters of the fixed text up to that space, counted from the last; undefined where they are not known. */
function beforeWord({ beforeLastWords }: Form, number: number): number | undefined {
  const text = beforeLastWords[number] ?? "";
  return text.length < keyLength ? undefined : keyAt(literalBytes(text), text.length);
}

/** Places of the table of last characters. */
const textPlaces = 0x1000;

function textPlaceOf(key: number): number {
  return ((key >> 8) ^ (key >> 4) ^ key) & (textPlaces - 1);
}

/** The three characters before `to`, in one number. */
function keyAt(bytes: Uint8Array, to: number): number {
  return ((bytes[to - 3] as number) << 16) | ((bytes[to - 2] as number) << 8) | (bytes[to - 1] as number);
}

/** @returns the last space that has so many behind it; a place before `from` when there is none */
function lastSpace(bytes: Uint8Array, from: number, to: number, behind: number): number {
  let at = to - 1;
  for (let left = behind; at >= from; at--) if (bytes[at] === space && left-- === 0) return at;
  return at;
}
