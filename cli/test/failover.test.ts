/**
 * Two balancers as production has them, on a network of namespaces: the files that the command renders, real HAProxy and
 * keepalived on both, a real parser and a real beanstalkd behind, and somebody outside who knocks every 20 ms.
 *
 *   outside ──▶ 10.10.10.10 ┐        ┌─▶ parser-1  ┐
 *           ──▶ 10.10.10.20 ┴─ lb-1  │             ├ all on `outside` too: nobody touches them
 *                              lb-2 ─┴─▶ queue-1   ┘
 *
 * One story, because its state is what it is about: who has the addresses, and who had them.
 */

import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Namespaces, namespacesRefused } from "@logwarden/lab/parts/namespaces";
import { Program } from "@logwarden/lab/parts/program";
import { root } from "@logwarden/lab/parts/service";
import { until } from "@logwarden/lab/parts/until";
import { inventory } from "./topologies.ts";
import { logwarden, ownDirectory } from "./command.ts";

const refused = namespacesRefused();
const describeWhereAllowed = refused === undefined ? describe : describe.skip;
if (refused !== undefined) process.stderr.write(`skipped, no network namespaces here: ${refused}\n`);

const virtual = { syslog: "10.10.10.10", queue: "10.10.10.20" };
const balancers = {
  "lb-1": { address: "10.10.10.11", interface: "eth0" },
  "lb-2": { address: "10.10.10.12", interface: "eth0" },
};
type Name = keyof typeof balancers;
const names = Object.keys(balancers) as Name[];

interface Knock {
  door: "syslog" | "queue";
  startedAtMs: number;
  heardAtMs: number;
}

/** A balancer is these two programs, and its card. */
interface Balancer {
  haproxy: Program;
  keepalived: Program;
  /** What keepalived has said. */
  words: string[];
}

