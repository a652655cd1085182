// What waits in the queue, what was buried and why, and another try for it: against real nodes.

import { describe, expect, test } from "@jest/globals";
import { connect as dial } from "node:net";
import type { Beanstalkd } from "@logwarden/lab/parts/beanstalkd";
import { freePort, ownHost } from "@logwarden/lab/parts/loopback";
import type { Connection } from "@logwarden/queue";
import { buryPriority, type FailureCode } from "@logwarden/shared/failure";
import { beanstalkd, connect, here, type Run } from "./command.ts";

const tube = "logwarden.device.edge-1";

function queue(servers: readonly Beanstalkd[], ...args: string[]): Promise<Run> {
  return here(["queue", ...args, "--queues", servers.map(({ address }) => address).join(",")]);
}

async function buryOne(connection: Connection, body: string, code?: FailureCode): Promise<string> {
  // Urgent, so that it is the one that is reserved.
  await connection.put(tube, Buffer.from(body), { priority: 0 });
  await connection.watchOnly([tube]);
  const job = await connection.reserve(5);
  if (job.kind !== "job") throw new Error(`expected a job, got ${job.kind}`);
  await connection.bury(job.id, code === undefined ? {} : { priority: buryPriority(code) });
  return job.id;
}

/** As another program would: our adapter does not send such a name. */
function putRaw({ host, port }: Beanstalkd, name: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = dial(port, host, () => socket.write(`use ${name}\r\nput 0 0 10 1\r\nx\r\n`));
    socket.on("data", (chunk) => void (chunk.includes("INSERTED") && socket.end()));
    socket.once("close", () => resolve());
  });
}

const json = (run: Run): { nodes: Record<string, unknown>[] } => JSON.parse(run.stdout) as never;

test("every tube of every node is shown with its jobs by state, and for how long it is paused", async () => {
  const [first, second] = await Promise.all([beanstalkd(), beanstalkd()]);
  const connection = await connect(first);
  await buryOne(connection, "buried");
  await connection.put(tube, Buffer.from("reserved"));
  await connection.reserve(5);
  for (const body of ["ready", "ready"]) await connection.put(tube, Buffer.from(body));
  await connection.put(tube, Buffer.from("delayed"), { delaySeconds: 1000 });
  await connection.pauseTube(tube, 1000);
  second.program.signal("SIGUSR1");

  const seen = json(await queue([first, second], "--json")).nodes;
  expect(seen).toMatchObject([
    { node: first.address, error: null, draining: false },
    { node: second.address, error: null, tubes: [{ name: "default" }] },
  ]);
  const tubes = seen[0]?.["tubes"] as Record<string, unknown>[];
  const edge = tubes.find(({ name }) => name === tube);
  expect(edge).toMatchObject({ ready: 2, reserved: 1, delayed: 1, buried: 1, watching: 1 });
  expect(edge?.["pausedSeconds"]).toBeGreaterThan(900);

  const { code, stdout } = await queue([first, second]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/tube +ready +reserved +delayed +buried/);
  expect(stdout).toMatch(/logwarden\.device\.edge-1 +2 +1 +1 +1 +paused for 9\d\d s/);
});

test("a node that takes no new jobs says so", async () => {
  const server = await beanstalkd();
  const connection = await connect(server);
  server.program.signal("SIGUSR1");
  while (!(await connection.stats()).draining);
  expect((await queue([server])).stdout).toContain("DRAINING");
});

test("a node with more tubes than the adapter's window, and with names that are none of ours, is shown whole", async () => {
  const server = await beanstalkd();
  const connection = await connect(server);
  const names = Array.from({ length: 1500 }, (_, n) => `logwarden.device.r${n}`);
  for (const name of names) await connection.put(name, Buffer.from("x"));
  await putRaw(server, "42");
  const [node] = json(await queue([server], "--json")).nodes;
  expect(node).toMatchObject({ error: null, skipped: ["42"] });
  expect(node?.["tubes"]).toHaveLength(1501);
  expect((await queue([server])).stdout).toContain("not asked about, no names of ours: 42");
});

test("a node that is away is a line of its own and exit code 1; the others are shown", async () => {
  const server = await beanstalkd();
  const away = { address: `${ownHost}:${await freePort()}` } as Beanstalkd;
  const run = await queue([server, away]);
  expect(run).toMatchObject({ code: 1, stdout: expect.stringContaining(server.address) });
  expect(run.stderr).toContain(away.address);
  const answer = await queue([server, away], "--json");
  expect(json(answer).nodes).toMatchObject([{ error: null }, { node: away.address, error: expect.any(String) }]);
});

test("the nodes may come from the environment; every one that cannot be read is named", async () => {
  const server = await beanstalkd();
  expect(await here(["queue"], { LOGWARDEN_QUEUES: server.address })).toMatchObject({ code: 0 });
  const { code, stderr } = await here(["queue", "--queues", "a b,127.0.0.1:99999"]);
  expect(code).toBe(2);
  expect(stderr).toContain('"a b"');
  expect(stderr).toContain('"127.0.0.1:99999"');
});

