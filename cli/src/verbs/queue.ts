/**
 * `logwarden queue`: what waits in beanstalkd, what was buried and why, and another try for it.
 *
 * Every node is asked by itself: jobs live on one node, and there is no sum that hides which one. A node that cannot be
 * reached is a line of the answer and exit code 1; the others are shown all the same.
 */

import type { Connection, NodeAddress, TubeStats } from "@logwarden/queue";
import { adviceFor, buriedBecause } from "@logwarden/shared/failure";
import { z } from "zod";
import { columns } from "../output.ts";
import {
  type Answer,
  ask,
  exitCode,
  givenNodes,
  queuesOption,
  requireTube,
  tubesOf,
  unlessGone,
} from "../queue/nodes.ts";
import { type Context, jsonOption, knownWord, readArguments, UsageError, type Verb } from "../verb.ts";

const words = {
  tubes: "every tube of every node: ready, reserved, delayed, buried, how long it is still paused; this unless told",
  peek: "the next job of a tube that is ready, delayed or buried, without taking it",
  buried: "the first buried job of each tube, why it was buried, and what to do about it",
  kick: "gives up to N buried jobs of a tube another try, all of them without N",
};

const states = ["ready", "delayed", "buried"] as const;

const jobShape = { id: z.string(), body: z.string() };
const answers = <S extends z.ZodRawShape>(shape: S) => {
  const away = z.strictObject({ node: z.string(), error: z.string() });
  return z.array(z.union([z.strictObject({ node: z.string(), error: z.null(), ...shape }), away]));
};
const tubeShape = z.strictObject({
  ...{ name: z.string(), ready: z.number(), reserved: z.number(), delayed: z.number(), buried: z.number() },
  ...{ watching: z.number(), pausedSeconds: z.number() },
});
const buriedShape = z.strictObject({
  ...{ tube: z.string(), buried: z.number(), ...jobShape, reason: z.string().nullable(), advice: z.string() },
});
const shape = z.union([
  z.strictObject({
    nodes: answers({
      ...{ version: z.string(), draining: z.boolean(), tubes: z.array(tubeShape), skipped: z.array(z.string()) },
    }),
  }),
  z.strictObject({ nodes: answers({ jobs: z.array(buriedShape) }) }),
  z.strictObject({
    tube: z.string(),
    nodes: answers({ jobs: z.array(z.strictObject({ state: z.enum(states), ...jobShape })) }),
  }),
  z.strictObject({ tube: z.string(), nodes: answers({ kicked: z.number() }) }),
]);

const options = { ...queuesOption, ...jsonOption } as const;

export const queue: Verb = {
  name: "queue",
  about: "the tubes of every queue node; buried jobs and why; another try for them",
  usage: [
    "queue [tubes] [OPTIONS]",
    "queue peek TUBE [ready|delayed|buried] [OPTIONS]",
    "queue buried [TUBE] [OPTIONS]",
    "queue kick TUBE [N] [OPTIONS]",
  ],
  words,
  text: `Every node is asked by itself: a job lives on one. beanstalkd shows only the first job of a state: kick a buried one to see
the next, and mend what buried it first. A kick leaves delayed jobs alone: their wait has a reason.

Exit code 1 when a node could not be reached or there is no such tube.`,
  options,
  examples: [
    "logwarden queue",
    "logwarden queue peek logwarden.device.edge-1",
    "logwarden queue buried",
    "logwarden queue kick logwarden.device.edge-1 10",
  ],
  json: { shape },
  run: async (args, context) => {
    const { values, positionals } = readArguments(args, options, 3);
    const [first = "tubes", tube, last] = positionals;
    const nodes = givenNodes(values, context);
    const asJson = values.json === true;
    const tooMany = (word: string | undefined): void => {
      if (word !== undefined) throw new UsageError(`"${word}" is one word too many`);
    };
    const word = knownWord("queue", first, words);
    switch (word) {
      case "tubes":
        tooMany(tube);
        return showTubes(nodes, asJson, context);
      case "buried":
        tooMany(last);
        return showBuried(nodes, tube, asJson, context);
      case "peek":
        if (tube === undefined) throw new UsageError("expected the tube to look into");
        return peek(nodes, tube, last === undefined ? states : [readState(last)], asJson, context);
      case "kick":
        if (tube === undefined) throw new UsageError("expected the tube to kick");
        return kick(nodes, tube, last === undefined ? undefined : readCount(last), asJson, context);
    }
  },
};