describeWhereAllowed(`two balancers${refused === undefined ? "" : ` (skipped: ${refused})`}`, () => {
  const directory = ownDirectory();
  let network: Namespaces;
  const running = {} as Record<Name, Balancer>;
  const others: Program[] = [];
  const knocks: Knock[] = [];
  let stallMsMax = 0;

  const run = (
    machine: string,
    name: string,
    command: readonly string[],
    env: Record<string, string> = {},
    onLine?: (line: string) => void,
  ) =>
    Program.start({
      name,
      command: "ip",
      args: [...network.on(machine), ...command],
      env,
      ...(onLine === undefined ? {} : { onLine }),
    });

  const startHaproxy = (name: Name): Promise<Program> =>
    run(name, `haproxy of ${name}`, ["haproxy", "-W", "-db", "-f", `${directory}/${name}.cfg`]);

  let starts = 0;
  const startKeepalived = (name: Name, words: string[]): Promise<Program> => {
    // A new name each time, as after a reboot: /run is empty then. Beside a file of one that was killed, and whose number is
    // somebody else's now, keepalived says "daemon is already running".
    const pid = `${directory}/${name}-${++starts}`;
    return run(
      name,
      `keepalived of ${name}`,
      [
        ...[
          "keepalived",
          "--dont-fork",
          "--log-console",
          "--log-detail",
          "--vrrp",
          "--use-file",
          `${directory}/${name}.conf`,
        ],
        ...["--pid", `${pid}.pid`, "--vrrp_pid", `${pid}-vrrp.pid`],
      ],
      {},
      (line) => words.push(line),
    );
  };

  /** In keepalived's own words: MASTER, BACKUP or FAULT. */
  const stateOf = (name: Name): string | undefined =>
    running[name].words.flatMap((line) => /Entering (\w+) STATE/.exec(line)?.[1] ?? []).at(-1);

  /** Who has both addresses; undefined while nobody does, or while they are not together. */
  const holder = (): Name | undefined => {
    const having = names.filter((name) => {
      const has = network.addressesOf(name);
      return has.includes(virtual.syslog) && has.includes(virtual.queue);
    });
    return having.length === 1 ? having[0] : undefined;
  };

  /**
   * How long nobody was there, at the door that was longer closed: from before the act until the first knock that was heard
   * of those that began after it.
   */
  async function outageMs(act: () => void): Promise<number> {
    stallMsMax = 0;
    const beganAtMs = Date.now();
    act();
    const doneAtMs = Date.now();
    const heard = (door: string): Knock | undefined =>
      knocks.find((knock) => knock.door === door && knock.startedAtMs > doneAtMs);
    await until("both doors open again", () => heard("syslog") !== undefined && heard("queue") !== undefined);
    return Math.max(...["syslog", "queue"].map((door) => (heard(door)?.heardAtMs ?? 0) - beganAtMs));
  }

  const killAll = (program: Program): void => {
    // The whole group: HAProxy's worker would serve on for a moment, keepalived's child would keep the addresses.
    process.kill(-program.pid, "SIGKILL");
  };

  /** Three seconds of knocks heard: somebody who wants the addresses back would have had them after three adverts, 0.75 s. */
  async function knocksHeard(): Promise<void> {
    const wanted = knocks.length + 300;
    await until("300 knocks more", () => knocks.length >= wanted);
  }

  const other = (name: Name): Name => (name === "lb-1" ? "lb-2" : "lb-1");
  const report = (what: string, ms: number): void => {
    process.stderr.write(
      `      ${what}: ${ms} ms${stallMsMax > 0 ? ` (the machine stalled for ${stallMsMax} ms)` : ""}\n`,
    );
  };

  beforeAll(async () => {
    network = new Namespaces("ha");
    network.addMachine("outside", ["10.10.10.200/24", "10.10.10.111/24", "10.10.10.121/24"]);
    for (const name of names) {
      network.addMachine(name, [`${balancers[name].address}/24`]);
      // Two HAProxys in one file system: each needs a socket of its own. All else is one file, as in production.
      const config = `${directory}/${name}.yaml`;
      const topology = {
        ...{ balancers, virtual },
        parsers: { "parser-1": { address: "10.10.10.111" } },
        queues: { "queue-1": { address: "10.10.10.121" } },
        sources: { queue: ["10.10.10.200"] },
        limits: { sourceConnections: 4000, sourceConnectionsPer10s: 1_000_000 },
        haproxy: { user: "off", socket: `${directory}/${name}.sock` },
      };
      writeFileSync(config, inventory(topology, "10.10.10.200"));
      for (const [verb, ending] of [
        ["haproxy", "cfg"],
        ["keepalived", "conf"],
      ] as const) {
        const node = verb === "keepalived" ? ["--node", name] : [];
        const output = `${directory}/${name}.${ending}`;
        expect(await logwarden([verb, "render", ...node, "--config", config, "--output", output])).toMatchObject({
          code: 0,
        });
      }
    }
    others.push(await run("outside", "beanstalkd", ["beanstalkd", "-l", "10.10.10.121", "-p", "11300"]));
    const parser = await run("outside", "parser", [process.execPath, `${root}services/parser/src/main.ts`], {
      LOGWARDEN_CONFIG: `${directory}/lb-1.yaml`,
      LOGWARDEN_QUEUES: "10.10.10.121:11300",
      LOGWARDEN_TRUSTED_PROXIES: "10.10.10.11,10.10.10.12",
      LOGWARDEN_LISTEN: "10.10.10.111:10514",
      LOGWARDEN_STATUS_LISTEN: "10.10.10.111:8080",
    });
    others.push(parser);
    await parser.line((line) => line.includes("service.started"));
    for (const name of names) {
      const words: string[] = [];
      running[name] = { haproxy: await startHaproxy(name), keepalived: await startKeepalived(name, words), words };
    }
    others.push(
      await run(
        "outside",
        "prober",
        [process.execPath, `${root}cli/test/prober.ts`, `${virtual.syslog}:10514`, `${virtual.queue}:11300`],
        {},
        (line) => {
          const fact = JSON.parse(line) as Knock | { stall: number };
          if ("stall" in fact) stallMsMax = Math.max(stallMsMax, fact.stall);
          else knocks.push(fact);
        },
      ),
    );
    await until("the first knocks heard", () =>
      ["syslog", "queue"].every((door) => knocks.some((one) => one.door === door)),
    );
  });

  afterAll(async () => {
    for (const { haproxy, keepalived } of Object.values(running)) {
      if (keepalived.running) await keepalived.stop();
      if (haproxy.running) await haproxy.stop();
    }
    // Not asked to stop: the parser would take its time for senders that are gone.
    for (const program of others.reverse()) await program.kill();
    network.close();
  });

  /** Who has the addresses at this point of the story. */
  let first: Name;

  test("one of them has both addresses, and the other has none", async () => {
    await until("one holder", () => holder() !== undefined);
    first = holder() as Name;
    // It has seen its own HAProxy answer: from now on it could take over.
    await until("the other one ready", () => stateOf(other(first)) === "BACKUP");
    expect(holder()).toBe(first);
    expect(network.addressesOf(other(first))).toEqual([balancers[other(first)].address]);
  });

  test("HAProxy killed: both addresses are on the other one within a second", async () => {
    const ms = await outageMs(() => killAll(running[first].haproxy));
    report("HAProxy killed", ms);
    expect(holder()).toBe(other(first));
    expect(ms).toBeLessThan(1000 + stallMsMax);
  });

  test("HAProxy back: its keepalived sees it, and leaves the addresses where they are", async () => {
    await until("FAULT", () => stateOf(first) === "FAULT");
    running[first].haproxy = await startHaproxy(first);
    await until("BACKUP again", () => stateOf(first) === "BACKUP");
    await knocksHeard();
    expect(holder()).toBe(other(first));
  });

  test("HAProxy that hangs: the addresses go to the one that answers", async () => {
    const hung = other(first);
    const ms = await outageMs(() => process.kill(-running[hung].haproxy.pid, "SIGSTOP"));
    report("HAProxy hung", ms);
    expect(holder()).toBe(first);
    await until("FAULT", () => stateOf(hung) === "FAULT");
    process.kill(-running[hung].haproxy.pid, "SIGCONT");
    await until("BACKUP again", () => stateOf(hung) === "BACKUP");
    await knocksHeard();
    expect(holder()).toBe(first);
  });

  test("a reload of HAProxy moves nothing", async () => {
    const { words, haproxy } = running[first];
    const before = words.length;
    haproxy.signal("SIGUSR2");
    await haproxy.line((line) => line.includes("Loading success") && haproxy.running);
    await knocksHeard();
    expect(holder()).toBe(first);
    expect(words.slice(before).filter((line) => line.includes("STATE"))).toEqual([]);
  });

  test("the whole balancer gone: both addresses are on the other one within a second", async () => {
    const gone = running[first];
    const ms = await outageMs(() => {
      network.pullOut(first);
      killAll(gone.keepalived);
      killAll(gone.haproxy);
    });
    report("balancer gone", ms);
    expect(holder()).toBe(other(first));
    expect(ms).toBeLessThan(1000 + stallMsMax);
  });

  test("the balancer back, with its higher priority: the addresses stay", async () => {
    network.plugIn(first, [`${balancers[first].address}/24`]);
    const words: string[] = [];
    running[first] = { haproxy: await startHaproxy(first), keepalived: await startKeepalived(first, words), words };
    await until("BACKUP", () => stateOf(first) === "BACKUP");
    await knocksHeard();
    expect(holder()).toBe(other(first));
  });
});
