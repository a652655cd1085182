/** What tests of the verbs about bans stand on: an inventory, a real ledger, a real queue, and somebody who plays the responder. */

import { randomUUID } from "node:crypto";
import { type Ledger, type NewBan, openLedger } from "@logwarden/ledger";
import type { Connection } from "@logwarden/queue";
import { parseSubject } from "@logwarden/shared/subject";
import { parseTask, type Task } from "@logwarden/shared/task";
import { expect } from "@jest/globals";
import { verbNamed } from "../src/verbs.ts";
import { beanstalkd, connect, directory, end, file, here, type Run } from "./command.ts";
import { writer } from "@logwarden/ledger/test/writer";

export const inventory = `
devices:
  edge-1: { address: 10.10.10.201, api: { url: https://10.10.10.201, keyFile: /k, verify: off }, tags: [edge], protect: [eth0] }
  edge-2: { address: 10.10.10.202, api: { url: https://10.10.10.202, keyFile: /k, verify: off }, tags: [edge, far] }
  web-1: { address: 10.10.10.132, tags: [web] }
unbanGrace: 15m
allow: [192.0.2.0/24]
`;

export interface Rig {
  ledger: Ledger;
  /** The command, told where everything is. */
  run(...args: string[]): Promise<Run>;
  /** What --json printed, checked against what the verb says that it prints. */
  json(...args: string[]): Promise<{ code: number | null; value: never; stderr: string }>;
}

/** An inventory and a ledger that a responder has made. */
export async function rig(env: Record<string, string> = {}, text = inventory): Promise<Rig> {
  const path = `${directory()}/ledger.db`;
  const ledger = await openLedger({ file: path });
  end(() => ledger.close());
  const where = { LOGWARDEN_LEDGER: path, LOGWARDEN_CONFIG: file("logwarden.yaml", text), USER: "jo", ...env };
  const run = (...args: string[]): Promise<Run> => here(args, where);
  const json = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(...args, "--json");
    const value = JSON.parse(stdout) as never;
    // parse(): whatever the shape does not name is refused.
    expect(() => verbNamed(args[0] ?? "").json.shape.parse(value)).not.toThrow();
    return { code, value, stderr };
  };
  return { ledger, run, json };
}

/** As rig, with a queue node, and a connection that may play the responder. */
export async function rigWithQueue(): Promise<Rig & { queue: Connection; address: string }> {
  const server = await beanstalkd();
  const queue = await connect(server);
  return { ...(await rig({ LOGWARDEN_QUEUES: server.address })), queue, address: server.address };
}

/** Takes the next task of a tube, with its priority; it is deleted. */
export async function take(queue: Connection, tube = "logwarden.intake"): Promise<{ task: Task; priority: number }> {
  await queue.watchOnly([tube]);
  const job = await queue.reserve(10);
  if (job.kind !== "job") throw new Error(`expected a job in ${tube}, got ${job.kind}`);
  const { pri } = await queue.statsJob(job.id);
  await queue.delete(job.id);
  return { task: parseTask(job.body), priority: pri };
}

export async function addBan(ledger: Ledger, address: string, more: Partial<NewBan> = {}): Promise<NewBan> {
  const { text, family } = parseSubject(address) ?? { text: address, family: 4 };
  const now = Date.now();
  const ban: NewBan = {
    ...{ id: randomUUID(), subject: text, family, origin: "policy", type: "password_failed", by: "policy" },
    ...{ rule: "sshd-failed-password", reason: "5 password_failed in 10m", device: "edge-1", taskId: randomUUID() },
    ...{ startedAtMs: now - 60_000, endsAtMs: now + 3_600_000, targets: ["all"], dryRun: false },
    ...more,
  };
  await ledger.decide(async (deciding) => {
    await deciding.lock([text], now);
    await deciding.addBans([ban]);
  });
  return ban;
}

export async function place(ledger: Ledger, router: string, address: string): Promise<void> {
  const { text, family } = parseSubject(address) ?? { text: address, family: 4 };
  const its = await writer(ledger, router);
  await its.intend([{ subject: text, family }], Date.now());
  await its.placed([text], Date.now());
}
