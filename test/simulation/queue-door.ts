/**
 * The queue as one process sees it: what Consumer and Producer of packages/queue promise, over nodes in memory.
 *
 * A verb takes a moment to arrive, and its answer a moment to come back. A connection that ends in between leaves open whether
 * it was carried out. A put whose answer is lost goes to the next node as well: so a job may be stored twice.
 */

import { type Job, type Producer, priorityDefault, QueueError } from "@logwarden/queue";
import type { Tube } from "@logwarden/responder/responder";
import type { Host } from "./host.ts";
import type { NodeConnection, QueueNode, StoredJob } from "./queue-node.ts";

/** As Consumer: a reserve that waited for so long is given up, and sent again only when somebody waits. */
const reserveMs = 20_000;

interface Source {
  node: QueueNode;
  connection: NodeConnection | undefined;
  giveUp: (() => void) | undefined;
}

interface Waiter {
  resolve: (job: Job) => void;
  reject: (error: Error) => void;
}

/** `hand`: gives it to the worker. */
type Held = Job & { readonly isOurs: boolean; hand(): Job };

export function openTube(host: Host, nodes: readonly QueueNode[], tubes: readonly string[]): Tube {
  const { world } = host;
  const hop = (): Promise<void> => world.wait(world.random.between(0, 2));
  let isClosed = false;
  let waiters: Waiter[] = [];
  let buffer: Held[] = [];
  const sources: Source[] = nodes.map((node) => ({ node, connection: undefined, giveUp: undefined }));
  for (const source of sources) connect(source);
  host.onDeath(endAll);

  function connect(source: Source): void {
    if (isClosed || host.isDead || source.connection?.alive === true) return;
    const { node } = source;
    if (!node.isUp) {
      node.onUp.push(() => world.after(world.random.between(10, 1500), () => host.inside(() => connect(source))));
      return;
    }
    const connection: NodeConnection = {
      tubes,
      name: host.name,
      alive: true,
      onEnd: () => {
        source.giveUp = undefined;
        source.connection = undefined;
        buffer = buffer.filter(({ alive }) => alive);
        world.after(world.random.between(10, 500), () => host.inside(() => connect(source)));
      },
    };
    node.connect(connection);
    source.connection = connection;
    if (waiters.length > 0) ask(source);
  }

  /** A reserve is on its way, and stays there when nobody waits for it any more: its job goes into the buffer. */
  function ask(source: Source): void {
    const { node, connection } = source;
    if (connection === undefined || source.giveUp !== undefined) return;
    let leave = (): void => undefined;
    const cancel = world.after(reserveMs, () => {
      leave();
      host.inside(() => {
        if (source.connection === connection) source.giveUp = undefined;
        if (waiters.length > 0) ask(source);
      });
    });
    leave = node.reserveLater(connection, (job) => {
      cancel();
      void hop().then(() =>
        host.inside(() => {
          if (source.connection === connection) source.giveUp = undefined;
          deliver(held(node, connection, job));
        }),
      );
    });
    // It may have been served at once, and then its answer is still on the way.
    source.giveUp = leave;
  }

  function deliver(job: Held): void {
    if (isClosed || !job.alive) return;
    const waiter = waiters.shift();
    if (waiter === undefined) buffer.push(job);
    else waiter.resolve(job.hand());
  }

  function held(node: QueueNode, connection: NodeConnection, stored: StoredJob): Held {
    let isSettled = false;
    const verb = async (ends: boolean, work: () => void): Promise<void> => {
      if (!connection.alive) throw new QueueError("connection-lost", `${node.name} has taken job ${stored.id} back`);
      if (isSettled) throw new QueueError("already-settled", `job ${stored.id} was settled before`);
      if (ends) isSettled = true;
      await host.gate(
        (async () => {
          await hop();
          if (!connection.alive) throw new QueueError("connection-lost", node.name);
          if (!node.holds(connection, stored)) throw new QueueError("not-found", `job ${stored.id}`);
          work();
          await hop();
          if (!connection.alive) throw new QueueError("connection-lost", node.name);
        })(),
      );
    };
    const job: Held = {
      id: String(stored.id),
      node: node.name,
      body: stored.body,
      get alive() {
        return connection.alive;
      },
      get isOurs() {
        return node.holds(connection, stored);
      },
      delete: () => verb(true, () => node.delete(stored)),
      release: ({ delaySeconds, priority = priorityDefault }) =>
        verb(true, () => node.release(stored, priority, delaySeconds * 1000)),
      bury: ({ priority = priorityDefault } = {}) => verb(true, () => node.bury(stored, priority)),
      touch: () => verb(false, () => node.touch(stored)),
      stats: () => Promise.reject(new Error("the responder asks for no statistics")),
      hand: () => {
        if (job.isOurs) stored.isInHand = true;
        return job;
      },
    };
    return job;
  }

  function takeBuffered(max: number): Job[] {
    buffer = buffer.filter(({ isOurs }) => isOurs);
    return buffer.splice(0, max).map((job) => job.hand());
  }

  function endAll(): void {
    isClosed = true;
    for (const { node, connection } of sources) if (connection !== undefined) node.disconnect(connection);
  }

  return {
    async next(signal) {
      signal?.throwIfAborted();
      const [buffered] = takeBuffered(1);
      if (buffered !== undefined) return buffered;
      const { promise, resolve, reject } = Promise.withResolvers<Job>();
      const waiter = { resolve, reject };
      const abort = (): void => {
        waiters = waiters.filter((one) => one !== waiter);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", abort, { once: true });
      waiters.push(waiter);
      for (const source of sources) ask(source);
      return promise.finally(() => signal?.removeEventListener("abort", abort));
    },

    async drain(max) {
      const jobs = takeBuffered(max);
      // A node with a waiting reserve is passed over.
      const open = sources.filter(({ connection, giveUp }) => connection !== undefined && giveUp === undefined);
      if (open.length === 0 || jobs.length >= max) return jobs;
      await host.gate(hop());
      for (const { node, connection } of open) {
        while (connection?.alive === true && jobs.length < max) {
          const stored = node.reserve(connection);
          if (stored === undefined) break;
          jobs.push(held(node, connection, stored).hand());
        }
      }
      await host.gate(hop());
      return jobs.filter(({ alive }) => alive);
    },

    async pauseTubes(seconds) {
      const connected = sources.filter(({ connection }) => connection !== undefined);
      await host.gate(hop());
      for (const { node } of connected) {
        if (!node.isUp) throw new QueueError("connect-failed", node.name);
        for (const tube of tubes) node.pauseTube(tube, seconds);
      }
    },

    async close() {
      for (const waiter of waiters.splice(0)) waiter.reject(new QueueError("closed", "the consumer was closed"));
      buffer = [];
      endAll();
      await host.gate(hop());
    },
  };
}

/** How often the answer to a put is lost on the way. */
const lostAnswers = 0.02;
const againMs = 200;

export function openProducer(host: Host, nodes: readonly QueueNode[]): Pick<Producer, "put"> {
  const { world } = host;
  let current = world.random.between(0, nodes.length - 1);
  return {
    put: (tube, body, options) =>
      host.gate(
        (async () => {
          for (;;) {
            await world.wait(world.random.between(0, 2));
            const node = nodes[current % nodes.length] as QueueNode;
            // What was on its way when its process died may still arrive; what was not sent again does not.
            if (host.isDead) return { node: node.name, id: "" };
            if (node.isUp) {
              const [delayMs, ttrMs] = [1000 * (options?.delaySeconds ?? 0), 1000 * (options?.ttrSeconds ?? 120)];
              const job = node.put(tube, Buffer.from(body), options?.priority ?? priorityDefault, delayMs, ttrMs);
              if (!world.random.chance(lostAnswers)) return { node: node.name, id: String(job.id) };
            }
            current++;
            if (current % nodes.length === 0) await world.wait(againMs);
          }
        })(),
      ),
  };
}
