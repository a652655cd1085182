import { readFileSync } from "node:fs";
import { describe, expect, test } from "@jest/globals";
import { type HeaderFault, parseProxyHeader, type ProxyHeader } from "./proxy-protocol.ts";

interface Case {
  id: string;
  chunks_hex: string[];
  expect: {
    result: string;
    src?: string;
    sport?: number;
    dst?: string;
    dport?: number;
    payload?: string;
    reason?: string;
  };
}

const file = new URL("../testdata/proxy-cases.json", import.meta.url);
const { cases, captured_from_haproxy_2_6_12: captured } = JSON.parse(readFileSync(file, "utf8")) as {
  cases: Case[];
  captured_from_haproxy_2_6_12: Record<string, string>;
};

/** The words of the case file → our metric labels. */
const faults: Record<string, HeaderFault> = {
  "v1: no CRLF in first 107 bytes": "no-crlf",
  "bad address": "bad-address",
  "bad address (octal ambiguity)": "bad-address",
  "family mismatch": "family-mismatch",
  "bad port": "bad-port",
  "bad field count": "bad-field-count",
  "bad protocol": "bad-protocol",
  "unsupported family/protocol": "unsupported-family",
  "bad version": "bad-version",
  "bad command": "bad-command",
  "address block too short": "address-block-short",
  "header too long (limit 4096)": "header-too-long",
  "bad signature": "bad-signature",
};

/** Feeds the chunks as a socket would: all bytes so far, until there is an answer. */
function feed(chunks: readonly Buffer[]): { header: ProxyHeader; received: Buffer } {
  let received = Buffer.alloc(0);
  let header: ProxyHeader = { kind: "more" };
  for (const chunk of chunks) {
    received = Buffer.concat([received, chunk]);
    if (header.kind === "more") header = parseProxyHeader(received);
  }
  return { header, received };
}

function judge({ expect: wanted }: Case, chunks: readonly Buffer[]): void {
  const { header, received } = feed(chunks);
  switch (wanted.result) {
    case "ok":
      expect(header).toMatchObject({
        kind: "proxied",
        ends: {
          source: { text: wanted.src },
          sourcePort: wanted.sport,
          destination: { text: wanted.dst },
          destinationPort: wanted.dport,
        },
      });
      break;
    case "local":
      expect(header.kind).toBe("local");
      break;
    case "close":
      expect(header).toEqual({ kind: "refused", fault: faults[wanted.reason ?? ""] });
      return;
    default:
      // timeout, closed-by-peer: what came so far is no answer; the socket's own limits end it (test/connections.test.ts).
      expect(header.kind).toBe("more");
      return;
  }
  const consumed = "consumed" in header ? header.consumed : 0;
  expect(received.subarray(consumed).toString("hex")).toBe(wanted.payload);
}

describe("a PROXY header", () => {
  for (const one of cases) {
    const chunks = one.chunks_hex.map((hex) => Buffer.from(hex, "hex"));
    test(`${one.id}`, () => judge(one, chunks));
    test(`${one.id}, byte by byte`, () =>
      judge(
        one,
        Array.from(Buffer.concat(chunks), (byte) => Buffer.from([byte])),
      ));
  }

  test.each([
    ["haproxy26-v1", "10.99.0.10"],
    ["haproxy26-v2", "10.99.0.10"],
    ["haproxy26-v2-crc-uid", "10.99.0.10"],
    ["haproxy26-v2-ipv6", "fd99::10"],
    ["haproxy26-v2-ssl-cn", "10.99.0.10"],
  ])("captured from a real HAProxy: %s names %s", (id, source) => {
    expect(parseProxyHeader(Buffer.from(captured[id] ?? "", "hex"))).toMatchObject({
      kind: "proxied",
      ends: { source: { text: source } },
    });
  });

  test.each([["haproxy26-v2-local-check"], ["haproxy26-v1-unix-client"]])(
    "captured: %s is the balancer itself",
    (id) => {
      expect(parseProxyHeader(Buffer.from(captured[id] ?? "", "hex")).kind).toBe("local");
    },
  );

  test("with a checksum that does not fit is refused, whichever byte was changed", () => {
    const bytes = Buffer.from(captured["haproxy26-v2-crc-uid"] ?? "", "hex");
    // From the address on: changes before it are refused for what they are. Byte 28 is the checksum's own type: changed, it
    // is another TLV and there is no checksum.
    for (let at = 16; at < bytes.length; at++) {
      if (at === 28) continue;
      const changed = Buffer.from(bytes);
      changed.writeUInt8(changed.readUInt8(at) ^ 0x01, at);
      expect(parseProxyHeader(changed).kind).toBe("refused");
    }
  });

  test("whose TLV reaches past its end is refused", () => {
    const tlv = Buffer.from("0d0a0d0a000d0a515549540a2111000fcb00710a0a630064b0e80259050040", "hex");
    expect(parseProxyHeader(tlv)).toEqual({ kind: "refused", fault: "bad-tlv" });
  });
});
