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
import { type PeerAction, peerActions, reasonCharactersMax, type EventType, eventTypes } from "../flow/task.ts";
import { createNeverBan, type NeverBan } from "../ip/never-ban.ts";
import { ConfigurationError } from "./environment.ts";
import { createPolicies, type Policies, PoliciesForm, tagsOf } from "./policies.ts";
import { durationForm, parseDuration } from "../duration.ts";
import { type Topology, topologyAddresses, topologyExample, TopologyForm } from "./topology.ts";

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
  /** The name in its client certificate, in lower case: who shows it over TLS is this device, wherever it connects from. */
  certificate?: string;
  /** Absent for a host that only sends logs. */
  api?: DeviceApi;
  tags: readonly string[];
  /** Interfaces that are never disabled: the ones that we, or the operators, reach the device through. */
  protect: readonly string[];
}

/** A rule of one's own: which lines of which programs mean what (services/parser/src/recognize/rule.ts). */
export interface OwnRule {
  name: string;
  programs: readonly string[];
  match: readonly string[];
  type: EventType;
  /** Fields that the words do not hold, such as `{ action: "ban" }`. */
  set?: { readonly action?: PeerAction; readonly reason?: string };
}

export interface Inventory {
  devices: readonly Device[];
  /** By canonical address text. */
  byAddress: ReadonlyMap<string, Device>;
  /** By the name in the client certificate, in lower case. */
  byCertificate: ReadonlyMap<string, Device>;
  /** What the parser makes of an address that is no device's: nobody, or a host that only sends logs. */
  unknownDevices: "refuse" | "accept";
  /** The firewall group that holds attackers; the routers' rules refer to it. */
  group: string;
  rules: {
    /** Rules of the parser that are switched off, by name. */
    disabled: readonly string[];
    /** Rules of one's own; what their templates say is checked where they are compiled, in the parser. */
    own: readonly OwnRule[];
  };
  policies: Policies;
  /** How much of an IPv6 address is one attacker: 64 of 128 bits, unless told otherwise. */
  ipv6Prefix: number;
  /** After an unban: so long nothing is counted and no policy bans. */
  unbanGraceMs: number;
  /** So many members a router's groups may have. */
  groupMax: number;
  allow: readonly Prefix[];
  neverBan: NeverBan;
  /** Balancers, parsers and queue nodes, for whoever has their files made from it; services do not read it. */
  topology?: Topology;
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

/** No wildcard: a certificate that is many names identifies nobody. RFC 1035 §2.3.4: at most 255 characters. */
const certificateForm = z
  .string()
  .regex(
    /^(?=.{1,253}$)[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?)*$/i,
    "expected a host name",
  );

const DeviceForm = z.strictObject({
  address: addressForm,
  certificate: certificateForm.optional(),
  api: Api.optional(),
  tags: z.array(z.string().regex(/^[a-z0-9-]{1,63}$/, "expected a-z, 0-9 and -")).default([]),
  protect: z.array(z.string().min(1)).default([]),
});

/** One entry, or a list of them. */
const oneOrMore = (form: z.ZodString) =>
  z.union([form, z.array(form).min(1)]).transform((value) => (typeof value === "string" ? [value] : value));

/** Each is a label of metrics and a place in memory; nobody writes more by hand. */
const ownRulesMax = 1000;

const OwnRuleForm = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "expected a name of a-z, 0-9 and -"),
  // What the header's reader takes for a program's name (services/parser/src/decode/header.ts).
  program: oneOrMore(
    z.string().regex(/^[!-9;-Z\\^-~]{1,64}$/, "expected a program's name as syslog writes it, such as sshd"),
  ),
  match: oneOrMore(z.string().min(1)),
  type: z.enum(eventTypes, `expected one of ${eventTypes.join(", ")}`),
  set: z
    .strictObject({
      action: z.enum(peerActions, "expected ban, unban or restore").optional(),
      reason: z.string().min(1).max(reasonCharactersMax).optional(),
    })
    .optional(),
});

export const InventoryForm = z.strictObject({
  /** VyOS: firewall group names (interface-definitions, constraint of address-group). */
  group: z
    .string()
    .regex(/^[-_a-zA-Z0-9][\w\-.+]{0,62}$/, "expected a VyOS group name")
    .default("BAD_GUYS"),
  devices: z
    .record(z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "expected a name of a-z, 0-9 and -"), DeviceForm)
    .refine((devices) => Object.keys(devices).length > 0, "expected at least one device"),
  unknownDevices: z.enum(["refuse", "accept"], "expected refuse or accept").default("refuse"),
  rules: z
    .strictObject({
      disabled: z.array(z.string().min(1)).default([]),
      own: z.array(OwnRuleForm).max(ownRulesMax).default([]),
    })
    .default({ disabled: [], own: [] }),
  policies: PoliciesForm,
  /** Shorter than /32 is no customer's network any more; 128 counts each address by itself. */
  ipv6Prefix: z.number().int().min(32).max(128).default(64),
  unbanGrace: z
    .union([z.string(), z.number()])
    .transform((value) => parseDuration(String(value)))
    .refine((value): value is number => typeof value === "number", `expected ${durationForm}`)
    .default(600),
  /** VyOS suffers near 15 000 members of a group (T6625). */
  groupMax: z.number().int().min(1).max(100_000).default(10_000),
  allow: z.array(prefixForm, "must be written out, even if empty: addresses that are never banned"),
  topology: TopologyForm.optional(),
});

