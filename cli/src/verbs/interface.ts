/** `logwarden interface`: which interfaces were taken down, and one let up again. */

import { randomUUID } from "node:crypto";
import type { InterfaceState } from "@logwarden/ledger";
import { deviceTube } from "@logwarden/shared/tubes";
import { z } from "zod";
import { configOption, givenInventory, routerNamed, routersOf } from "../given/inventory.ts";
import { ledgerOption, withLedger } from "../given/ledger.ts";
import { byOption, givenBy } from "../given/person.ts";
import { iso, moment } from "../given/times.ts";
import { columns } from "../output.ts";
import { givenNodes, queuesOption } from "../queue/nodes.ts";
import { putTasks } from "../queue/put.ts";
import { time, timeOrNull } from "../shape.ts";
import { jsonOption, knownWord, readArguments, UsageError, type Verb } from "../verb.ts";

const stateShape = z.strictObject({
  router: z.string(),
  interface: z.string(),
  state: z.enum(["disabled", "enabled"]),
  since: time,
  by: z.string(),
  reason: z.string(),
  enableAt: timeOrNull,
});

const words = {
  list: "the interfaces that were disabled, of one router or all",
  enable: "lets an interface up again that was disabled",
};

const options = {
  reason: { type: "string", short: "R", value: "TEXT", about: "why, for the audit" },
  ...byOption,
  ...configOption,
  ...queuesOption,
  ...ledgerOption,
  ...jsonOption,
} as const;

export const networkInterface: Verb = {
  name: "interface",
  about: "interfaces that were disabled; lets one up again",
  usage: ["interface list [ROUTER] [OPTIONS]", "interface enable ROUTER INTERFACE [OPTIONS]"],
  words,
  text: `enable puts a task into the router's tube, before every event that waits, and does not wait: \`interface list\` shows what came
of it.`,
  options,
  examples: ["logwarden interface list", "logwarden interface enable edge-1 eth1 -R 'cable is mended'"],
  json: {
    shape: z.union([
      z.strictObject({ interfaces: z.array(stateShape) }),
      z.strictObject({
        router: z.string(),
        interface: z.string(),
        tube: z.string(),
        taskId: z.string(),
        node: z.string(),
      }),
    ]),
  },
  run: async (args, context) => {
    const { values, positionals } = readArguments(args, options, 3);
    const [first, name, wanted] = positionals;
    const word = knownWord("interface", first, words);
    const { output } = context;
    const inventory = givenInventory(values, context);
    if (word === "list") {
      if (wanted !== undefined) throw new UsageError(`"${wanted}" is one word too many`);
      const routers = name === undefined ? routersOf(inventory) : [routerNamed(inventory, name)];
      const states = await withLedger(values, context, async (ledger) =>
        (await Promise.all(routers.map(({ key }) => ledger.interfacesOn(key)))).flat(),
      );
      const interfaces = states.map(factsOf);
      if (values.json) await output.json({ interfaces });
      else if (interfaces.length === 0) await output.line("no interface was ever disabled");
      else
        await output.lines(
          columns([["router", "interface", "state", "since", "by", "why", ""], ...states.map(rowOf)], ""),
        );
      return 0;
    }
    if (name === undefined || wanted === undefined)
      throw new UsageError("expected a router and its interface, such as edge-1 eth1");
    const router = routerNamed(inventory, name);
    const { interfacePath } = await import("@logwarden/vyos");
    if (interfacePath(wanted) === undefined) {
      throw new UsageError(
        `expected the name of an interface that VyOS can disable, such as eth1 or eth1.10, got "${wanted}"`,
      );
    }
    const tube = deviceTube(router.key);
    const taskId = randomUUID();
    const reason = values.reason === undefined ? {} : { reason: values.reason };
    const common = { v: 1 as const, id: taskId, at: new Date().toISOString(), by: givenBy(values, context), ...reason };
    const task = { host: router.address.text, type: "interface_enable" as const, interface: wanted, ...common };
    const [node = ""] = await putTasks(givenNodes(values, context), [{ tube, task }]);
    if (values.json) await output.json({ router: router.key, interface: wanted, tube, taskId, node });
    else await output.line(`${router.key} ${wanted}: asked for, in ${tube} at ${node}`);
    return 0;
  },
};

function factsOf({
  router,
  name,
  state,
  changedAtMs,
  by,
  reason,
  enableAtMs,
}: InterfaceState): z.infer<typeof stateShape> {
  return { router, interface: name, state, since: iso(changedAtMs), by, reason, enableAt: iso(enableAtMs) };
}

function rowOf({ router, name, state, changedAtMs, by, reason, enableAtMs }: InterfaceState): string[] {
  const end = enableAtMs === null ? "" : `comes up at ${moment(enableAtMs)}`;
  return [router, name, state, moment(changedAtMs), by, reason, state === "disabled" ? end : ""];
}
