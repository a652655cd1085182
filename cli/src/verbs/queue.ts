/**
 * `logwarden queue`: what waits in beanstalkd, what was buried and why, and another try for it.
 *
 * Every node is asked by itself: jobs live on one node, and there is no sum that hides which one. A node that cannot be
 * reached is a line of the answer and exit code 1; the others are shown all the same.
 */

import type { Connection, NodeAddress, TubeStats } from "@logwarden/queue";
import { adviceFor, buriedBecause } from "@logwarden/shared/failure";
import { columns } from "../output.ts";
import { type Answer, ask, exitCode, readNodes, requireTube, tubesOf, unlessGone } from "../queue/nodes.ts";
import { type Context, readArguments, suggestion, UsageError, type Verb } from "../verb.ts";

export const queue: Verb = {
  name: "queue",
  about: "the tubes of every queue node; buried jobs and why; another try for them",
  help: `logwarden queue [--queues LIST] [--json]
logwarden queue buried [TUBE] [--queues LIST] [--json]
logwarden queue kick TUBE [N] [--queues LIST] [--json]

  (no word)      every tube of every node: ready, reserved, delayed, buried, and how long it is still paused
  buried [TUBE]  the first buried job of each tube, with its body, why it was buried and what to do about it.
                 beanstalkd shows only the first of a tube: kick or delete it to see the next
  kick TUBE [N]  gives up to N buried jobs another try, all of them without N; mend what buried them first.
                 Delayed jobs are left alone

  --queues LIST  the nodes, HOST:PORT with commas between; LOGWARDEN_QUEUES unless given
  --json         one object: {"nodes": [...]}

Exit code 1 when a node could not be reached or there is no such tube.
`,
  run: async (args, context) => {
    const options = { queues: { type: "string" }, json: { type: "boolean" } } as const;
    const { values, positionals } = readArguments(args, options, 3);
    const [word, tube, count] = positionals;
    const nodes = readNodes(values.queues ?? context.environment["LOGWARDEN_QUEUES"]);
    const asJson = values.json === true;
    switch (word) {
      case undefined:
        return showTubes(nodes, asJson, context);
      case "buried":
        if (count !== undefined) throw new UsageError(`"${count}" is one word too many`);
        return showBuried(nodes, tube, asJson, context);
      case "kick":
        if (tube === undefined) throw new UsageError("expected the tube to kick");
        return kick(nodes, tube, count === undefined ? undefined : readCount(count), asJson, context);
      default:
        throw new UsageError(
          `no "queue ${word}"${suggestion(word, ["buried", "kick"]) || "; there are buried and kick"}`,
        );
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
