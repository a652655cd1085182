/**
 * How far into a big file we are, for the person who waits:
 *
 *   42 %  [#########------------]  126 of 300 MiB  1,318,800 lines  445,000 lines/s  0:06 left
 *
 * Driven by the reads: it needs no timer, and what does not move is not redrawn. A narrow terminal is shown less of it.
 */

import type { Output } from "../output.ts";

/** Smaller files are through before anybody has read a number. */
export const progressBytesMin = 4 * 1024 * 1024;
/** Often enough to look alive, seldom enough to be read and to cost nothing. */
const redrawnMs = 200;
const barCharactersMin = 10;
const barCharactersMax = 40;

export class Progress {
  readonly #output: Output;
  readonly #bytesAll: number;
  readonly #whileWriting: boolean;
  readonly #now: () => number;
  readonly #startedMs: number;
  #drawnMs = 0;
  #bytes = 0;

  /**
   * @param bytesAll of the file
   * @param whileWriting results are written while it is read
   * @param now a clock that never goes back, in milliseconds
   */
  constructor(output: Output, bytesAll: number, whileWriting: boolean, now: () => number) {
    this.#output = output;
    this.#bytesAll = bytesAll;
    this.#whileWriting = whileWriting;
    this.#now = now;
    this.#startedMs = now();
    this.#drawnMs = this.#startedMs;
  }

  /** So many bytes more were read. */
  read(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Draws it, when it is time to. @param lines so many in all */
  draw(lines: number): void {
    const now = this.#now();
    if (now - this.#drawnMs < redrawnMs) return;
    this.#drawnMs = now;
    const columns = this.#output.progressColumns(this.#whileWriting);
    if (columns === 0) return;
    const bytes = { read: this.#bytes, all: this.#bytesAll };
    this.#output.progress(progressLine(bytes, lines, (now - this.#startedMs) / 1000, columns));
  }

  end(): void {
    this.#output.progress("");
  }
}

const mebibyte = 1024 * 1024;

/** The text, in no more than so many columns. */
export function progressLine(
  bytes: { read: number; all: number },
  lines: number,
  seconds: number,
  columns: number,
): string {
  // The file may have grown since it was measured.
  const share = Math.min(1, bytes.read / bytes.all);
  const percent = `${String(Math.floor(share * 100)).padStart(3)} %`;
  const left = share === 0 ? 0 : (seconds / share) * (1 - share);
  const size = `${Math.floor(bytes.read / mebibyte)} of ${Math.ceil(bytes.all / mebibyte)} MiB`;
  const rate = `${grouped(lines / Math.max(seconds, 0.001))} lines/s`;
  // The first ones are the last to go.
  const facts = [percent, size, `${clock(left)} left`, rate, `${grouped(lines)} lines`];
  while (facts.length > 1 && facts.join("  ").length > columns) facts.pop();
  const [, ofSize, ofTime, ofRate, ofLines] = facts;
  const rest = [ofSize, ofLines, ofRate, ofTime].filter((fact) => fact !== undefined);
  const room = columns - [percent, ...rest].join("  ").length - "  []".length;
  const width = Math.min(barCharactersMax, room);
  const done = Math.round(share * width);
  const bar = width < barCharactersMin ? [] : [`[${"#".repeat(done)}${"-".repeat(width - done)}]`];
  return [percent, ...bar, ...rest].join("  ").slice(0, columns);
}

/** `1,318,800` */
function grouped(number: number): string {
  return String(Math.round(number)).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

/** `0:06`, `2:10`, `1:05:00` */
function clock(seconds: number): string {
  const whole = Math.ceil(seconds);
  const minutes = Math.floor(whole / 60);
  const end = `:${String(whole % 60).padStart(2, "0")}`;
  if (minutes < 60) return `${minutes}${end}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}${end}`;
}
