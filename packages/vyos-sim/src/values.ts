/**
 * The value validators of the configuration engine, with the texts they print when they refuse.
 *
 * A validator answers undefined for a value it takes, else the lines of the real programs (ipaddrcheck, validate-value).
 * The engine compares accepted values as strings: 2001:db8::1 and 2001:DB8::1 are two members.
 */
import { isIPv4, isIPv6 } from "node:net";
import type { Release } from "./answer.ts";

export type Validator = (value: string, release: Release) => string | undefined;

/** An address group takes single addresses and a-b ranges, and no prefixes. */
export const ipv4Member: Validator = (value, release) => {
  if (isIPv4(value) || isRange(value, isIPv4, ipv4Number)) return undefined;
  const malformed = `Malformed range ${value}: must be a pair of hyphen-separated IPv4 addresses\n`;
  const first = release === "current" && !isPair(value) ? malformed : "";
  return `${first}Error: ${value} is not a valid IPv4 address range\n\nError: ${value} is not a valid IPv4 address\n\n\n`;
};

export const ipv6Member: Validator = (value, release) => {
  if (isPlainIpv6(value) || isRange(value, isPlainIpv6, ipv6Number)) return undefined;
  const last = `Error: ${value} is not a valid IPv6 address\n\n\n`;
  if (release === "current") {
    const malformed = `Malformed range ${value}: must be a pair of hyphen-separated IPv6 addresses\n`;
    return `${isPair(value) ? "" : malformed}Error: ${value} is not a valid IPv6 address range\n\n${last}`;
  }
  const why = value.includes("-") ? "not a pair of IPv6 addresses" : "list index out of range";
  return `Error: ${value} is not a valid IPv6 range: ${why}\n\n${last}`;
};

export const ipv4Prefix: Validator = (value) =>
  isPrefix(value, isIPv4, 32) ? undefined : `Error: ${value} is not a valid IPv4 prefix\n\n\n`;

export const ipv6Prefix: Validator = (value) =>
  isPrefix(value, isPlainIpv6, 128) ? undefined : `Error: ${value} is not a valid IPv6 prefix\n\n\n`;

/** The address of an interface: a host with its prefix length, or the name of a protocol. */
export const interfaceAddress: Validator = (value) =>
  value === "dhcp" || value === "dhcpv6" || isPrefix(value, isIPv4, 32) || isPrefix(value, isPlainIpv6, 128)
    ? undefined
    : `Error: ${value} is not a valid IP host\n\n\n`;

export function matching(pattern: RegExp): Validator {
  return (value) => (pattern.test(value) ? undefined : "\n\n");
}

export function numberBetween(low: number, high: number): Validator {
  return (value) =>
    /^\d+$/.test(value) && Number(value) >= low && Number(value) <= high
      ? undefined
      : `Error: ${value} is not in the valid range ${low}-${high}\n\n\n`;
}

function isPair(value: string): boolean {
  return value.split("-").length === 2;
}

function isPlainIpv6(value: string): boolean {
  return isIPv6(value) && !value.includes("%");
}

function isRange(value: string, isAddress: (text: string) => boolean, order: (text: string) => bigint): boolean {
  const [left, right, ...more] = value.split("-");
  if (left === undefined || right === undefined || more.length > 0) return false;
  return isAddress(left) && isAddress(right) && order(left) <= order(right);
}

function isPrefix(value: string, isAddress: (text: string) => boolean, bitsMax: number): boolean {
  const [address, bits, ...more] = value.split("/");
  if (address === undefined || bits === undefined || more.length > 0) return false;
  return isAddress(address) && /^(0|[1-9]\d{0,2})$/.test(bits) && Number(bits) <= bitsMax;
}

function ipv4Number(text: string): bigint {
  return text.split(".").reduce((sum, octet) => sum * 256n + BigInt(octet), 0n);
}

function ipv6Number(text: string): bigint {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (dotted !== null) {
    const low = ipv4Number(dotted[2] ?? "");
    return ipv6Number(`${dotted[1] ?? ""}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}`);
  }
  const [head = "", tail] = text.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => "0");
  return [...left, ...zeros, ...right].reduce((sum, group) => sum * 65_536n + BigInt(`0x${group}`), 0n);
}
