/** A VyosClient of one process to one router in memory: what goes wrong on the way is an outcome, as packages/vyos promises. */

import type { Outcome, VyosClient } from "@logwarden/vyos";
import type { Host } from "./host.ts";
import type { Config, SimRouter } from "./router.ts";

const readMs = 30_000;
const saveMs = 60_000;

type Family = 4 | 6;

const familyOf = (member: string): Family => (member.includes(":") ? 6 : 4);
const membersOf = (config: Config, path: readonly string[]): string[] => {
  const family = path.includes("ipv6-address-group") ? 6 : 4;
  return [...config.members].filter((member) => familyOf(member) === family);
};

export function openClient(
  host: Host,
  router: SimRouter,
  configureMs: number,
  onConfigure: (ops: Parameters<VyosClient["configure"]>[0]) => void,
): VyosClient {
  const { world } = host;

  /** The router's answer, or none in time: what it does meanwhile it does. */
  function call<T>(ms: number, request: () => Promise<Outcome<T> | "no answer">): Promise<Outcome<T>> {
    if (host.isDead) return new Promise(() => undefined);
    return host.gate(
      new Promise((resolve) => {
        const cancel = world.after(ms, () =>
          resolve({ kind: "unknown", reason: "timeout", text: `no complete answer within ${ms} ms` }),
        );
        void request().then((answer) => {
          if (answer === "no answer") return;
          cancel();
          resolve(answer);
        });
      }),
    );
  }

  return {
    configure(ops) {
      onConfigure(ops);
      const shown = ops.map(({ op, path }) => `${op} ${path.slice(-2).join(" ")}`).join(", ");
      world.say(host.name, `${router.key}: configure ${shown}`);
      return call(configureMs, async () => {
        const answer = await router.configure(ops, host.name);
        world.say(router.key, `answers ${host.name}: ${answer === "no answer" ? answer : answer.kind}`);
        return answer;
      });
    },
    save: () =>
      call(saveMs, async () => {
        const answer = await router.save(host.name);
        world.say(router.key, `save of ${host.name}: ${answer === "no answer" ? answer : answer.kind}`);
        return answer;
      }),
    returnValues: (path) => call(readMs, () => router.read((now, staged) => membersOf(staged ?? now, path))),
    exists: (path) =>
      call(readMs, () =>
        router.read((now, staged) => {
          const { interfaces } = staged ?? now;
          const name = path[2] ?? "";
          return path.at(-1) === "disable" ? interfaces.get(name) === true : interfaces.has(name);
        }),
      ),
    showConfig: (path) => call(readMs, () => router.read((now, staged) => treeOf(path, now, staged))),
    close: () => undefined,
  };
}

/** As VyOS shows it: while a commit is open, what it changes is marked. */
function treeOf(path: readonly string[], now: Config, staged: Config | undefined): Record<string, unknown> {
  if (path[0] === "firewall") {
    const old = membersOf(now, path);
    const added = staged === undefined ? [] : membersOf(staged, path).filter((member) => !now.members.has(member));
    const gone = staged === undefined ? [] : old.filter((member) => !staged.members.has(member));
    return {
      ...(old.length > 0 ? { address: old } : {}),
      ...(added.length > 0 ? { "+address": added } : {}),
      ...(gone.length > 0 ? { "-address": gone } : {}),
    };
  }
  const node = (name: string): Record<string, unknown> => {
    const before = now.interfaces.get(name) === true;
    const after = staged === undefined ? before : staged.interfaces.get(name) === true;
    const address = name === "eth0" ? { address: "10.10.10.0/24" } : {};
    if (before === after) return before ? { ...address, disable: {} } : address;
    return { ...address, [after ? "+disable" : "-disable"]: {} };
  };
  if (path.length === 3) return node(path[2] ?? "");
  return { ethernet: Object.fromEntries([...now.interfaces.keys()].map((name) => [name, node(name)])) };
}
