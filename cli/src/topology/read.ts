/** The topology of the inventory that a command line or the environment names. */

import { ConfigurationError } from "@logwarden/shared/environment";
import { readInventory } from "@logwarden/shared/inventory";
import type { Topology } from "@logwarden/shared/topology";

/** The services' own default. */
export const configDefault = "/etc/logwarden/logwarden.yaml";

export const configHelp = `--config FILE  logwarden.yaml with \`topology:\`; LOGWARDEN_CONFIG, or ${configDefault}, unless given`;

/** @throws ConfigurationError with every complaint, or because there is no topology in it */
export function readTopology(
  named: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): { config: string; topology: Topology } {
  const config = named ?? (environment["LOGWARDEN_CONFIG"] || configDefault);
  const { topology } = readInventory(config);
  if (topology !== undefined) return { config, topology };
  throw new ConfigurationError([
    `${config}: topology: must be there, so that files can be made from it; see deploy/topology.example.yaml`,
  ]);
}
