/**
 * A scenario: what is played on a network, what is waited for, and what must be true in the end.
 */

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { Connection, parseNodeAddress, Producer } from "@logwarden/queue";
import { addressOp, createClient, disableOp, groupPath, type Outcome, type VyosClient } from "@logwarden/vyos";
import { isDeepStrictEqual } from "node:util";
import type { Network } from "./network.ts";
import type { RouterPart, RouterRequest } from "./parts/router.ts";
import type { LogLine } from "./parts/service.ts";

/** What a scenario can do and see; routers are asked as anybody would ask them, over their API. */
export interface Play {
  /** A program of a router logs a line, through its rsyslogd. */
  log(router: string, priority: string, tag: string, text: string): Promise<void>;
  /** A person asks for something, as the command line does: a task into the door that knows no device. */
  ask(task: { type: "ban" | "unban"; address: string; for?: number; reason?: string }): Promise<void>;
  /** A person puts an address into the router's group, at the router itself, and saves. */
  banByHand(router: string, address: string): Promise<void>;
  /** Only a simulated router can be switched. It boots from what it had saved. */
  switchOff(router: string): Promise<void>;
  switchOn(router: string): Promise<void>;
  /** What the services said so far. */
  said(event: string, test?: (line: LogLine) => boolean): LogLine[];
  /** What they said since the step began. */
  news(event: string, test?: (line: LogLine) => boolean): LogLine[];
  /** A step begins. */
  turn(): void;
  members(router: string, family: 4 | 6): Promise<string[]>;
  disabled(router: string, interfaceName: string): Promise<boolean>;
  /** Whether what the router runs is what it has saved; only a simulated one can tell. */
  saved(router: string): Promise<boolean>;
  requests(router: string): readonly RouterRequest[];
  /** Jobs in all tubes of all nodes. */
  queued(): Promise<number>;
  real(router: string): boolean;
}

export interface Step {
  says: string;
  play(play: Play): Promise<void>;
  /** The fact that ends the step. */
  until(play: Play): Promise<boolean>;
}

export interface Finding {
  belief: string;
  holds: boolean;
}

export interface Scenario {
  name: string;
  steps: readonly Step[];
  judge(play: Play): Promise<Finding[]>;
}

/** People come before whatever logs say. */
const askPriority = 100;
/** A step that takes longer than this will never end: a commit takes a second, a lost answer a few. */
const stepSecondsMax = 60;

/**
 * Plays the steps one after the other, waits until the queue is empty, and judges.
 * @returns undefined when the signal ended it before there was anything to judge
 */
export async function playScenario(
  scenario: Scenario,
  play: Play,
  onStep: (step: Step) => void,
  signal: AbortSignal,
): Promise<Finding[] | undefined> {
  for (const step of scenario.steps) {
    onStep(step);
    play.turn();
    await step.play(play);
    const isTrue = await becomesTrue(() => step.until(play), signal);
    if (signal.aborted) return undefined;
    if (!isTrue) {
      return [{ belief: `"${step.says}" had its effect within ${stepSecondsMax} s`, holds: false }];
    }
  }
  // The effect is seen before the save and the delete that follow it.
  await becomesTrue(async () => (await play.queued()) === 0, signal);
  if (signal.aborted) return undefined;
  return scenario.judge(play);
}

async function becomesTrue(fact: () => Promise<boolean>, signal: AbortSignal): Promise<boolean> {
  const giveUpAtMs = performance.now() + stepSecondsMax * 1000;
  while (performance.now() < giveUpAtMs && !signal.aborted) {
    if (await fact()) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

/** Opens the play on a network: clients of its routers, connections to its queues. */
export async function openPlay(
  network: Network,
  onLine: (router: string, tag: string, text: string) => void,
): Promise<{ play: Play; close: () => Promise<void> }> {
  const clients = new Map<string, VyosClient>();
  for (const { name, url, keyFile, fingerprint } of network.apis) {
    clients.set(name, createClient({ url, key: readFileSync(keyFile, "utf8").trim(), trust: { fingerprint } }));
  }
  const queues = await Promise.all(network.queues.map(({ address }) => Connection.open(parseNodeAddress(address))));
  const client = (router: string): VyosClient => {
    const known = clients.get(router);
    if (known === undefined) throw new Error(`no router ${router} in this network`);
    return known;
  };
  const producer = new Producer({ nodes: network.queues.map(({ address }) => parseNodeAddress(address)) });
  const services = [...network.parsers, ...network.responders];
  let heard = services.map(() => 0);
  const simulated = (router: string) => network.routers.find(({ name }) => name === router);
  const switchable = (router: string): RouterPart => {
    const known = simulated(router);
    if (known === undefined) throw new Error(`${router} is none of the lab's own`);
    return known;
  };
  const play: Play = {
    log: async (router, priority, tag, text) => {
      onLine(router, tag, text);
      const rsyslogd = network.rsyslogds[network.devices.findIndex(({ name }) => name === router)];
      await rsyslogd?.log(priority, tag, text);
    },
    ask: async (task) => {
      onLine("operator", task.type, task.for === undefined ? task.address : `${task.address} for ${task.for} s`);
      const body = JSON.stringify({ v: 1, id: randomUUID(), at: new Date().toISOString(), by: "operator", ...task });
      await producer.put("logwarden.intake", body, { priority: askPriority, ttrSeconds: 120 });
    },
    banByHand: async (router, address) => {
      onLine("operator", router, `set firewall group address-group BAD_GUYS address ${address}; commit; save`);
      const outcomes = [
        await client(router).configure([addressOp("set", 4, "BAD_GUYS", address)]),
        await client(router).save(),
      ];
      for (const outcome of outcomes) {
        if (outcome.kind !== "done")
          throw new Error(`${router} takes no ban by hand: ${outcome.kind}: ${outcome.text}`);
      }
    },
    switchOff: async (router) => {
      onLine("operator", router, "switched off");
      await switchable(router).stop();
    },
    switchOn: async (router) => {
      onLine("operator", router, "switched on");
      await switchable(router).start();
    },
    said: (event, test = () => true) =>
      services.flatMap(({ log }) => log.filter((line) => line.event === event && test(line))),
    news: (event, test = () => true) =>
      services.flatMap(({ log }, index) =>
        log.slice(heard[index]).filter((line) => line.event === event && test(line)),
      ),
    turn: () => {
      heard = services.map(({ log }) => log.length);
    },
    members: async (router, family) => value(await client(router).returnValues(groupPath(family, "BAD_GUYS"))) ?? [],
    disabled: async (router, name) => {
      const path = disableOp("set", name)?.path ?? [];
      return value(await client(router).exists(path)) ?? false;
    },
    saved: async (router) => {
      const state = await simulated(router)?.state();
      return state !== undefined && isDeepStrictEqual(state.active, state.saved);
    },
    requests: (router) => simulated(router)?.requests ?? [],
    queued: async () => {
      const stats = await Promise.all(queues.map((queue) => queue.stats()));
      return stats
        .flatMap((one) => [
          one.currentJobsReady,
          one.currentJobsReserved,
          one.currentJobsDelayed,
          one.currentJobsBuried,
        ])
        .reduce((sum, count) => sum + count, 0);
    },
    real: (router) => simulated(router) === undefined,
  };
  const close = async (): Promise<void> => {
    for (const one of clients.values()) one.close();
    await producer.close(0);
    await Promise.all(queues.map((queue) => queue.close()));
  };
  return { play, close };
}

/** A router that cannot be read now (a commit is open) is read again: undefined. */
function value<T>(outcome: Outcome<T>): T | undefined {
  return outcome.kind === "done" ? outcome.data : undefined;
}
