/** `--config FILE`, and the routers that a person means by name. */

import { commonVariables, readOwnVariables } from "@logwarden/shared/environment";
import { type Device, type DeviceApi, type Inventory, readInventory } from "@logwarden/shared/inventory";
import { type Context, suggestion, UsageError } from "../verb.ts";

const { config } = commonVariables;

export const configOption = {
  config: {
    type: "string",
    value: "FILE",
    about: `the inventory; LOGWARDEN_CONFIG, or ${config.default}, unless given`,
    choices: "file",
  },
} as const;

/** Where the inventory is: the command line, the environment, or where every service looks. */
export function configPath(values: { config?: string | undefined }, { environment }: Context): string {
  return values.config ?? readOwnVariables({ config }, environment).config;
}

/** @throws ConfigurationError */
export function givenInventory(values: { config?: string | undefined }, context: Context): Inventory {
  return readInventory(configPath(values, context));
}

/** A device that can be changed. */
export type Router = Device & { api: DeviceApi };

export function routersOf({ devices }: Inventory): Router[] {
  return devices.filter((device): device is Router => device.api !== undefined);
}

/** @throws UsageError for a name that is no router's, with what was probably meant */
export function routerNamed(inventory: Inventory, name: string): Router {
  const routers = routersOf(inventory);
  const router = routers.find(({ key }) => key === name);
  if (router !== undefined) return router;
  if (inventory.devices.some(({ key }) => key === name)) {
    throw new UsageError(`${name} only sends logs: it has no \`api\` in the inventory`);
  }
  const names = routers.map(({ key }) => key);
  throw new UsageError(
    `no router "${name}"${suggestion(name, names) || `; routers are ${names.join(", ") || "none"}`}`,
  );
}

/** Those that are named, or every one where `all` is said. @throws UsageError when it is neither, or both */
export function givenRouters(inventory: Inventory, names: readonly string[], all: boolean): Router[] {
  if (all && names.length > 0) throw new UsageError("--all is every router: name none beside it");
  if (all) return routersOf(inventory);
  if (names.length === 0) throw new UsageError("expected the names of routers, or --all");
  return [...new Set(names)].map((name) => routerNamed(inventory, name));
}
