/** What every run is played in: three routers, a host that only sends logs, policies of each kind. */

import { type Inventory, parseInventory } from "@logwarden/shared/inventory";

/** All that can be different from run to run. */
export interface Setting {
  groupMax: number;
  allow: readonly string[];
  unknownDevices: "accept" | "refuse";
}

export const hosts = {
  "edge-1": "10.10.10.201",
  "edge-2": "10.10.10.202",
  "core-1": "10.10.10.203",
  "web-1": "10.10.10.50",
} as const;

export const routerKeys = ["edge-1", "edge-2", "core-1"] as const;

/** In no inventory. */
export const strangers = ["10.10.10.99"] as const;

const api = (address: string): string => `{ url: "https://${address}", keyFile: /nowhere, verify: "off" }`;

export function inventoryOf({ groupMax, allow, unknownDevices }: Setting): Inventory {
  return parseInventory(
    `
group: BAD_GUYS
groupMax: ${groupMax}
unknownDevices: ${unknownDevices}
unbanGrace: 30
devices:
  edge-1: { address: ${hosts["edge-1"]}, tags: [edge], api: ${api(hosts["edge-1"])} }
  edge-2: { address: ${hosts["edge-2"]}, tags: [edge], api: ${api(hosts["edge-2"])} }
  core-1: { address: ${hosts["core-1"]}, protect: [eth2], api: ${api(hosts["core-1"])} }
  web-1: { address: ${hosts["web-1"]} }
policies:
  password_failed: { maxRetry: 5, findTime: 2m, banTime: 1m, growth: 2, banTimeMax: 4m, targets: [edge], forgetOnSuccess: true }
  user_invalid: { maxRetry: 1, findTime: 1m, banTime: 90, targets: [self] }
  attempts_exceeded: { maxRetry: 3, findTime: 5m, banTime: permanent, targets: [all] }
  pam_failed: { maxRetry: 2, findTime: 2m, banTime: 5m, targets: [all], dryRun: true }
  http_error: { maxRetry: 4, findTime: 1m, banTime: 45, growth: 3, banTimeMax: 10m, targets: [self, edge] }
  peer_ban: { maxRetry: 1, findTime: 1m, banTime: 2m, targets: [edge] }
  interface_down: { maxRetry: 1, enableAfter: 1m }
allow: [${allow.map((prefix) => JSON.stringify(prefix)).join(", ")}]
`,
    "simulation",
  );
}
