/**
 * What waits in the queue, for the metrics: the tubes that this responder watches, on every node, and each node as a whole.
 *
 * Asked on connections of its own, since those of the workers wait in reserves; one question after the other, so that a node never
 * has more than one of them to answer. A node that does not answer shows as away, and nothing of it is shown that was true before.
 */

import { Connection, formatNodeAddress, type NodeAddress, QueueError, type TubeStats } from "@logwarden/queue";
import type { Clock } from "@logwarden/shared/clock";

export interface QueueWatchOptions {
  nodes: readonly NodeAddress[];
  /** Asked anew for each round: leases come and go. */
  tubes: () => readonly string[];
  clock: Clock;
}

/** What beanstalkd says of the jobs of a tube or a node. */
export type JobCounts = Record<"ready" | "reserved" | "delayed" | "buried", number>;

export interface NodeReading {
  /** The rest is only of a node that answered. */
  up: boolean;
  draining: boolean;
  /** How long it took to answer `stats`. */
  answerSeconds: number;
  jobs: JobCounts;
  tubes: ReadonlyMap<string, { jobs: JobCounts; watchers: number; oldestSeconds: number }>;
}

export interface QueueWatch {
  /** The last round, by the node's name. Empty before the first one. */
  readonly nodes: ReadonlyMap<string, NodeReading>;
  /** Resolves soon after the signal. */
  readonly ended: Promise<void>;
}

/** As often as Prometheus usually asks. Three questions for each tube and node: with 500 routers on two nodes, 200 a second. */
const roundMs = 15_000;
/** The first leases are taken at once; who looks right after a start should see them. */
const firstRoundMs = 2000;

/** Asks until the signal. Never rejects but for a bug. */
export function watchQueue(options: QueueWatchOptions, signal: AbortSignal): QueueWatch {
  const { clock } = options;
  const readings = new Map<string, NodeReading>();

  async function watchNode(node: NodeAddress): Promise<void> {
    const name = formatNodeAddress(node);
    let connection: Connection | undefined;
    // A node that hangs must not hold up our end.
    signal.addEventListener("abort", () => connection?.destroy(), { once: true });
    await clock.sleep(firstRoundMs, signal);
    while (!signal.aborted) {
      try {
        if (connection?.alive !== true) connection = await Connection.open(node, { signal });
        readings.set(name, await readNode(connection, options.tubes(), clock));
      } catch (error) {
        if (!(error instanceof QueueError)) throw error;
        readings.set(name, away);
        connection?.destroy();
        connection = undefined;
      }
      await clock.sleep(roundMs, signal);
    }
    connection?.destroy();
  }

  const ended = Promise.all(options.nodes.map(watchNode)).then(() => undefined);
  return { nodes: readings, ended };
}

const noJobs: JobCounts = { ready: 0, reserved: 0, delayed: 0, buried: 0 };
const away: NodeReading = { up: false, draining: false, answerSeconds: 0, jobs: noJobs, tubes: new Map() };

async function readNode(connection: Connection, names: readonly string[], clock: Clock): Promise<NodeReading> {
  const askedAtMs = clock.monotonicMs();
  const stats = await connection.stats();
  const answerSeconds = (clock.monotonicMs() - askedAtMs) / 1000;
  const tubes = new Map<string, { jobs: JobCounts; watchers: number; oldestSeconds: number }>();
  for (const name of names) {
    const tube = await orNothing(connection.statsTube(name));
    if (tube === undefined) continue;
    const oldestSeconds = tube.currentJobsReady > 0 ? await ageOfFirst(connection, name) : 0;
    tubes.set(name, { jobs: countsOf(tube), watchers: tube.currentWatching, oldestSeconds });
  }
  return { up: true, draining: stats.draining, answerSeconds, jobs: countsOf(stats), tubes };
}

/** Of the job that is next: the oldest of the most urgent ones. */
async function ageOfFirst(connection: Connection, tube: string): Promise<number> {
  const first = await connection.peekReady(tube);
  // It may have been taken in between.
  return first === undefined ? 0 : ((await orNothing(connection.statsJob(first.id)))?.age ?? 0);
}

function countsOf(
  stats: Pick<TubeStats, "currentJobsReady" | "currentJobsReserved" | "currentJobsDelayed" | "currentJobsBuried">,
): JobCounts {
  return {
    ready: stats.currentJobsReady,
    reserved: stats.currentJobsReserved,
    delayed: stats.currentJobsDelayed,
    buried: stats.currentJobsBuried,
  };
}

/** A tube that nobody uses or watches and that holds nothing does not exist; a job may be gone. */
async function orNothing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof QueueError && error.code === "not-found") return undefined;
    throw error;
  }
}
