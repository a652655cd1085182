/** The topology of the inventory that a command line or the environment names. */

import { ConfigurationError } from "@logwarden/shared/environment";
import { readInventory } from "@logwarden/shared/inventory";
import type { Topology } from "@logwarden/shared/topology";
import { z } from "zod";
import { configOption, configPath } from "../given/inventory.ts";
import type { Context } from "../verb.ts";

/** What `haproxy` and `keepalived` take. */
export const fileOptions = {
  ...configOption,
  output: {
    type: "string",
    value: "FILE",
    about: "for render: written beside it and renamed, so that whoever reads FILE meanwhile sees the old one",
    choices: "file",
  },
  image: {
    type: "string",
    value: "IMAGE",
    about: "for check, where this machine has no such program: a Docker image that has it",
  },
} as const;

/** What a program says of a file. */
export const verdictShape = { accepted: z.boolean(), judge: z.string(), said: z.array(z.string()) };

/** @throws ConfigurationError with every complaint, or because there is no topology in it */
export function readTopology(
  values: { config?: string | undefined },
  context: Context,
): { config: string; topology: Topology } {
  const config = configPath(values, context);
  const { topology } = readInventory(config);
  if (topology !== undefined) return { config, topology };
  throw new ConfigurationError([
    `${config}: topology: must be there, so that files can be made from it; see deploy/topology.example.yaml`,
  ]);
}
