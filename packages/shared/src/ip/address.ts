/**
 * IP addresses and prefixes as values: parsed strictly, written in one canonical form, compared.
 *
 * VyOS compares addresses as strings, so 2001:db8::1 and 2001:DB8:0::1 would be two members of a group. Whatever enters
 * Logwarden is brought to one form here: IPv4 as dotted quad, IPv6 by RFC 5952, IPv4-mapped IPv6 (::ffff:192.0.2.1)
 * folded into IPv4, a zone (%eth0) removed.
 */

import { isIPv6 } from "node:net";
import ipaddr from "ipaddr.js";

/** `text` is canonical: two addresses are the same exactly when their texts are. `bits`: the 32 of an IPv4 address, unsigned. */
export type Address = { family: 4; text: string; bits: number } | { family: 6; text: string };

export interface Prefix {
  address: Address;
  /** 0–32 or 0–128. */
  length: number;
  /** Canonical text, for messages: "192.0.2.0/24". */
  text: string;
}

/** The longest text that can be an address: a full IPv6 with an embedded IPv4 (45) and a zone of an interface's name. */
const addressTextMax = 64;

/**
 * Reads an address from its text form.
 * Strict: no leading zeros ("010" is octal to some programs), no short forms, no names, no surrounding space.
 * @returns the address in canonical form, or undefined when the text is none
 */
export function parseAddress(text: string): Address | undefined {
  const bits = bitsOf(text);
  return bits === -1 ? parseIPv6(text) : { family: 4, text, bits };
}

/** As parseAddress, of a place in a read: text[from..to), whose characters are the bytes (latin1). At half the price. */
export function readAddress(text: string, bytes: Uint8Array, from: number, to: number): Address | undefined {
  const bits = readDottedQuad(bytes, from, to);
  const address = text.slice(from, to);
  return bits === -1 ? parseIPv6(address) : { family: 4, text: address, bits };
}

function parseIPv6(text: string): Address | undefined {
  if (text.length > addressTextMax || !isIPv6(text)) return undefined;
  const zone = text.indexOf("%");
  const parsed = ipaddr.IPv6.parse(withoutDots(zone === -1 ? text : text.slice(0, zone)));
  return parsed.isIPv4MappedAddress()
    ? parseAddress(parsed.toIPv4Address().toString())
    : { family: 6, text: parsed.toRFC5952String() };
}

/** `::1.2.3.4` → `::102:304`: ipaddr.js takes the deprecated IPv4-compatible form for IPv4-mapped (RFC 4291 §2.5.5). */
function withoutDots(text: string): string {
  const tail = text.slice(text.lastIndexOf(":") + 1);
  const bits = bitsOf(tail);
  if (bits === -1) return text;
  const groups = [bits >>> 16, bits & 0xffff].map((group) => group.toString(16)).join(":");
  return text.slice(0, -tail.length) + groups;
}

/** The longest: 255.255.255.255. */
const dottedQuadMax = 15;
const characters = new Uint8Array(dottedQuadMax);

/** @returns the 32 bits of a dotted quad, -1 when the text is none */
function bitsOf(text: string): number {
  if (text.length > dottedQuadMax) return -1;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code > 0x7f) return -1;
    characters[at] = code;
  }
  return readDottedQuad(characters, 0, text.length);
}

/** Takes what net.isIPv4 takes, at a small part of its price: it is asked for every line that matters. @returns as bitsOf */
function readDottedQuad(bytes: Uint8Array, from: number, to: number): number {
  let bits = 0;
  let octets = 0;
  let digits = 0;
  let octet = 0;
  for (let at = from; at <= to; at++) {
    const code = at === to ? dot : (bytes[at] as number);
    if (code === dot) {
      if (digits === 0 || octet > 255) return -1;
      bits = (bits << 8) | octet;
      octets++;
      digits = 0;
      octet = 0;
    } else {
      if (code < 0x30 || code > 0x39 || (digits > 0 && octet === 0) || digits === 3) return -1;
      octet = octet * 10 + (code - 0x30);
      digits++;
    }
  }
  return octets === 4 ? bits >>> 0 : -1;
}

const dot = 0x2e;

/**
 * Reads "192.0.2.0/24", "2001:db8::/32", or a single address.
 * @returns undefined when the text is neither
 */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf("/");
  const address = parseAddress(slash === -1 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  const lengthMax = address.family === 4 ? 32 : 128;
  if (slash === -1) return { address, length: lengthMax, text: `${address.text}/${lengthMax}` };
  const digits = text.slice(slash + 1);
  if (!/^(0|[1-9]\d{0,2})$/.test(digits) || Number(digits) > lengthMax) return undefined;
  return { address, length: Number(digits), text: `${address.text}/${digits}` };
}

/** Whether the prefix covers the address. Families never cover each other. */
export function contains(prefix: Prefix, address: Address): boolean {
  if (prefix.address.family !== address.family) return false;
  return address.family === 4
    ? ipaddr.IPv4.parse(address.text).match(ipaddr.IPv4.parse(prefix.address.text), prefix.length)
    : ipaddr.IPv6.parse(address.text).match(ipaddr.IPv6.parse(prefix.address.text), prefix.length);
}

/** Reads "127.0.0.1:10514", "[::1]:10514" or "0.0.0.0:10514". @returns undefined when the text is no address and port */
export function parseEndpoint(text: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const address = parseAddress(match[1] ?? match[2] ?? "");
  const port = Number(match[3]);
  return address === undefined || port > 65_535 ? undefined : { host: address.text, port };
}
