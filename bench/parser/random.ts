/** Numbers that are the same for the same seed on every machine: a corpus that nobody can repeat proves nothing. */

export interface Random {
  /** A whole number from 0 to limit - 1. */
  below(limit: number): number;
  /** True with this probability. */
  chance(share: number): boolean;
  pick<T>(values: readonly T[]): T;
}

/** sfc32 (Chris Doty-Humphrey, PractRand): 128 bits of state, passes the usual tests, a few additions per number. */
export function createRandom(seed: number): Random {
  let [a, b, c, counter] = [0x9e3779b9, 0x243f6a88, seed >>> 0, 1];
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  // Its author's advice: the first twelve still show the seed.
  for (let skipped = 0; skipped < 12; skipped++) next();
  const below = (limit: number): number => Math.floor((next() / 2 ** 32) * limit);
  return {
    below,
    chance: (share) => next() / 2 ** 32 < share,
    pick: (values) => values[below(values.length)] as (typeof values)[number],
  };
}
