/**
 * Of hundreds of forms of one program, the few that can stand in this line: found in one pass, whatever their number.
 *
 * A form's fixed text must stand at a place that is known before anything is read:
 *
 *   it begins with fixed text              ──▶ at the line's beginning
 *   it ends with fixed text                ──▶ at the line's end
 *   its first word is or ends with a field ──▶ at the line's first space
 *   only fields without space behind it    ──▶ at the line's last space, its second last, …
 *
 * Few forms are tried one by one. Of more, each is looked for at one of its places: where its text is long and few others have the
 * same, and at as few places as will do. The texts of a place are in a radix tree that is walked from there. What is left (free
 * text or quotes at both ends) is tried one by one when it is little; else its longest fixed text is searched by Wu-Manber
 * (A fast algorithm for multi-pattern searching, 1994: TR-94-17, University of Arizona).
 *
 * A candidate is a form that can match; the ones left out cannot.
 */

import { literalBytes, standsAt } from "../latin1.ts";
import { EdgeTree } from "./edge-tree.ts";
import { LastWords } from "./last-words.ts";
import { type Form, lastWordsMax } from "./template.ts";

/** A form and whatever its owner needs when it matches. */
export interface Entry<T> {
  form: Form;
  owner: T;
}

interface Candidate<T> extends Entry<T> {
  order: number;
  /** It was found by its prefix. */
  prefixSeen: boolean;
}

/** So many are tried one by one at the price of one search. What begins with a field costs more: all of it is read before the rest is looked at. */
const triedDirectlyMax = 4;
const space = 0x20;
/** Shorter texts stand everywhere, and would make every step of the search short. */
const searchedCharactersMin = 3;

export class Dispatcher<T> {
  /** Of the line's beginning, its end, and its first space; there is none where no form is looked for. */
  readonly #trees: readonly (EdgeTree<Candidate<T>> | undefined)[];
  readonly #lastWords: LastWords<Candidate<T>> | undefined;
  readonly #direct: readonly Candidate<T>[];
  readonly #search: LiteralSearch<Candidate<T>> | undefined;
  /** Reused for every line, and never emptied: an array that is cut to nothing gives its memory back each time. */
  readonly #found: Candidate<T>[] = [];
  #count = 0;
  /** There are so few that they are always found: each begins with fixed text, so that most lines are told at its first character. */
  readonly #areFew: boolean;

  constructor(entries: readonly Entry<T>[]) {
    const all = entries.map(({ form, owner }, order): Candidate<T> => ({ form, owner, order, prefixSeen: false }));
    this.#areFew = all.length <= triedDirectlyMax && all.every(({ form }) => form.prefix !== "");
    const placeOf = this.#areFew ? new Map<Candidate<T>, number>() : placeAll(all);
    const isAtEnd = ([, place]: [Candidate<T>, number]): boolean => place >= lastWords;
    this.#trees = growTrees([...placeOf].filter((one) => !isAtEnd(one)));
    const atEnd = [...placeOf].filter(isAtEnd);
    if (atEnd.length > 0) {
      this.#lastWords = new LastWords(
        atEnd.map(([one, place]) => ({ form: one.form, number: place - lastWords, value: one })),
      );
    }
    const rest = all.filter((one) => !placeOf.has(one));
    const isSearched = ({ form }: Candidate<T>): boolean =>
      rest.length > triedDirectlyMax && form.longest.length >= searchedCharactersMin;
    this.#direct = rest.filter((one) => !isSearched(one));
    const searched = rest.filter(isSearched);
    if (searched.length > 0) {
      this.#search = new LiteralSearch(searched.map((one) => [literalBytes(one.form.longest), one]));
    }
    if (this.#areFew) for (const one of all) this.#add(one);
  }

