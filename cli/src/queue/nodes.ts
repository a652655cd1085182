/**
 * Every queue node, asked the same question at once: an answer of each, or why there is none.
 */

import {
  checkTube,
  Connection,
  formatNodeAddress,
  type NodeAddress,
  parseNodeAddress,
  QueueError,
  type TubeStats,
} from "@logwarden/queue";
import { ConfigurationError } from "@logwarden/shared/environment";
import type { Output } from "../output.ts";
import { CommandError, type Context, suggestion, UsageError } from "../verb.ts";

/** A node whose connection or command takes longer is reported as away: a person is waiting. */
const timeouts = { connectTimeoutMs: 3000, commandTimeoutMs: 5000 };
/** Questions under way at once; the adapter's window is 1024. */
const lotMax = 500;

export type Answer<T> = { node: string; error: string } | ({ node: string; error: null } & T);

export const queuesOption = {
  queues: {
    type: "string",
    value: "LIST",
    about: "the queue nodes, HOST:PORT with commas between; LOGWARDEN_QUEUES unless given",
  },
} as const;

/** The nodes of --queues, or of the environment. @throws as readNodes */
export function givenNodes(values: { queues?: string | undefined }, { environment }: Context): NodeAddress[] {
  return readNodes(values.queues ?? environment["LOGWARDEN_QUEUES"]);
}

/**
 * The nodes of a list, HOST:PORT with commas between.
 * @throws UsageError when there is none; ConfigurationError with every one that cannot be read
 */
function readNodes(list: string | undefined): NodeAddress[] {
  const words = (list ?? "")
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");
  if (words.length === 0) {
    throw new UsageError(
      "expected the queue nodes: --queues 10.10.10.121:11300,10.10.10.122:11300, or LOGWARDEN_QUEUES",
    );
  }
  const complaints: string[] = [];
  const nodes = words.flatMap((word) => {
    try {
      return [parseNodeAddress(word)];
    } catch (error) {
      if (!(error instanceof QueueError)) throw error;
      complaints.push(`--queues: ${error.message}`);
      return [];
    }
  });
  if (complaints.length > 0) throw new ConfigurationError(complaints);
  return nodes;
}

/** Asks every node; one that cannot be reached, or fails meanwhile, is an answer with an error. */
export async function ask<T>(
  nodes: readonly NodeAddress[],
  question: (connection: Connection) => Promise<T>,
): Promise<Answer<T>[]> {
  return Promise.all(
    nodes.map(async (address): Promise<Answer<T>> => {
      const node = formatNodeAddress(address);
      let connection: Connection | undefined;
      try {
        connection = await Connection.open(address, timeouts);
        const answer = await question(connection);
        await connection.close();
        return { node, error: null, ...answer };
      } catch (error) {
        connection?.destroy();
        if (!(error instanceof QueueError)) throw error;
        return { node, error: error.message };
      }
    }),
  );
}

/**
 * The tubes of a node, by name. `skipped`: names that only other programs use and the adapter will not send ("42", "on").
 * A node with a thousand devices has a thousand tubes: asked about in pipelined lots that fit the connection's window.
 */
export async function tubesOf(connection: Connection): Promise<{ tubes: TubeStats[]; skipped: string[] }> {
  const names = (await connection.listTubes()).sort();
  const skipped = names.filter((name) => !isUsable(name));
  const usable = names.filter(isUsable);
  const tubes: TubeStats[] = [];
  while (usable.length > 0) {
    const lot = usable.splice(0, lotMax).map((name) => unlessGone(connection.statsTube(name)));
    tubes.push(...(await Promise.all(lot)).filter((stats) => stats !== undefined));
  }
  return { tubes, skipped };
}

function isUsable(name: string): boolean {
  try {
    checkTube(name);
    return true;
  } catch {
    return false;
  }
}

/** undefined when it has gone: a tube or job may go between being listed and being asked about. */
export async function unlessGone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof QueueError && error.code === "not-found") return undefined;
    throw error;
  }
}

/** @throws CommandError when no node that answered has the tube */
export function requireTube(tube: string, tubes: readonly string[], answers: readonly Answer<unknown>[]): void {
  if (tubes.includes(tube) || answers.every(({ error }) => error !== null)) return;
  const known = [...new Set(tubes)].sort();
  throw new CommandError(`no tube "${tube}"${suggestion(tube, known) || `; tubes are ${known.join(", ")}`}`);
}

/** Complains about nodes without an answer. @returns 1 when there was one */
export function exitCode(answers: readonly Answer<unknown>[], output: Output): number {
  const away = answers.filter(({ error }) => error !== null);
  for (const { node, error } of away) output.complain(`${node}: ${error}`);
  return away.length === 0 ? 0 : 1;
}
