/**
 * A decision of one device → orders for the other routers that it is about: a task in the tube of each.
 *
 * The order carries no state: it says "look at the ledger", so that one which comes late, or twice, does no harm. It is put before
 * the task that led to it is settled, so that a responder that dies in between leaves the task, and with it the orders.
 */

import type { Target } from "@logwarden/ledger";
import { type Producer, QueueError } from "@logwarden/queue";
import { Failure } from "@logwarden/shared/failure";
import type { Device } from "@logwarden/shared/inventory";
import { encodeTask } from "@logwarden/shared/task";
import { deviceTube, taskTtrSeconds } from "@logwarden/shared/tubes";
import { means } from "./decide/judge.ts";

export interface Orders {
  /**
   * Tells every router that the targets mean, but for one.
   * @throws Failure queue-away when no node takes an order
   */
  give(
    subjects: readonly string[],
    targets: readonly Target[],
    source: { taskId: string; by: string; at?: string | undefined },
    except: string,
  ): Promise<number>;
}

/** Behind what a person asks for, before what a log says: a ban is spread before new ones are thought about. */
const priority = 500;

export function createOrders(producer: Pick<Producer, "put">, devices: readonly Device[]): Orders {
  const routers = devices.filter(({ api }) => api !== undefined);
  return {
    async give(subjects, targets, { taskId, by, at }, except) {
      const meant = routers.filter(({ key, tags }) => key !== except && means(targets, { key, tags }));
      const puts = meant.flatMap((device) => subjects.map((subject) => ({ device, subject })));
      try {
        await Promise.all(
          puts.map(({ device, subject }, index) => {
            // Its own id: the same decision, delivered twice, gives the same orders.
            const id = `${taskId.slice(0, 48)}.${index}`;
            const task = { host: device.address.text, type: "enforce", v: 1, id, address: subject, by } as const;
            // The line's own time goes with it: how long the network took to follow is counted from there.
            const body = encodeTask(at === undefined ? task : { ...task, at });
            return producer.put(deviceTube(device.key), body, { priority, ttrSeconds: taskTtrSeconds });
          }),
        );
      } catch (error) {
        if (!(error instanceof QueueError)) throw error;
        throw new Failure("queue-away", error.message, { cause: error });
      }
      return puts.length;
    },
  };
}
