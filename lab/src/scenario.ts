/**
 * A scenario: what is played on a network, what is waited for, and what must be true in the end.
 */

import { readFileSync } from "node:fs";
import { Connection, parseNodeAddress } from "@logwarden/queue";
import { createClient, disableOp, groupPath, type Outcome, type VyosClient } from "@logwarden/vyos";
import { isDeepStrictEqual } from "node:util";
import type { Network } from "./network.ts";
import type { RouterRequest } from "./parts/router.ts";

/** What a scenario can do and see; routers are asked as anybody would ask them, over their API. */
export interface Play {
  /** A program of a router logs a line, through its rsyslogd. */
  log(router: string, priority: string, tag: string, text: string): Promise<void>;
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

/** A step that takes longer than this will never end: a commit takes a second, a lost answer a few. */
const stepSecondsMax = 60;

/**
 * Plays the steps one after the other, waits until the queue is empty, and judges.
 * @returns undefined when the signal ended it before there was anything to judge
 */
export async function playScenario(
  scenario: Scenario,
  play: Play,
  onStep: (step: Step, number: number) => void,
  signal: AbortSignal,
): Promise<Finding[] | undefined> {
  for (const [index, step] of scenario.steps.entries()) {
    onStep(step, index + 1);
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
  const simulated = (router: string) => network.routers.find(({ name }) => name === router);
  const play: Play = {
    log: async (router, priority, tag, text) => {
      onLine(router, tag, text);
      const rsyslogd = network.rsyslogds[network.devices.findIndex(({ name }) => name === router)];
      await rsyslogd?.log(priority, tag, text);
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
    await Promise.all(queues.map((queue) => queue.close()));
  };
  return { play, close };
}

/** A router that cannot be read now (a commit is open) is read again: undefined. */
function value<T>(outcome: Outcome<T>): T | undefined {
  return outcome.kind === "done" ? outcome.data : undefined;
}