/** More of a body than this says nothing to a person; --json has all of it. */
const bodyCharactersShown = 500;

async function showTubes(nodes: readonly NodeAddress[], asJson: boolean, { output }: Context): Promise<number> {
  const answers = await ask(nodes, async (connection) => {
    const { version, draining } = await connection.stats();
    const { tubes, skipped } = await tubesOf(connection);
    const rows = tubes.map((stats) => ({
      name: stats.name,
      ready: stats.currentJobsReady,
      reserved: stats.currentJobsReserved,
      delayed: stats.currentJobsDelayed,
      buried: stats.currentJobsBuried,
      watching: stats.currentWatching,
      pausedSeconds: stats.pause > 0 ? stats.pauseTimeLeft : 0,
    }));
    return { version, draining, tubes: rows, skipped };
  });
  if (asJson) await output.json({ nodes: answers });
  for (const answer of asJson ? [] : answers) {
    if (answer.error !== null) continue;
    await output.line(
      `${answer.node}, beanstalkd ${answer.version}${answer.draining ? ", DRAINING: takes no new jobs" : ""}`,
    );
    const rows = answer.tubes.map(({ name, ready, reserved, delayed, buried, pausedSeconds }) => [
      ...[name, ready, reserved, delayed, buried],
      pausedSeconds > 0 ? `paused for ${pausedSeconds} s` : "",
    ]);
    for (const line of columns([["tube", "ready", "reserved", "delayed", "buried"], ...rows])) await output.line(line);
    if (answer.skipped.length > 0)
      await output.line(`  not asked about, no names of ours: ${answer.skipped.join(", ")}`);
  }
  return exitCode(answers, output);
}

interface BuriedJob {
  tube: string;
  /** How many are buried in the tube, this one among them. */
  buried: number;
  id: string;
  body: string;
  reason: string | null;
  advice: string;
}

async function showBuried(
  nodes: readonly NodeAddress[],
  tube: string | undefined,
  asJson: boolean,
  { output }: Context,
): Promise<number> {
  let tubes: string[] = [];
  const answers = await ask(nodes, async (connection) => {
    const { tubes: all } = await tubesOf(connection);
    tubes = [...tubes, ...all.map(({ name }) => name)];
    const jobs: BuriedJob[] = [];
    for (const stats of all) {
      if (stats.currentJobsBuried === 0 || (tube !== undefined && stats.name !== tube)) continue;
      const job = await firstBuried(connection, stats);
      if (job !== undefined) jobs.push(job);
    }
    return { jobs };
  });
  const code = exitCode(answers, output);
  if (tube !== undefined) requireTube(tube, tubes, answers);
  if (asJson) await output.json({ nodes: answers });
  for (const answer of asJson ? [] : answers) {
    if (answer.error !== null) continue;
    if (answer.jobs.length === 0) await output.line(`${answer.node}: nothing is buried`);
    for (const { tube: name, buried, id, body, reason, advice } of answer.jobs) {
      await output.line(`${answer.node}  ${name}  job ${id}, the first of ${buried} buried`);
      await output.line(`  why   ${reason ?? "unknown"}: ${advice}`);
      await output.line(`  body  ${clip(body)}`);
    }
  }
  if (!asJson && answers.some((answer) => answer.error === null && answer.jobs.some(({ buried }) => buried > 1))) {
    await output.line("beanstalkd shows only the first buried job of a tube; kick or delete it to see the next.");
  }
  return code;
}

