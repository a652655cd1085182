/**
 * What may happen to the system. Each fault ends what it began: when its act has ended, every part runs again.
 *
 * `lostMax` is what may be lost on the way in, at the rate of the stream: rsyslog over TCP has no acknowledgement, so what the
 * kernels' buffers hold when a path vanishes, or a parser that hangs has taken, is gone. The numbers are those measured with
 * real parts before (rsyslog 8.2302, 500 lines/s), as the seconds of stream or the bytes that they were.
 */

import { rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Connection, parseNodeAddress } from "@logwarden/queue";
import { until } from "@logwarden/lab/parts/until";
import type { Judge } from "./judge.ts";
import type { Random } from "../random.ts";
import { linesPerSecond, type Stream } from "./stream.ts";
import { leaseMs, parsersMax, type System, type Unit, type UnitKind } from "./system.ts";

export interface Scene {
  system: System;
  stream: Stream;
  judge: Judge;
  random: Random;
  /** How long the fault lasts before it is healed. */
  holdMs: number;
  /** A promise of this fault alone that is not kept. */
  complain: (what: string) => void;
}

export interface FaultKind {
  name: string;
  /** Needs two balancers whose addresses move. */
  pair: boolean;
  /** Only when named: it takes long. */
  rare?: boolean;
  lostMax: number;
  /** @returns what it was done to */
  act(scene: Scene): Promise<string>;
}

/** Several seconds of the whole stream. */
const seconds = (count: number): number => Math.ceil(count * linesPerSecond);
/**
 * What is written to a process that was killed until the kernel has closed its sockets, and so until its peer can know: it frees
 * the process's memory first, 8 ms for a parser on an idle machine. On two busy processors a Node of ours took 30 to 100 ms to
 * go, and just those lines that were written before HAProxy's "SD" were lost.
 */
const dyingSeconds = 0.25;
const inHand = seconds(dyingSeconds);
/** A second worker of one keeper is at work after half a second; on two busy processors several. */
const replacedWithinMs = 20_000;
/** A socket's send queue, 64 KiB of 145-byte lines, of each of three edges; a slow sender never fills it. */
const sendQueue = Math.min(3 * 430, seconds(7));

function life(kind: UnitKind, lost: { kill: number; stop: number; term: number }, pair = false): FaultKind[] {
  const one = ({ system, random }: Scene): Unit => random.pick(kind === "parser" ? system.parsers : system.of(kind));
  return [
    {
      ...{ name: `${kind}.kill`, pair, lostMax: lost.kill },
      act: async (scene) => {
        const unit = one(scene);
        await killed(scene.system, unit);
        await sleep(scene.holdMs);
        await unit.start();
        return unit.name;
      },
    },
    {
      ...{ name: `${kind}.stop`, pair, lostMax: lost.stop },
      act: async (scene) => {
        const unit = one(scene);
        unit.signal("SIGSTOP");
        await sleep(scene.holdMs);
        unit.signal("SIGCONT");
        return unit.name;
      },
    },
    {
      ...{ name: `${kind}.term`, pair, lostMax: lost.term },
      act: async (scene) => {
        const unit = one(scene);
        await asked(scene, unit);
        await sleep(scene.holdMs);
        await unit.start();
        return unit.name;
      },
    },
  ];
}

async function killed(system: System, unit: Unit): Promise<void> {
  const life = system.lifeOf(unit);
  if (life !== undefined) life.ended = "killed";
  await unit.kill();
}

async function asked({ system, complain }: Scene, unit: Unit): Promise<void> {
  const life = system.lifeOf(unit);
  if (life !== undefined) life.ended = "asked";
  const code = await unit.terminate();
  // What drains must say that nothing was cut.
  if (/parser|responder/.test(unit.kind) && code !== 0) complain(`${unit.name}, asked to stop, ended with ${code}`);
}

/** Mostly the one that has the addresses. */
function aBalancer({ system, random }: Scene): string {
  const has = system.holder();
  return has !== undefined && random.next() < 0.75 ? has : random.pick(system.balancers);
}

