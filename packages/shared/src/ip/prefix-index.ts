/**
 * Many prefixes, asked for each event: which is the first that covers this address?
 *
 *   IPv4   the number line from 0 to 2^32, cut wherever a prefix begins or ends; a binary search among the cuts of its
 *          first octet finds the piece
 *   IPv6   a table for each length that occurs, by the address's first bits
 *
 * Neither price grows with the number of prefixes to speak of: an inventory may hold thousands.
 */

import ipaddr from "ipaddr.js";
import type { Address, Prefix } from "./address.ts";

/** @returns a function: address → number of the first prefix that covers it, -1 when none does */
export function indexPrefixes(prefixes: readonly Prefix[]): (address: Address) => number {
  const find4 = index4(prefixes);
  const find6 = index6(prefixes);
  return (address) => (address.family === 4 ? find4(address.bits) : find6(address.text));
}

function index4(prefixes: readonly Prefix[]): (bits: number) => number {
  const ranges = prefixes.flatMap(({ address, length }, number) => {
    if (address.family === 6) return [];
    const size = 2 ** (32 - length);
    const from = Math.floor(address.bits / size) * size;
    return [{ from, to: from + size, number }];
  });
  const cuts = [...new Set([0, ...ranges.flatMap(({ from, to }) => [from, to])])].sort((a, b) => a - b);
  const first = Int32Array.from(cuts, (cut) => ranges.find(({ from, to }) => from <= cut && cut < to)?.number ?? -1);
  const begins = Float64Array.from(cuts);
  // The piece that each first octet begins in.
  const octets = Int32Array.from({ length: 257 }, (_, octet) => cuts.findLastIndex((cut) => cut <= octet * 2 ** 24));
  return (bits) => {
    const octet = bits >>> 24;
    let low = octets[octet] as number;
    let high = octets[octet + 1] as number;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((begins[middle] as number) <= bits) low = middle;
      else high = middle - 1;
    }
    return first[low] as number;
  };
}

function index6(prefixes: readonly Prefix[]): (text: string) => number {
  const tables = new Map<number, Map<string, number>>();
  for (const [number, { address, length }] of prefixes.entries()) {
    if (address.family === 4) continue;
    const table = tables.get(length) ?? new Map<string, number>();
    tables.set(length, table);
    const bits = ipv6Bits(address.text).slice(0, length);
    if (!table.has(bits)) table.set(bits, number);
  }
  return (text) => {
    const bits = ipv6Bits(text);
    let first = -1;
    for (const [length, table] of tables) {
      const number = table.get(bits.slice(0, length));
      if (number !== undefined && (first === -1 || number < first)) first = number;
    }
    return first;
  };
}

function ipv6Bits(text: string): string {
  return ipaddr.IPv6.parse(text)
    .toByteArray()
    .map((byte) => byte.toString(2).padStart(8, "0"))
    .join("");
}
