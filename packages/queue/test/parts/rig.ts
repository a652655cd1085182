/** What a test starts and opens, ended in reverse order after it, even when it fails. */

import { afterEach } from "@jest/globals";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Beanstalkd, type BeanstalkdOptions, startBeanstalkd } from "@logwarden/lab/parts/beanstalkd";
import {
  Connection,
  type ConnectionOptions,
  Consumer,
  type ConsumerEvent,
  type ConsumerOptions,
  parseNodeAddress,
  Producer,
  type ProducerEvent,
  type ProducerOptions,
} from "../../src/index.ts";

const ends: (() => Promise<unknown>)[] = [];

export function atEnd(end: () => Promise<unknown>): void {
  ends.push(end);
}

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A real beanstalkd of our own, killed after the test. */
export async function beanstalkd(options: BeanstalkdOptions = {}): Promise<Beanstalkd> {
  const server = await startBeanstalkd(options);
  atEnd(() => server.program.kill());
  return server;
}

/** The same node again, at the same address. */
export function restart(server: Beanstalkd, options: BeanstalkdOptions = {}): Promise<Beanstalkd> {
  return beanstalkd({ ...options, host: server.host, port: server.port });
}

export async function directory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "queue-"));
  atEnd(() => rm(path, { recursive: true, force: true }));
  return path;
}

export async function connect(address: string, options: ConnectionOptions = {}): Promise<Connection> {
  const connection = await Connection.open(parseNodeAddress(address), options);
  atEnd(async () => connection.destroy());
  return connection;
}

export function produce(
  addresses: readonly string[],
  options: Partial<ProducerOptions> = {},
): { producer: Producer; events: ProducerEvent[] } {
  const events: ProducerEvent[] = [];
  const producer = new Producer({
    nodes: addresses.map(parseNodeAddress),
    // The first node first.
    random: () => 0,
    reconnectDelayMsMax: 200,
    onEvent: (event) => events.push(event),
    ...options,
  });
  atEnd(() => producer.close(0));
  return { producer, events };
}

export async function consume(
  addresses: readonly string[],
  options: Partial<ConsumerOptions> = {},
): Promise<{ consumer: Consumer; events: ConsumerEvent[] }> {
  const events: ConsumerEvent[] = [];
  const consumer = new Consumer({
    nodes: addresses.map(parseNodeAddress),
    tubes: ["work"],
    reconnectDelayMsMax: 200,
    onEvent: (event) => events.push(event),
    ...options,
  });
  atEnd(() => consumer.close());
  await until(() => consumer.connected === addresses.length);
  return { consumer, events };
}

/** Waits for a fact. Jest's own limit ends what never becomes true. */
export async function until(fact: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await fact())) await sleep(5);
}

/** The code a promise was rejected with, or "fulfilled". */
export function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "fulfilled",
    (error: { code?: string; message?: string }) => error.code ?? `no code: ${error.message}`,
  );
}

export function bodies(count: number, prefix = "job"): Buffer[] {
  return Array.from({ length: count }, (_, index) => Buffer.from(`${prefix} ${index}`));
}

/** Everything ready in a tube, taken and deleted. */
export async function takeAll(address: string, tube: string): Promise<string[]> {
  const connection = await connect(address);
  await connection.watchOnly([tube]);
  const found: string[] = [];
  for (;;) {
    const answer = await connection.reserve(0);
    if (answer.kind !== "job") break;
    found.push(answer.body.toString());
    await connection.delete(answer.id);
  }
  await connection.close();
  return found;
}