export const faultKinds: readonly FaultKind[] = [
  // A hang of 3 s lost 1487 of 500/s: all that was sent to it until its checks had failed.
  // Both of its processes at once, as when a container is killed.
  ...life("parser", { kill: inHand, stop: seconds(4), term: 0 }),
  {
    // The process that receives: its keeper has the connections.
    ...{ name: "worker.kill", pair: false, lostMax: 0 },
    act: async ({ system, random }) => {
      const unit = random.pick(system.parsers);
      const life = system.lifeOf(unit);
      const replaced = (): number => life?.log.filter(({ event }) => event === "worker.replaced").length ?? 0;
      const before = replaced();
      if (life !== undefined) life.replaced = true;
      process.kill(unit.worker, "SIGKILL");
      await until("another worker is at work", () => replaced() > before, replacedWithinMs);
      return unit.name;
    },
  },
  {
    // The process that keeps them: the worker drains, and both are started anew.
    ...{ name: "keeper.kill", pair: false, lostMax: 0 },
    act: async ({ system, random, holdMs }) => {
      const unit = random.pick(system.parsers);
      unit.tell("SIGKILL");
      await unit.ended;
      await sleep(holdMs);
      await unit.start();
      return unit.name;
    },
  },
  ...life("responder", { kill: 0, stop: 0, term: 0 }),
  ...life("queue", { kill: 0, stop: 0, term: 0 }),
  ...life("router", { kill: 0, stop: 0, term: 0 }),
  ...life("haproxy", { kill: inHand, stop: sendQueue, term: inHand }),
  // 317 at 500/s: the address is gone before the sender is told. Killed, it leaves the addresses on two nodes.
  ...life("keepalived", { kill: sendQueue, stop: sendQueue, term: sendQueue }, true),
  {
    ...{ name: "haproxy.reload", pair: false, lostMax: 0 },
    act: async (scene) => {
      const name = aBalancer(scene);
      await scene.system.reload([name]);
      return name;
    },
  },
  {
    ...{ name: "balancer.cut", pair: true, lostMax: sendQueue },
    act: async (scene) => {
      const name = aBalancer(scene);
      scene.system.network?.unlink(name);
      await sleep(scene.holdMs);
      scene.system.network?.link(name);
      return name;
    },
  },
  {
    // The card itself goes, and another one comes: a container's network, a virtual machine's adapter. keepalived 2.2.7 alone would
    // say BACKUP and never take over any more (its issue 1847): whoever starts it must start it again with the card.
    ...{ name: "balancer.card", pair: true, lostMax: sendQueue },
    act: async (scene) => {
      const { system, holdMs } = scene;
      const name = aBalancer(scene);
      system.network?.pullOut(name);
      await sleep(holdMs);
      system.plugIn(name);
      const keepalived = system.unit(`keepalived of ${name}`);
      await keepalived.terminate();
      await keepalived.start();
      return name;
    },
  },
  {
    ...{ name: "balancer.isolate", pair: true, lostMax: sendQueue },
    act: async (scene) => {
      const name = aBalancer(scene);
      scene.system.network?.deafen(name);
      await sleep(scene.holdMs);
      scene.system.network?.hear(name);
      return name;
    },
  },
  {
    ...{ name: "balancer.kill", pair: true, lostMax: sendQueue },
    act: async (scene) => {
      const { system } = scene;
      const name = system.holder() ?? aBalancer(scene);
      system.network?.pullOut(name);
      const units = [system.unit(`keepalived of ${name}`), system.unit(`haproxy of ${name}`)];
      for (const unit of units) unit.signal("SIGKILL");
      for (const unit of units) await unit.kill();
      await sleep(scene.holdMs);
      system.plugIn(name);
      for (const unit of units.reverse()) await unit.start();
      return name;
    },
  },
  {
    ...{ name: "queue.drain", pair: false, lostMax: 0 },
    act: async (scene) => {
      const unit = scene.random.pick(scene.system.of("queue"));
      unit.tell("SIGUSR1");
      await sleep(scene.holdMs);
      // A drain has no other end.
      await unit.terminate();
      await unit.start();
      return unit.name;
    },
  },
  {
    // A small disk of its own is mounted where the suite has a mount namespace of its own: beside the pair.
    ...{ name: "queue.full", pair: true, lostMax: 0 },
    act: async ({ system, random, holdMs }) => {
      const at = random.pick([0, 1]);
      const filler = `${system.queueDirectory(at)}/filler`;
      fill(filler);
      const connection = await Connection.open(parseNodeAddress(system.queueAddresses[at] ?? ""));
      // What its present file still holds is taken as well.
      for (let refused = false; !refused; ) {
        refused = await connection.put("chaos.filler", Buffer.alloc(4000)).then(
          () => false,
          () => true,
        );
      }
      await sleep(holdMs);
      rmSync(filler);
      await connection.watchOnly(["chaos.filler"]);
      for (;;) {
        const job = await connection.reserve(0);
        if (job.kind !== "job") break;
        await connection.delete(job.id);
      }
      await connection.close();
      return `queue-${at + 1}`;
    },
  },
  {
    ...{ name: "queues.down", pair: false, lostMax: 0 },
    act: async ({ system, holdMs }) => {
      const all = system.of("queue");
      await Promise.all(all.map((unit) => unit.kill()));
      await sleep(holdMs);
      await Promise.all(all.map((unit) => unit.start()));
      return "both";
    },
  },
  {
    ...{ name: "parser.up", pair: false, lostMax: 0 },
    act: ({ system }) => (system.parsers.length < parsersMax ? system.scaleUp() : system.scaleDown()),
  },
  {
    ...{ name: "parser.down", pair: false, lostMax: 0 },
    act: ({ system }) => (system.parsers.length > 2 ? system.scaleDown() : system.scaleUp()),
  },
  {
    // Killed between a request for a change and its answer: another one does it, within the lease's time.
    ...{ name: "responder.commit", pair: false, lostMax: 0 },
    act: async (scene) => {
      const { system, stream, random, complain } = scene;
      const edge = random.pick(system.edges);
      await edge.router.inject({ kind: "slow", ms: 1500, times: 1, endpoint: "/configure" });
      const before = edge.router.requests.length;
      const line = stream.send(edge, "login");
      await until(
        "a commit runs",
        () => edge.router.requests.slice(before).some(({ endpoint }) => endpoint === "/configure"),
        10_000,
      );
      const owner = ownerOf(system, edge.name);
      if (owner === undefined) return `nobody works for ${edge.name}`;
      const [firstAt, owners] = [Date.now(), edge.router.requests.length];
      await killed(system, owner);
      await until(
        "another one writes to the router",
        () => edge.router.requests.slice(owners).some(({ endpoint }) => endpoint === "/config-file"),
        20_000,
      );
      const tookMs = Date.now() - firstAt;
      // Silent for a lease, seen at a beat, and then a commit: the one that still ran, and its own.
      const limitMs = leaseMs + leaseMs / 4 + 4000;
      if (tookMs > limitMs) complain(`${edge.name} was saved by another responder after ${tookMs} ms, not ${limitMs}`);
      await owner.start();
      return `${owner.name}, in a commit of ${edge.name} (line ${line.n}); saved by another after ${tookMs} ms`;
    },
  },
  {
    ...{ name: "services.roll", pair: false, rare: true, lostMax: 0 },
    act: async (scene) => {
      for (const unit of [...scene.system.parsers, ...scene.system.of("responder")]) {
        await asked(scene, unit);
        await unit.start();
        await scene.system.healthy();
      }
      return "every parser and responder";
    },
  },
  {
    ...{ name: "parsers.double", pair: false, rare: true, lostMax: 0 },
    act: async (scene) => {
      const { system, complain } = scene;
      const { connectionAgeMs } = system.options;
      while (system.parsers.length > 2) await system.scaleDown();
      const added = [await system.scaleUp(), await system.scaleUp()];
      await system.healthy();
      const startedAt = Date.now();
      // The balancers have read their files again, so none of the four has a connection in their eyes: the three edges' next ones, within
      // their age and a fifth, go to three of them, and the fourth gets the first that ends after that.
      const limitMs = 2 * 1.2 * connectionAgeMs + 2000;
      const working = (name: string): boolean =>
        system.lifeOf(system.unit(name))?.log.some(({ event }) => event === "line.received") === true;
      await until(`lines at ${added.join(" and ")}`, () => added.every(working), limitMs).catch((error: Error) =>
        complain(error.message),
      );
      return `${added.join(" and ")} at work after ${Date.now() - startedAt} ms, connections end after ${connectionAgeMs}`;
    },
  },
];

/** Writes until the disk has no room left. */
function fill(path: string): void {
  for (let size = 1 << 20; size >= 512; size >>= 1) {
    for (let full = false; !full; ) {
      try {
        writeFileSync(path, Buffer.alloc(size), { flag: "a" });
      } catch {
        full = true;
      }
    }
  }
}

/** Which responder works for a device: services/responder/src/main.ts names itself by host and process. */
function ownerOf(system: System, device: string): Unit | undefined {
  return system.of("responder").find((unit) => {
    const log = system.lifeOf(unit)?.log ?? [];
    const last = log.findLast((line) => /^lease\.(taken|given)$/.test(line.event) && line["device"] === device);
    return last?.event === "lease.taken";
  });
}
