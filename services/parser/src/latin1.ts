/**
 * What one read delivered, as latin1: one character is one byte, at the same place in both forms.
 *
 * Looking at characters is cheap in bytes, finding newlines and cutting out fields is cheap in a string; recognizing a line
 * needs both, and decoding a read once costs less than either form's weak side. UTF-8 is decoded only in the fields of a
 * line that matters.
 */

export interface Latin1 {
  readonly text: string;
  readonly bytes: Buffer;
}

/** @param text latin1 */
export function latin1(text: string): Latin1 {
  return { text, bytes: Buffer.from(text, "latin1") };
}

/** Whether the fixed text stands at `at`. Bytes: a string's characters cost twice as much each. */
export function standsAt(literal: Uint8Array, bytes: Uint8Array, at: number): boolean {
  for (let index = 0; index < literal.length; index++) if (bytes[at + index] !== literal[index]) return false;
  return true;
}

/** A fixed text as it stands in a line. @param text latin1 */
export function literalBytes(text: string): Uint8Array {
  // Of its own memory: a slice of Node's pool would be looked up through it.
  return Uint8Array.from(Buffer.from(text, "latin1"));
}

/** Of two places in a line. V8 computes Math.min and Math.max in floating point: a fifth of the time in Header.read. */
export function lesser(one: number, other: number): number {
  return one < other ? one : other;
}

/** As `lesser`. */
export function greater(one: number, other: number): number {
  return one > other ? one : other;
}

/** Places of a table that is asked by two characters (pairOf). */
export const pairPlaces = 0x400;

/** Where two neighbouring characters have their place in such a table. Some pairs share one: a table may say too much of a pair, never too little. */
export function pairOf(first: number, second: number): number {
  return ((first << 5) ^ second) & (pairPlaces - 1);
}