  /** Finds the forms that can match bytes[from..to). @returns how many there are; `candidate` gives them, until the next call */
  find(bytes: Uint8Array, from: number, to: number): number {
    if (this.#areFew) return this.#count;
    this.#count = 0;
    const trees = this.#trees;
    trees[begin]?.walk(bytes, from, to - from, this.#add);
    trees[end]?.walk(bytes, to - 1, to - from, this.#add);
    const first = trees[firstWord];
    if (first !== undefined) {
      const at = firstSpace(bytes, from, to);
      first.walk(bytes, at, to - at, this.#add);
    }
    this.#lastWords?.walk(bytes, from, to, this.#add);
    for (let index = 0; index < this.#direct.length; index++) this.#add(this.#direct[index] as Candidate<T>);
    if (this.#search !== undefined) this.#search.find(bytes, from, to, this.#add);
    return this.#count;
  }

  /** The forms that were found, in the order of the rules. */
  candidate(index: number): Entry<T> {
    return this.#found[index] as Entry<T>;
  }

  /** As candidate(index).form.match. */
  match(index: number, bytes: Uint8Array, from: number, to: number, places: Int32Array): boolean {
    const { form, prefixSeen } = this.#found[index] as Candidate<T>;
    return prefixSeen ? form.matchBehindPrefix(bytes, from, to, places) : form.match(bytes, from, to, places);
  }

  /** Puts it in its place, if it is not there yet: there are one to three, nearly in order. */
  readonly #add = (one: Candidate<T>): void => {
    const found = this.#found;
    let place = this.#count;
    while (place > 0 && (found[place - 1] as Candidate<T>).order > one.order) place--;
    if (place > 0 && found[place - 1] === one) return;
    for (let index = this.#count; index > place; index--) found[index] = found[index - 1] as Candidate<T>;
    found[place] = one;
    this.#count++;
  };
}

/** The places where fixed text may stand, and what of a form stands there. */
const [begin, end, firstWord, lastWords] = [0, 1, 2, 3];
const textsAt: readonly ((form: Form) => string)[] = [
  ({ prefix }) => prefix,
  ({ suffix }) => suffix,
  ({ behindFirstWord }) => behindFirstWord,
  ...Array.from(
    { length: lastWordsMax },
    (_, number) =>
      ({ beforeLastWords }: Form) =>
        beforeLastWords[number] ?? "",
  ),
];

function textAt(place: number, { form }: { form: Form }): string {
  return textsAt[place]?.(form) ?? "";
}

/** Forms with the same text are told apart by trying them: two are cheaper than one more place to look at. */
const rareSharersMax = 2;
/** The optional parts of one template make as many forms: they may all be tried on a line that looks like it. */
const fewSharersMax = 16;
/** Shorter texts, such as " port " and " from ", stand in the lines of others as well. */
const longCharactersMin = 7;

/** What a place is good for, the best first: whether a text is worth looking for that so many forms have there. */
const worths: readonly ((text: string, sharers: number) => boolean)[] = [
  ({ length }, sharers) => length >= longCharactersMin && sharers <= rareSharersMax,
  isTelling,
  (_, sharers) => sharers <= fewSharersMax,
  () => true,
];

function isTelling({ length }: string, sharers: number): boolean {
  return length >= longCharactersMin && sharers <= fewSharersMax;
}

/** Gives each form one place, the place with the most forms first. @returns the places of those that have one */
function placeAll<T>(all: readonly Candidate<T>[]): ReadonlyMap<Candidate<T>, number> {
  const placeOf = new Map<Candidate<T>, number>();
  for (const isWorth of worths) {
    let left = [...textsAt.keys()];
    while (left.length > 0) {
      const rest = all.filter((one) => !placeOf.has(one));
      const offers = left.map((place) => ({ place, takes: placeable(rest, place, isWorth) }));
      const { place, takes } = offers.reduce((one, other) => (other.takes.length > one.takes.length ? other : one));
      left = left.filter((other) => other !== place);
      if (takes.length === 0) break;
      for (const one of takes) placeOf.set(one, place);
    }
  }
  return gather(placeOf);
}

/** Those that have a text at the place that is worth it. */
function placeable<T>(
  forms: readonly Candidate<T>[],
  place: number,
  isWorth: (text: string, sharers: number) => boolean,
): Candidate<T>[] {
  const sharers = Map.groupBy(forms, (form) => textAt(place, form));
  sharers.delete("");
  return [...sharers].flatMap(([shared, those]) => (isWorth(shared, those.length) ? those : []));
}

/** A place costs each line a look: one with few forms is given up where all of these can be told at another. */
function gather<T>(placeOf: ReadonlyMap<Candidate<T>, number>): ReadonlyMap<Candidate<T>, number> {
  const gathered = new Map(placeOf);
  const byPlace = [...Map.groupBy(placeOf.keys(), (one) => placeOf.get(one) as number)];
  const used = new Map(byPlace.map(([place]) => [place, new Set(placeable([...placeOf.keys()], place, isTelling))]));
  for (const [place, forms] of byPlace.toSorted(([, one], [, other]) => one.length - other.length)) {
    const others = [...used.keys()].filter((other) => other !== place);
    const moves = forms.map((one) => others.find((other) => used.get(other)?.has(one)));
    if (moves.includes(undefined)) continue;
    for (const [index, form] of forms.entries()) gathered.set(form, moves[index] as number);
    used.delete(place);
  }
  return gathered;
}

function growTrees<T>(placed: readonly [Candidate<T>, number][]): (EdgeTree<Candidate<T>> | undefined)[] {
  const trees = Array.from<EdgeTree<Candidate<T>> | undefined>({ length: lastWords });
  for (const [one, place] of placed) {
    one.prefixSeen = place === begin;
    trees[place] ??= new EdgeTree(place === end ? -1 : 1);
    trees[place].add(textAt(place, one), one);
  }
  return trees;
}

function firstSpace(bytes: Uint8Array, from: number, to: number): number {
  let at = from;
  while (at < to && bytes[at] !== space) at++;
  return at;
}

/** Texts longer than this are searched by their beginning: longer steps gain nothing any more. */
const windowMax = 12;
const blockMask = 0xfff;

/** Many texts at once in one pass: steps over what cannot be the end of any of them. */
class LiteralSearch<T> {
  readonly #window: number;
  /** By the hash of two characters: how far the window may move on when it ends with them. */
  readonly #shift: Uint8Array;
  /** By the same hash: the texts whose window ends with them. */
  readonly #byBlock: ([literal: Uint8Array, value: T][] | undefined)[] = [];

  constructor(texts: readonly [literal: Uint8Array, value: T][]) {
    this.#window = Math.min(windowMax, ...texts.map(([literal]) => literal.length));
    this.#shift = new Uint8Array(blockMask + 1).fill(this.#window - 1);
    for (const [literal, value] of texts) {
      for (let end = 1; end < this.#window; end++) {
        const block = hash(literal[end - 1] as number, literal[end] as number);
        this.#shift[block] = Math.min(this.#shift[block] as number, this.#window - 1 - end);
      }
      const last = hash(literal[this.#window - 2] as number, literal[this.#window - 1] as number);
      this.#byBlock[last] = [...(this.#byBlock[last] ?? []), [literal, value]];
    }
  }

  /** Tells the values of the texts that stand in text[from..to); one that stands there twice is told twice. */
  find(bytes: Uint8Array, from: number, to: number, tell: (value: T) => void): void {
    let end = from + this.#window - 1;
    while (end < to) {
      const block = hash(bytes[end - 1] as number, bytes[end] as number);
      const shift = this.#shift[block] as number;
      if (shift > 0) {
        end += shift;
        continue;
      }
      const at = end - this.#window + 1;
      for (const [literal, value] of this.#byBlock[block] ?? []) {
        if (at + literal.length <= to && standsAt(literal, bytes, at)) tell(value);
      }
      end++;
    }
  }
}

function hash(before: number, last: number): number {
  return ((before << 5) ^ last) & blockMask;
}
