/**
 * A log file → its lines, a chunk at a time, in bounded memory whatever the file holds.
 *
 * Only LF ends a line, as on the wire (services/parser/src/receive/framing.ts): node:readline would also split at a lone
 * CR, which an attacker may have put into a name, and it keeps a line without an end, however long it grows.
 */

export interface FileLine {
  /** From 1. */
  number: number;
  /** latin1, without CR and NUL at its end. Of a line that is too long: only its beginning. */
  text: string;
  overlong: boolean;
}

/** What is kept of a line that is too long: enough to recognize it by. */
const beginningCharacters = 200;

/** @param chunks latin1. @returns the lines of each chunk; the last line needs no line end */
export async function* readLines(chunks: AsyncIterable<string>, lineBytesMax: number): AsyncGenerator<FileLine[]> {
  let number = 0;
  let carry = "";
  let overlong = false;
  const toLine = (text: string): FileLine => {
    number++;
    const tooLong = overlong || text.length > lineBytesMax;
    overlong = false;
    return { number, text: tooLong ? text.slice(0, beginningCharacters) : trimEnd(text), overlong: tooLong };
  };
  for await (const chunk of chunks) {
    const lines: FileLine[] = [];
    const parts = chunk.split("\n");
    const rest = parts.pop() ?? "";
    for (const part of parts) {
      lines.push(toLine(carry + part));
      carry = "";
    }
    carry += rest;
    if (carry.length > lineBytesMax) {
      overlong = true;
      carry = carry.slice(0, beginningCharacters);
    }
    yield lines;
  }
  if (carry !== "" || overlong) yield [toLine(carry)];
}

function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && (text.charCodeAt(end - 1) === 0x0d || text.charCodeAt(end - 1) === 0)) end--;
  return end === text.length ? text : text.slice(0, end);
}
