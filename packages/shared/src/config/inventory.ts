/**
 * logwarden.yaml → the devices, what is never banned, and what is switched off; or all complaints at once.
 *
 * The same file is read by every service, so that parser and responder cannot disagree about who is who. Unknown keys
 * are refused: a typo is not a default. Secrets are named by file and read by the service that needs them.
 */

import { readFileSync } from "node:fs";
import { parseDocument } from "yaml";
import { z } from "zod";
import { type Address, type Prefix, parseAddress, parsePrefix } from "../ip/address.ts";
import { createNeverBan, type NeverBan } from "../ip/never-ban.ts";
import { ConfigurationError } from "./environment.ts";

/** How a router's HTTP API is reached, and by what its certificate is known. */
export interface DeviceApi {
  url: string;
  keyFile: string;
  trust: { fingerprint: string } | { caFile: string } | { verify: "off" };
}

export interface Device {
  /** The name in the inventory; also the end of its tube's name. */
  key: string;
  address: Address;
  /** Absent for a host that only sends logs. */
  api?: DeviceApi;
  tags: readonly string[];
  /** Interfaces that are never disabled: the ones that we, or the operators, reach the device through. */
  protect: readonly string[];
}

export interface Inventory {
  devices: readonly Device[];
  /** By canonical address text. */
  byAddress: ReadonlyMap<string, Device>;
  /** The firewall group that holds attackers; the routers' rules refer to it. */
  group: string;
  /** Rules of the parser that are switched off, by name. */
  rulesDisabled: readonly string[];
  allow: readonly Prefix[];
  neverBan: NeverBan;
}

const addressForm = z.string().refine((text) => parseAddress(text) !== undefined, "expected an IPv4 or IPv6 address");
const prefixForm = z.string().refine((text) => parsePrefix(text) !== undefined, "expected an address or a prefix");
const fingerprintForm = z
  .string()
  .regex(/^sha256:([0-9a-f]{2}:?){31}[0-9a-f]{2}$/i, "expected sha256: and 32 bytes in hexadecimal");

const Api = z
  .strictObject({
    url: z.string().regex(/^https:\/\/[^/\s]+\/?$/, "expected https:// and a host, nothing behind it"),
    keyFile: z.string().min(1, "expected a path"),
    fingerprint: fingerprintForm.optional(),
    caFile: z.string().min(1, "expected a path").optional(),
    verify: z.literal("off", "expected off, or leave it out").optional(),
  })
  .refine(
    ({ fingerprint, caFile, verify }) => [fingerprint, caFile, verify].filter((one) => one !== undefined).length === 1,
    "expected exactly one of fingerprint, caFile and verify: off",
  );

const DeviceForm = z.strictObject({
  address: addressForm,
  api: Api.optional(),
  tags: z.array(z.string().regex(/^[a-z0-9-]{1,63}$/, "expected a-z, 0-9 and -")).default([]),
  protect: z.array(z.string().min(1)).default([]),
});

const FileForm = z.strictObject({
  /** VyOS: firewall group names (interface-definitions, constraint of address-group). */
  group: z
    .string()
    .regex(/^[-_a-zA-Z0-9][\w\-.+]{0,62}$/, "expected a VyOS group name")
    .default("BAD_GUYS"),
  devices: z
    .record(z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "expected a name of a-z, 0-9 and -"), DeviceForm)
    .refine((devices) => Object.keys(devices).length > 0, "expected at least one device"),
  rules: z.strictObject({ disabled: z.array(z.string().min(1)).default([]) }).default({ disabled: [] }),
  allow: z.array(prefixForm, "must be written out, even if empty: addresses that are never banned"),
});

/** What would pass, by the path's last word; shown beside each complaint. */
const examples: Record<string, string> = {
  group: "group: BAD_GUYS",
  devices: "devices: { edge-1: { address: 10.10.10.201 } }",
  address: "address: 10.10.10.201",
  api: 'api: { url: https://10.10.10.201, keyFile: /run/secrets/edge-1, fingerprint: "sha256:…" }',
  url: "url: https://10.10.10.201",
  keyFile: "keyFile: /run/secrets/edge-1",
  fingerprint: `fingerprint: "sha256:${"0f".repeat(32)}"`,
  caFile: "caFile: /etc/logwarden/ca.pem",
  verify: "fingerprint instead; or verify: off in a lab",
  tags: "tags: [edge]",
  protect: "protect: [eth0]",
  rules: "rules: { disabled: [netplugd-state-down] }",
  disabled: "disabled: [netplugd-state-down]",
  allow: "allow: [192.0.2.0/24]",
};

/**
 * @param path of logwarden.yaml
 * @throws ConfigurationError with every complaint: path inside the file, value seen, and an example that passes
 */
export function readInventory(path: string): Inventory {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigurationError([`${path}: cannot be read (${reason}); see logwarden.example.yaml`]);
  }
  return parseInventory(text, path);
}

/** As readInventory, from the text itself. @param name how complaints call the file */
export function parseInventory(text: string, name: string): Inventory {
  const document = parseDocument(text);
  if (document.errors.length > 0) {
    throw new ConfigurationError(document.errors.map(({ message }) => `${name}: ${message}`));
  }
  const parsed = FileForm.safeParse(document.toJS() ?? {});
  if (!parsed.success) {
    throw new ConfigurationError(parsed.error.issues.map((issue) => complaint(name, document.toJS(), issue)));
  }
  return assemble(name, parsed.data);
}

function assemble(name: string, file: z.infer<typeof FileForm>): Inventory {
  const devices = Object.entries(file.devices).map(([key, form]) => toDevice(key, form));
  const byAddress = new Map<string, Device>();
  const complaints: string[] = [];
  for (const device of devices) {
    const other = byAddress.get(device.address.text);
    if (other === undefined) byAddress.set(device.address.text, device);
    else complaints.push(`${name}: devices.${device.key}.address: ${device.address.text} is already ${other.key}'s`);
  }
  if (complaints.length > 0) throw new ConfigurationError(complaints);
  const allow = file.allow.map(toPrefix);
  const own = devices.map(({ key, address }) => ({ name: key, prefix: toPrefix(address.text) }));
  const neverBan = createNeverBan(own, allow);
  return { devices, byAddress, group: file.group, rulesDisabled: file.rules.disabled, allow, neverBan };
}

function toDevice(key: string, form: z.infer<typeof DeviceForm>): Device {
  const address = parseAddress(form.address);
  if (address === undefined) throw new Error(`the schema let ${form.address} through`);
  const device = { key, address, tags: form.tags, protect: form.protect };
  if (form.api === undefined) return device;
  const { url, keyFile, fingerprint, caFile } = form.api;
  const trust =
    fingerprint !== undefined ? { fingerprint } : caFile !== undefined ? { caFile } : { verify: "off" as const };
  return { ...device, api: { url: url.replace(/\/$/, ""), keyFile, trust } };
}

function toPrefix(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(`the schema let ${text} through`);
  return prefix;
}

function complaint(name: string, file: unknown, issue: z.core.$ZodIssue): string {
  const path = issue.path.map(String);
  const last =
    path.findLast((word) => word in examples) ?? (issue.code === "unrecognized_keys" ? undefined : "devices");
  const seen = JSON.stringify(path.reduce<unknown>((value, word) => (value as Record<string, unknown>)?.[word], file));
  const example = last === undefined ? "" : `, for example ${examples[last]}`;
  return `${name}: ${path.join(".") || "top level"}: ${issue.message}, got ${seen ?? "nothing"}${example}`;
}