/** @returns undefined when somebody kicked or deleted it while we looked */
async function firstBuried(connection: Connection, stats: TubeStats): Promise<BuriedJob | undefined> {
  const job = await connection.peekBuried(stats.name);
  if (job === undefined) return undefined;
  const details = await unlessGone(connection.statsJob(job.id));
  if (details === undefined) return undefined;
  const reason = buriedBecause(details.pri) ?? null;
  return {
    ...{ tube: stats.name, buried: stats.currentJobsBuried, id: job.id, body: job.body.toString("utf8"), reason },
    advice: reason === null ? "Not buried by a responder of ours; its priority names no reason." : adviceFor(reason),
  };
}

async function peek(
  nodes: readonly NodeAddress[],
  tube: string,
  wanted: readonly (typeof states)[number][],
  asJson: boolean,
  { output }: Context,
): Promise<number> {
  let tubes: string[] = [];
  const answers = await ask(nodes, async (connection) => {
    tubes = [...tubes, ...(await connection.listTubes())];
    const ask = {
      ready: () => connection.peekReady(tube),
      delayed: () => connection.peekDelayed(tube),
      buried: () => connection.peekBuried(tube),
    };
    const found = await Promise.all(wanted.map(async (state) => ({ state, job: await ask[state]() })));
    const jobs = found.flatMap(({ state, job }) =>
      job === undefined ? [] : [{ state, id: job.id, body: job.body.toString("utf8") }],
    );
    return { jobs };
  });
  const code = exitCode(answers, output);
  requireTube(tube, tubes, answers);
  if (asJson) await output.json({ tube, nodes: answers });
  for (const answer of asJson ? [] : answers) {
    if (answer.error !== null) continue;
    if (answer.jobs.length === 0) await output.line(`${answer.node}: nothing is ${wanted.join(", ")}`);
    for (const { state, id, body } of answer.jobs)
      await output.line(
        `${answer.node}  job ${id}, ${state === "buried" ? "the first buried" : `the next ${state}`}  ${clip(body)}`,
      );
  }
  return code;
}

function readState(word: string): (typeof states)[number] {
  const state = states.find((one) => one === word);
  if (state !== undefined) return state;
  throw new UsageError(`expected ready, delayed or buried, got "${word}"`);
}

async function kick(
  nodes: readonly NodeAddress[],
  tube: string,
  wanted: number | undefined,
  asJson: boolean,
  { output }: Context,
): Promise<number> {
  let tubes: string[] = [];
  let left = wanted ?? Number.MAX_SAFE_INTEGER;
  const answers: Answer<{ kicked: number }>[] = [];
  // One node after the other: N is for all of them together.
  for (const node of nodes) {
    const [answer] = await ask([node], async (connection) => {
      const { tubes: all } = await tubesOf(connection);
      tubes = [...tubes, ...all.map(({ name }) => name)];
      const buried = all.find(({ name }) => name === tube)?.currentJobsBuried ?? 0;
      // Where nothing is buried, beanstalkd's kick would make delayed jobs ready: their wait has a reason.
      const bound = Math.min(buried, left);
      const kicked = bound === 0 ? 0 : await connection.kick(tube, bound);
      left -= kicked;
      return { kicked };
    });
    if (answer !== undefined) answers.push(answer);
  }
  const code = exitCode(answers, output);
  requireTube(tube, tubes, answers);
  if (asJson) await output.json({ tube, nodes: answers });
  for (const answer of asJson ? [] : answers) {
    if (answer.error === null) await output.line(`${answer.node}: ${answer.kicked} of ${tube} kicked`);
  }
  return code;
}

function readCount(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new UsageError(`expected how many jobs to kick, a whole number from 1, got "${text}"`);
}

function clip(body: string): string {
  return body.length <= bodyCharactersShown
    ? body
    : `${body.slice(0, bodyCharactersShown)}… (${body.length} characters; --json has all)`;
}