/** What would pass, by the path's last word; shown beside each complaint, and in the reference. */
export const inventoryExamples: Readonly<Record<string, string>> = {
  group: "group: BAD_GUYS",
  devices: "devices: { edge-1: { address: 10.10.10.201 } }",
  address: "address: 10.10.10.201",
  certificate: "certificate: edge-1.example.net",
  api: 'api: { url: https://10.10.10.201, keyFile: /run/secrets/edge-1, fingerprint: "sha256:…" }',
  url: "url: https://10.10.10.201",
  keyFile: "keyFile: /run/secrets/edge-1",
  fingerprint: `fingerprint: "sha256:${"0f".repeat(32)}"`,
  caFile: "caFile: /etc/logwarden/ca.pem",
  verify: "fingerprint instead; or verify: off in a lab",
  tags: "tags: [edge]",
  protect: "protect: [eth0]",
  unknownDevices: "unknownDevices: refuse",
  rules: "rules: { disabled: [netplugd-state-down] }",
  own: 'own: [{ name: vpn-failed, program: openvpn, match: "AUTH FAILED from {address:ip}", type: password_failed }]',
  program: "program: sshd",
  match: 'match: "Failed password for [invalid user ]{user} from {address:ip} port {port:int} ssh2"',
  type: "type: password_failed",
  set: "set: { action: ban }",
  disabled: "disabled: [netplugd-state-down]",
  policies: "policies: { password_failed: { maxRetry: 5, findTime: 10m, banTime: 1h, targets: [self] } }",
  maxRetry: "maxRetry: 5",
  findTime: "findTime: 10m",
  banTime: "banTime: 1h",
  growth: "growth: 2",
  banTimeMax: "banTimeMax: 7d",
  targets: "targets: [self]",
  enableAfter: "enableAfter: 10m",
  ipv6Prefix: "ipv6Prefix: 64",
  unbanGrace: "unbanGrace: 10m",
  groupMax: "groupMax: 10000",
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
  const parsed = InventoryForm.safeParse(document.toJS() ?? {});
  if (!parsed.success) {
    throw new ConfigurationError(parsed.error.issues.map((issue) => complaint(name, document.toJS(), issue)));
  }
  return assemble(name, parsed.data);
}

function assemble(name: string, file: z.infer<typeof InventoryForm>): Inventory {
  const devices = Object.entries(file.devices).map(([key, form]) => toDevice(key, form));
  const complaints: string[] = [];
  /** What identifies a device must not identify another one. */
  const uniqueBy = (field: string, read: (device: Device) => string | undefined): Map<string, Device> => {
    const owners = new Map<string, Device>();
    for (const device of devices) {
      const value = read(device);
      if (value === undefined) continue;
      const other = owners.get(value);
      if (other === undefined) owners.set(value, device);
      else complaints.push(`${name}: devices.${device.key}.${field}: ${value} is already ${other.key}'s`);
    }
    return owners;
  };
  const byAddress = uniqueBy("address", ({ address }) => address.text);
  const byCertificate = uniqueBy("certificate", ({ certificate }) => certificate);
  const tags = new Set(devices.flatMap((device) => device.tags));
  for (const { path, tag } of tagsOf(file.policies)) {
    if (!tags.has(tag)) complaints.push(`${name}: ${path}: no device has the tag ${tag}, for example tags: [${tag}]`);
  }
  if (complaints.length > 0) throw new ConfigurationError(complaints);
  const allow = file.allow.map(toPrefix);
  // An attacker who gets one of our own machines into a log must not get it banned on every router.
  const machines = file.topology === undefined ? [] : topologyAddresses(file.topology);
  const named = [...devices.map(({ key, address }) => ({ name: key, address })), ...machines];
  const own = named.map(({ name: of, address }) => ({ name: of, prefix: toPrefix(address.text) }));
  const neverBan = createNeverBan(own, allow);
  const { group, unknownDevices } = file;
  const rules = { disabled: file.rules.disabled, own: file.rules.own.map(toRule) };
  const policies = createPolicies(file.policies);
  const { ipv6Prefix, unbanGrace, groupMax, topology } = file;
  const deciding = { policies, ipv6Prefix, unbanGraceMs: 1000 * unbanGrace, groupMax };
  const who = { devices, byAddress, byCertificate, unknownDevices };
  const inventory: Inventory = { ...who, group, rules, ...deciding, allow, neverBan };
  return topology === undefined ? inventory : { ...inventory, topology };
}

function toRule({ name, program, match, type, set = {} }: z.infer<typeof OwnRuleForm>): OwnRule {
  const { action, reason } = set;
  const given = { ...(action === undefined ? {} : { action }), ...(reason === undefined ? {} : { reason }) };
  return { name, programs: program, match, type, set: given };
}

function toDevice(key: string, form: z.infer<typeof DeviceForm>): Device {
  const address = parseAddress(form.address);
  if (address === undefined) throw new Error(`the schema let ${form.address} through`);
  const device: Device = { key, address, tags: form.tags, protect: form.protect };
  if (form.certificate !== undefined) device.certificate = form.certificate.toLowerCase();
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
    path.findLast((word) => word in inventoryExamples) ?? (issue.code === "unrecognized_keys" ? undefined : "devices");
  const seen = JSON.stringify(path.reduce<unknown>((value, word) => (value as Record<string, unknown>)?.[word], file));
  const passing = path[0] === "topology" ? topologyExample(path) : inventoryExamples[last ?? ""];
  const example = passing === undefined ? "" : `, for example ${passing}`;
  return `${name}: ${path.join(".") || "top level"}: ${issue.message}, got ${seen ?? "nothing"}${example}`;
}
