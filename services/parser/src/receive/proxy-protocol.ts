/**
 * PROXY protocol v1 and v2: the header in which a trusted load balancer says who is speaking.
 * Source: the PROXY protocol specification of HAProxy (doc/proxy-protocol.txt, 2020/03/05).
 *
 *   bytes ──▶ more      the header is not complete yet: call again with all bytes so far
 *         ──▶ proxied   who speaks; what follows `consumed` is payload
 *         ──▶ local     the balancer itself (a health check, v1 UNKNOWN): legal, but it names no device
 *         ──▶ refused   not a header: close, never guess. The payload might claim to be anybody
 *
 * Pure: no socket, no time limit; the caller has both. Only a configured peer may send it at all.
 */

import { isIPv4, isIPv6 } from "node:net";
import { type Address, parseAddress } from "@logwarden/shared/ip";
import { crc32c } from "./crc32c.ts";

/** Why a header is refused: a closed list, because it is a metric label. */
export type HeaderFault =
  | "bad-signature"
  | "no-crlf"
  | "bad-field-count"
  | "bad-protocol"
  | "bad-address"
  | "family-mismatch"
  | "bad-port"
  | "bad-version"
  | "bad-command"
  | "unsupported-family"
  | "address-block-short"
  | "header-too-long"
  | "bad-tlv"
  | "bad-checksum";

export interface ProxyEnds {
  /** The device. */
  source: Address;
  sourcePort: number;
  destination: Address;
  destinationPort: number;
}

export type ProxyHeader =
  | { kind: "more" }
  | { kind: "proxied"; ends: ProxyEnds; consumed: number }
  | { kind: "local"; consumed: number }
  | { kind: "refused"; fault: HeaderFault };

/** The longest v1 line with its CRLF (specification, section 2.1). */
const v1BytesMax = 107;
const v2Signature = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const v2FixedBytes = 16;
/** Real headers with every TLV stay below 300 bytes; the field allows 65 535, which nobody needs to buffer for a stranger. */
const v2LengthMax = 4096;
/** PP2_TYPE_CRC32C (section 2.2.3). */
const tlvCrc32c = 0x03;

const more: ProxyHeader = { kind: "more" };

/** Reads the header at the start of a connection. @param bytes everything received so far */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  if (bytes.length === 0) return more;
  return bytes[0] === 0x50 ? parseV1(bytes) : parseV2(bytes);
}

function parseV1(bytes: Buffer): ProxyHeader {
  const start = "PROXY ";
  const seen = bytes.toString("latin1", 0, Math.min(start.length, bytes.length));
  if (!start.startsWith(seen)) return refused("bad-signature");
  const end = bytes.subarray(0, v1BytesMax).indexOf("\r\n");
  if (end === -1) return bytes.length >= v1BytesMax ? refused("no-crlf") : more;
  const consumed = end + 2;
  const words = bytes.toString("latin1", 0, end).split(" ");
  // "UNKNOWN": the receiver must ignore anything before the CRLF.
  if (words[1] === "UNKNOWN") return { kind: "local", consumed };
  if (words[1] !== "TCP4" && words[1] !== "TCP6") return refused("bad-protocol");
  if (words.length !== 6) return refused("bad-field-count");
  const [, protocol, source, destination, sourcePort, destinationPort] = words as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  for (const address of [source, destination]) {
    const family = isIPv4(address) ? "TCP4" : isIPv6(address) && !address.includes("%") ? "TCP6" : undefined;
    if (family === undefined) return refused("bad-address");
    if (family !== protocol) return refused("family-mismatch");
  }
  const ports = [sourcePort, destinationPort];
  if (!ports.every((port) => /^(0|[1-9]\d{0,4})$/.test(port) && Number(port) <= 65_535)) return refused("bad-port");
  return proxied(source, Number(sourcePort), destination, Number(destinationPort), consumed);
}

function parseV2(bytes: Buffer): ProxyHeader {
  const signed = Math.min(bytes.length, v2Signature.length);
  if (v2Signature.compare(bytes, 0, signed, 0, signed) !== 0) return refused("bad-signature");
  if (bytes.length < v2FixedBytes) return more;
  const versionAndCommand = bytes.readUInt8(12);
  const family = bytes.readUInt8(13);
  const length = bytes.readUInt16BE(14);
  if (versionAndCommand >> 4 !== 2) return refused("bad-version");
  const command = versionAndCommand & 0x0f;
  if (command > 1) return refused("bad-command");
  // Refused on the length field alone, before anything is buffered for it.
  if (length > v2LengthMax) return refused("header-too-long");
  const consumed = v2FixedBytes + length;
  if (bytes.length < consumed) return more;
  const header = bytes.subarray(0, consumed);
  // LOCAL: skip the block, whatever it says. UNSPEC: the balancer does not know who speaks.
  if (command === 0 || family === 0x00) return { kind: "local", consumed };
  if (family === 0x11) return readEnds(header, 12, (at) => header.subarray(at, at + 4).join("."), 4);
  if (family === 0x21) return readEnds(header, 36, (at) => ipv6Text(header, at), 16);
  return refused("unsupported-family");
}

function readEnds(
  header: Buffer,
  blockBytes: number,
  textAt: (at: number) => string,
  addressBytes: number,
): ProxyHeader {
  if (header.length - v2FixedBytes < blockBytes) return refused("address-block-short");
  const fault = checkTlvs(header, v2FixedBytes + blockBytes);
  if (fault !== undefined) return refused(fault);
  const portsAt = v2FixedBytes + 2 * addressBytes;
  return proxied(
    textAt(v2FixedBytes),
    header.readUInt16BE(portsAt),
    textAt(v2FixedBytes + addressBytes),
    header.readUInt16BE(portsAt + 2),
    header.length,
  );
}

/** Walks the TLVs so that none reaches past the header, and verifies the checksum when there is one. */
function checkTlvs(header: Buffer, from: number): HeaderFault | undefined {
  let at = from;
  while (at < header.length) {
    if (at + 3 > header.length) return "bad-tlv";
    const type = header.readUInt8(at);
    const length = header.readUInt16BE(at + 1);
    const value = at + 3;
    if (value + length > header.length) return "bad-tlv";
    if (type === tlvCrc32c) {
      if (length !== 4) return "bad-tlv";
      const zeroed = Buffer.from(header);
      zeroed.fill(0, value, value + 4);
      if (crc32c(zeroed) !== header.readUInt32BE(value)) return "bad-checksum";
    }
    at = value + length;
  }
  return undefined;
}

function ipv6Text(bytes: Buffer, at: number): string {
  const groups = Array.from({ length: 8 }, (_, group) => bytes.readUInt16BE(at + 2 * group).toString(16));
  return groups.join(":");
}

function proxied(
  source: string,
  sourcePort: number,
  destination: string,
  destinationPort: number,
  consumed: number,
): ProxyHeader {
  const [from, to] = [parseAddress(source), parseAddress(destination)];
  if (from === undefined || to === undefined) return refused("bad-address");
  return { kind: "proxied", ends: { source: from, sourcePort, destination: to, destinationPort }, consumed };
}

function refused(fault: HeaderFault): ProxyHeader {
  return { kind: "refused", fault };
}
