/**
 * Who is never banned, whatever a log says.
 *
 * Checked twice: when a task is born (parser) and again when a plan is made (responder), because a task may come from
 * any program that can reach the queue, and the list may have changed in between.
 */

import { type Address, type Prefix, parsePrefix } from "./address.ts";
import { indexPrefixes } from "./prefix-index.ts";
import { overlaps } from "./subject.ts";

/** Addresses that can be no attacker out there; a ban of one would only cut the router off from itself. */
const builtIn: readonly (readonly [text: string, why: string])[] = [
  ["0.0.0.0/8", "this network (RFC 1122 §3.2.1.3)"],
  ["127.0.0.0/8", "loopback (RFC 1122 §3.2.1.3)"],
  ["169.254.0.0/16", "link-local (RFC 3927)"],
  ["224.0.0.0/4", "multicast (RFC 5771)"],
  ["255.255.255.255", "broadcast (RFC 919)"],
  ["::", "unspecified (RFC 4291 §2.5.2)"],
  ["::1", "loopback (RFC 4291 §2.5.3)"],
  ["fe80::/10", "link-local (RFC 4291 §2.5.6)"],
  ["ff00::/8", "multicast (RFC 4291 §2.7)"],
];

export interface NeverBan {
  /** The whole list, in the order it is asked: for people who want to see it. */
  readonly entries: readonly { prefix: Prefix; why: string }[];
  /** Why this address is never banned, for the log; undefined when it may be. */
  reasonFor(address: Address): string | undefined;
  /** As reasonFor, for a network: the reason of the first entry that has an address in common with it. */
  reasonForAnyOf(prefix: Prefix): string | undefined;
}

/**
 * @param own the addresses of the inventory, with the name to report
 * @param allow the operator's list
 */
export function createNeverBan(own: readonly { name: string; prefix: Prefix }[], allow: readonly Prefix[]): NeverBan {
  const entries = [
    ...builtIn.map(([text, why]) => ({ prefix: mustParse(text), why })),
    ...own.map(({ name, prefix }) => ({ prefix, why: `address of ${name}` })),
    ...allow.map((prefix) => ({ prefix, why: `allow ${prefix.text}` })),
  ];
  const firstCovering = indexPrefixes(entries.map(({ prefix }) => prefix));
  const reasonFor = (address: Address): string | undefined => {
    const number = firstCovering(address);
    // Not entries[-1]: an index that no array has is looked up as the name of a property, at a hundred times the price.
    return number === -1 ? undefined : entries[number]?.why;
  };
  return {
    entries,
    reasonFor,
    reasonForAnyOf: (prefix) =>
      prefix.length === (prefix.address.family === 4 ? 32 : 128)
        ? reasonFor(prefix.address)
        : entries.find((entry) => overlaps(entry.prefix, prefix))?.why,
  };
}

function mustParse(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(`not a prefix: ${text}`);
  return prefix;
}
