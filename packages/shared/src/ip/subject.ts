/**
 * Who is counted and banned: one address, or the IPv6 network that it is in.
 *
 * An attacker with one IPv6 address has 2^64 of them (RFC 6177), so IPv6 is counted and banned by /64 unless told otherwise.
 * Firewall groups of VyOS take no prefix, so a network is written as the range from its first to its last address; that
 * text is the subject's name everywhere: in the ledger, in the group, on the page.
 */

import ipaddr from "ipaddr.js";
import { type Address, parseAddress, type Prefix } from "./address.ts";

export interface Subject {
  /** Canonical: `192.0.2.1`, `2001:db8::1`, or `2001:db8::-2001:db8::ffff:ffff:ffff:ffff`. Same subject, same text. */
  text: string;
  family: 4 | 6;
  /** The same as a prefix; 32 or 128 for one address. */
  prefix: Prefix;
}

/** @param ipv6Length how much of an IPv6 address is the attacker's name: 128 for each address by itself */
export function subjectOf(address: Address, ipv6Length: number): Subject {
  return address.family === 4 ? single(address) : network(address, ipv6Length);
}

/** One address, and nothing around it. */
export function single(address: Address): Subject {
  const length = address.family === 4 ? 32 : 128;
  return {
    text: address.text,
    family: address.family,
    prefix: { address, length, text: `${address.text}/${length}` },
  };
}

/** All addresses of a prefix; host bits are cleared. Both families, since a person may ban 192.0.2.0/24. */
export function network(address: Address, length: number): Subject {
  if (length === (address.family === 4 ? 32 : 128)) return single(address);
  const cidr: [ipaddr.IPv4 | ipaddr.IPv6, number] = [ipaddr.parse(address.text), length];
  const isIPv4 = address.family === 4;
  const first = isIPv4 ? ipaddr.IPv4.networkAddressFromCIDR(cidr.join("/")) : firstOf6(cidr.join("/"));
  const last = isIPv4 ? ipaddr.IPv4.broadcastAddressFromCIDR(cidr.join("/")).toString() : lastOf6(first, length);
  const from = mustParse(first.toString());
  return {
    text: `${from.text}-${mustParse(last).text}`,
    family: address.family,
    prefix: { address: from, length, text: `${from.text}/${length}` },
  };
}

function firstOf6(cidr: string): ipaddr.IPv6 {
  return ipaddr.IPv6.networkAddressFromCIDR(cidr);
}

function lastOf6(first: ipaddr.IPv4 | ipaddr.IPv6, length: number): string {
  const bytes = first.toByteArray().map((byte, index) => {
    const kept = Math.min(8, Math.max(0, length - 8 * index));
    return byte | (0xff >> kept);
  });
  return new ipaddr.IPv6(bytes).toString();
}

/**
 * Reads an address, a prefix, or a range that is exactly one prefix (the form that a subject's text has).
 * @returns undefined when the text is none of them
 */
export function parseSubject(text: string): Subject | undefined {
  const [first = "", last, ...more] = text.split("-");
  if (more.length > 0) return undefined;
  if (last !== undefined) return fromRange(first, last);
  const slash = text.indexOf("/");
  const address = parseAddress(slash === -1 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  if (slash === -1) return single(address);
  const digits = text.slice(slash + 1);
  const length = Number(digits);
  if (!/^(0|[1-9]\d{0,2})$/.test(digits) || length > (address.family === 4 ? 32 : 128)) return undefined;
  return network(address, length);
}

function fromRange(first: string, last: string): Subject | undefined {
  const [from, to] = [parseAddress(first), parseAddress(last)];
  if (from === undefined || to === undefined || from.family !== to.family) return undefined;
  // A range of one prefix has its length where the two ends begin to differ.
  const [a, b] = [ipaddr.parse(from.text).toByteArray(), ipaddr.parse(to.text).toByteArray()];
  const at = a.findIndex((byte, index) => byte !== b[index]);
  if (at === -1) return undefined;
  const length = 8 * at + Math.clz32((a[at] as number) ^ (b[at] as number)) - 24;
  const whole = network(from, length);
  return whole.text === `${from.text}-${to.text}` ? whole : undefined;
}

/** What a person calls it: `192.0.2.1` or `2001:db8::/64`. */
export function showSubject(text: string): string {
  const subject = parseSubject(text);
  return subject === undefined || !text.includes("-") ? text : subject.prefix.text;
}

/** Whether some address is in both. */
export function overlaps(a: Prefix, b: Prefix): boolean {
  if (a.address.family !== b.address.family) return false;
  const length = Math.min(a.length, b.length);
  return network(a.address, length).text === network(b.address, length).text;
}

function mustParse(text: string): Address {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`not an address: ${text}`);
  return address;
}
