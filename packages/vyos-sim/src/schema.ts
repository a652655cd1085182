/**
 * The part of VyOS's configuration schema that exists here: firewall groups, interfaces, `service https`, host name.
 *
 *   node   has named children                         firewall group
 *   tag    has children named by the operator         address-group NAME
 *   leaf   has values, one, many or none              address, disable
 *
 * To add a path, add it here; setting, showing, committing and saving follow the schema.
 */
import { hasDisable, interfaceTypes, type InterfaceType, vlanTypes } from "./interface-types.ts";
import {
  interfaceAddress,
  ipv4Member,
  ipv4Prefix,
  ipv6Member,
  ipv6Prefix,
  matching,
  numberBetween,
  type Validator,
} from "./values.ts";

export type Schema = NodeSchema | TagSchema | LeafSchema;
export interface NodeSchema {
  kind: "node";
  children: ReadonlyMap<string, Schema>;
}
export interface TagSchema {
  kind: "tag";
  validator: Validator;
  entry: NodeSchema;
}
export interface LeafSchema {
  kind: "leaf";
  values: "none" | "one" | "many";
  validator: Validator;
}

const anything: Validator = () => undefined;
const flag: LeafSchema = { kind: "leaf", values: "none", validator: anything };
const one = (validator: Validator = anything): LeafSchema => ({ kind: "leaf", values: "one", validator });
const many = (validator: Validator = anything): LeafSchema => ({ kind: "leaf", values: "many", validator });
const node = (children: Record<string, Schema>): NodeSchema => ({
  kind: "node",
  children: new Map(Object.entries(children)),
});
const tag = (validator: Validator, children: Record<string, Schema>): TagSchema => ({
  kind: "tag",
  validator,
  entry: node(children),
});

const groupName = matching(/^[-_a-zA-Z0-9][\w\-.+]*$/);
const group = (member: string, validator: Validator): TagSchema =>
  tag(groupName, { [member]: many(validator), description: one(), include: many(groupName) });

const vlanId = numberBetween(0, 4094);

function interfaceSchema(type: InterfaceType): TagSchema {
  const common: Record<string, Schema> = { address: many(interfaceAddress), description: one() };
  if (hasDisable(type)) common["disable"] = flag;
  const vlan = { ...common, disable: flag };
  const vlans: Record<string, Schema> = {};
  if (vlanTypes.has(type)) {
    vlans["vif"] = tag(vlanId, vlan);
    if (type !== "bridge") vlans["vif-s"] = tag(vlanId, { ...vlan, "vif-c": tag(vlanId, vlan) });
  }
  return tag(matching(interfaceTypes[type]), { ...common, ...vlans });
}

const interfaces = Object.fromEntries(
  (Object.keys(interfaceTypes) as InterfaceType[]).map((type) => [type, interfaceSchema(type)]),
);

export const rootSchema: NodeSchema = node({
  firewall: node({
    group: node({
      "address-group": group("address", ipv4Member),
      "ipv6-address-group": group("address", ipv6Member),
      "network-group": group("network", ipv4Prefix),
      "ipv6-network-group": group("network", ipv6Prefix),
    }),
  }),
  interfaces: node(interfaces),
  service: node({
    https: node({
      "allow-client": node({ address: many() }),
      api: node({
        debug: flag,
        keys: node({ id: tag(anything, { key: one() }) }),
        rest: node({ debug: flag, strict: flag }),
        strict: flag,
      }),
      "listen-address": many(),
      port: one(numberBetween(1, 65_535)),
      "request-body-size-limit": one(numberBetween(1, 256)),
    }),
  }),
  system: node({ "host-name": one() }),
});

/** Where a path ends in the schema. */
export type Place =
  | { kind: "node"; schema: NodeSchema }
  | { kind: "tag"; schema: TagSchema }
  | { kind: "leaf"; schema: LeafSchema }
  | { kind: "value"; schema: LeafSchema }
  | { kind: "nowhere" };

export function locate(path: readonly string[]): Place {
  let at: NodeSchema = rootSchema;
  for (let index = 0; index < path.length; index += 1) {
    const child = at.children.get(path[index] ?? "");
    if (child === undefined) return { kind: "nowhere" };
    const rest = path.length - index - 1;
    if (child.kind === "leaf") {
      if (rest === 0) return { kind: "leaf", schema: child };
      return rest === 1 && child.values !== "none" ? { kind: "value", schema: child } : { kind: "nowhere" };
    }
    if (child.kind === "tag") {
      if (rest === 0) return { kind: "tag", schema: child };
      index += 1;
      at = child.entry;
    } else {
      at = child;
    }
  }
  return { kind: "node", schema: at };
}
