/** Chance that can be repeated: what a case draws depends on the seed and its number alone. */

export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d = 1;

  constructor(seed: number, number: number) {
    this.#a = seed >>> 0;
    this.#b = number >>> 0;
    this.#c = Math.floor(number / 2 ** 32) ^ 0x9e37_79b9;
    for (let n = 0; n < 12; n++) this.next();
  }

  /** 32 bits (sfc32, of PractRand). */
  next(): number {
    const sum = (this.#a + this.#b + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }

  /** A whole number from 0 to below `end`. */
  below(end: number): number {
    return Math.floor((this.next() / 2 ** 32) * end);
  }

  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }
}
