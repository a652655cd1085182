/** Tasks of a person → the queue: before every event that waits, at whichever node takes them. */

import { type NodeAddress, Producer, QueueError } from "@logwarden/queue";
import { encodeTask, type Task } from "@logwarden/shared/task";
import { personPriority, taskTtrSeconds } from "@logwarden/shared/tubes";
import { CommandError } from "../verb.ts";

export interface Addressed {
  tube: string;
  task: Task;
}

/** Connecting and storing take milliseconds; this long nobody answers. */
const patienceMs = 5000;

/**
 * Puts every task; a node that is away or refuses is passed over for the next.
 * @returns the node of each
 * @throws CommandError when no node takes them, with what each node said
 */
export async function putTasks(nodes: readonly NodeAddress[], tasks: readonly Addressed[]): Promise<string[]> {
  const said = new Map<string, string>();
  const producer = new Producer({
    nodes,
    connection: { connectTimeoutMs: 3000, commandTimeoutMs: patienceMs },
    onEvent: (event) => {
      if (event.kind === "node.unreachable" || event.kind === "node.lost") said.set(event.node, event.message);
      if (event.kind === "node.refusing") said.set(event.node, `takes no puts (${event.reason})`);
    },
  });
  const puts = tasks.map(({ tube, task }) =>
    producer.put(tube, encodeTask(task), { priority: personPriority, ttrSeconds: taskTtrSeconds }),
  );
  const ended = Promise.allSettled(puts);
  await producer.close(patienceMs);
  const nodesUsed: string[] = [];
  let refused = 0;
  for (const put of await ended) {
    if (put.status === "fulfilled") nodesUsed.push(put.value.node);
    else if (put.reason instanceof QueueError) refused++;
    else throw put.reason;
  }
  if (refused === 0) return nodesUsed;
  const reasons = [...said].map(([node, reason]) => `${node}: ${reason}`).join("; ");
  throw new CommandError(
    `no queue node took ${refused === tasks.length ? "it" : `${refused} of ${tasks.length}`} within ${patienceMs / 1000} s (${reasons || "no answer"})`,
  );
}
