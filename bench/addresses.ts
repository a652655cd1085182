/** Attackers for benches: 198.18.0.0/15, which RFC 2544 keeps for measuring networks. Nobody real has them. */

import assert from "node:assert/strict";

/** A /15, without its first and last address. */
export const attackersMax = 2 ** 17 - 2;

/** @param number from 0; each number is another address */
export function attacker(number: number): string {
  assert(Number.isInteger(number) && number >= 0 && number < attackersMax, `no attacker has the number ${number}`);
  const offset = number + 1;
  return `198.${18 + (offset >> 16)}.${(offset >> 8) & 0xff}.${offset & 0xff}`;
}