describe("queue peek", () => {
  test("shows the next job of each state, or of one, and takes nothing", async () => {
    const server = await beanstalkd();
    const connection = await connect(server);
    await buryOne(connection, "buried", "change-rejected");
    await connection.put(tube, Buffer.from("ready"));
    await connection.put(tube, Buffer.from("delayed"), { delaySeconds: 1000 });
    const [node] = json(await queue([server], "peek", tube, "--json")).nodes;
    expect(node?.["jobs"]).toMatchObject([
      { state: "ready", body: "ready" },
      { state: "delayed", body: "delayed" },
      { state: "buried", body: "buried" },
    ]);
    const one = await queue([server], "peek", tube, "delayed");
    expect(one).toMatchObject({ code: 0, stdout: expect.stringMatching(/job \d+, the next delayed {2}delayed\n$/) });
    expect((await connection.statsTube(tube)).currentJobsReady).toBe(1);
  });

  test("of a tube that is nowhere exits 1, of a state that is none exits 2", async () => {
    const server = await beanstalkd();
    expect(await queue([server], "peek", tube)).toMatchObject({ code: 1, stderr: expect.stringContaining("no tube") });
    expect(await queue([server], "peek", tube, "reserved")).toMatchObject({
      ...{ code: 2, stderr: expect.stringContaining("expected ready, delayed or buried") },
    });
  });
});

describe("queue buried", () => {
  test("shows the first of each tube, why it was buried, and what to do about it", async () => {
    const server = await beanstalkd();
    const connection = await connect(server);
    const body = '{"host":"10.10.10.9","type":"password_failed","from":"203.0.113.7"}';
    const id = await buryOne(connection, body, "task-device-unknown");
    await buryOne(connection, "second", "task-not-json");
    const [node] = json(await queue([server], "buried", "--json")).nodes;
    expect(node?.["jobs"]).toEqual([
      {
        ...{ tube, buried: 2, id, body, reason: "task-device-unknown" },
        advice: "Add `host` to devices in logwarden.yaml, then kick.",
      },
    ]);
    const { code, stdout } = await queue([server], "buried");
    expect(code).toBe(0);
    expect(stdout).toContain(`${server.address}  ${tube}  job ${id}, the first of 2 buried`);
    expect(stdout).toContain("why   task-device-unknown: Add `host` to devices");
    expect(stdout).toContain(`body  ${body}`);
    expect(stdout).toContain("beanstalkd shows only the first buried job of a tube");
  });

  test("a job that somebody else buried has no reason of ours, and a hostile body stays text", async () => {
    const server = await beanstalkd();
    await buryOne(await connect(server), `\u001b[31m${"x".repeat(2000)}`);
    const { stdout } = await queue([server], "buried", tube);
    expect(stdout).toContain("why   unknown: Not buried by a responder of ours");
    expect(stdout).toContain("body  \\u{1b}[31mxxx");
    expect(stdout).toContain("(2005 characters; --json has all)");
    expect(stdout).not.toContain("beanstalkd shows only");
  });

  test("nothing buried is said, a tube that is nowhere exits 1", async () => {
    const server = await beanstalkd();
    await (await connect(server)).put(tube, Buffer.from("x"));
    expect(await queue([server], "buried")).toMatchObject({
      code: 0,
      stdout: `${server.address}: nothing is buried\n`,
    });
    expect(await queue([server], "buried", "logwarden.device.edg-1")).toMatchObject({
      ...{ code: 1, stdout: "", stderr: expect.stringContaining(`did you mean "${tube}"?`) },
    });
  });
});

describe("queue kick", () => {
  test("gives buried jobs another try, all of them or so many over all nodes", async () => {
    const [first, second] = await Promise.all([beanstalkd(), beanstalkd()]);
    const [one, other] = await Promise.all([connect(first), connect(second)]);
    for (const connection of [one, one, one, other, other]) await buryOne(connection, "x", "change-rejected");
    const limited = json(await queue([first, second], "kick", tube, "4", "--json"));
    expect(limited.nodes).toMatchObject([{ kicked: 3 }, { kicked: 1 }]);
    expect((await one.statsTube(tube)).currentJobsReady).toBe(3);
    const rest = await queue([first, second], "kick", tube);
    expect(rest).toMatchObject({
      code: 0,
      stdout: `${first.address}: 0 of ${tube} kicked\n${second.address}: 1 of ${tube} kicked\n`,
    });
    expect((await other.statsTube(tube)).currentJobsReady).toBe(2);
  });

  test("leaves delayed jobs alone: their wait has a reason", async () => {
    const server = await beanstalkd();
    const connection = await connect(server);
    await connection.put(tube, Buffer.from("x"), { delaySeconds: 1000 });
    expect(await queue([server], "kick", tube)).toMatchObject({
      code: 0,
      stdout: `${server.address}: 0 of ${tube} kicked\n`,
    });
    expect((await connection.statsTube(tube)).currentJobsDelayed).toBe(1);
  });

  test("a tube that is nowhere exits 1 with a suggestion, and is not made", async () => {
    const server = await beanstalkd();
    const connection = await connect(server);
    await connection.put(tube, Buffer.from("x"));
    expect(await queue([server], "kick", "logwarden.device.edge-2")).toMatchObject({
      ...{ code: 1, stdout: "", stderr: expect.stringContaining(`did you mean "${tube}"?`) },
    });
    expect(await connection.listTubes()).not.toContain("logwarden.device.edge-2");
  });
});
