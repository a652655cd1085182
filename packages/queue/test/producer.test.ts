import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { freePort, ownHost } from "@logwarden/lab/parts/loopback";
import { QueueError } from "../src/index.ts";
import {
  atEnd,
  beanstalkd,
  bodies,
  codeOf,
  connect,
  directory,
  produce,
  restart,
  takeAll,
  until,
} from "./parts/rig.ts";
import { liar, serve } from "./parts/peers.ts";

describe("a producer", () => {
  test("delivers every accepted body although the node is killed twice with hundreds of puts on their way", async () => {
    const binlogDirectory = await directory();
    let server = await beanstalkd({ binlogDirectory });
    const { producer, events } = produce([server.address]);
    await until(() => producer.connected === 1);
    const wanted = bodies(3000);
    const stored = wanted.map((body) => producer.put("work", body));
    for (let kill = 0; kill < 2; kill += 1) {
      await Promise.race(stored.slice(kill * 1000));
      expect(producer.unanswered).toBeGreaterThan(100);
      await server.program.kill();
      server = await restart(server, { binlogDirectory });
    }
    await Promise.all(stored);
    expect(producer.unanswered).toBe(0);
    expect(events.filter(({ kind }) => kind === "put.retried").length).toBeGreaterThan(0);
    expect(new Set(await takeAll(server.address, "work"))).toEqual(new Set(wanted.map(String)));
  });

  test("settles every call of a killed connection", async () => {
    const server = await beanstalkd();
    const connection = await connect(server.address);
    server.program.signal("SIGSTOP");
    const answers = bodies(500).map((body) => codeOf(connection.put("work", body)));
    await server.program.kill();
    expect(new Set(await Promise.all(answers))).toEqual(new Set(["connection-lost"]));
    expect(connection.pending).toBe(0);
  });

  test("leaves a hung node for the next, and never takes its late answers for others", async () => {
    const [hung, well] = [await beanstalkd(), await beanstalkd()];
    const { producer, events } = produce([hung.address, well.address], { connection: { commandTimeoutMs: 150 } });
    await until(() => producer.connected === 2);
    expect((await producer.put("work", Buffer.from("before"))).node).toBe(hung.address);
    hung.program.signal("SIGSTOP");
    const wanted = bodies(50);
    const stored = await Promise.all(wanted.map((body) => producer.put("work", body)));
    expect(new Set(stored.map(({ node }) => node))).toEqual(new Set([well.address]));
    expect(events).toContainEqual(expect.objectContaining({ kind: "node.lost", reason: "command-timeout" }));
    hung.program.signal("SIGCONT");
    await until(() => producer.connected === 2);
    // Each id that was promised holds the body it was promised for.
    const connection = await connect(well.address);
    await connection.watchOnly(["work"]);
    for (const [index, { id }] of stored.entries()) {
      expect(await connection.reserve(5)).toEqual({ kind: "job", id, body: wanted[index] });
    }
  });

  test("leaves a draining node for the next", async () => {
    const [draining, well] = [await beanstalkd(), await beanstalkd()];
    const { producer, events } = produce([draining.address, well.address]);
    await until(() => producer.connected === 2);
    draining.program.signal("SIGUSR1");
    const control = await connect(draining.address);
    await until(async () => (await control.stats()).draining);
    expect((await producer.put("work", Buffer.from("x"))).node).toBe(well.address);
    expect(events).toContainEqual({ kind: "node.refusing", node: draining.address, reason: "draining" });
    expect(producer.connected).toBe(2);
  });

  test("waits for a draining node to be restarted when there is no other", async () => {
    const draining = await beanstalkd();
    const { producer, events } = produce([draining.address]);
    draining.program.signal("SIGUSR1");
    const stored = producer.put("work", Buffer.from("x"));
    await until(() => events.filter(({ kind }) => kind === "put.retried").length >= 3);
    await draining.program.kill();
    await restart(draining);
    expect((await stored).node).toBe(draining.address);
  });

  const noMemoryTest = existsSync("/usr/bin/prlimit") ? test : test.skip;
  noMemoryTest("leaves a node that is out of memory for the next (skipped without prlimit of util-linux)", async () => {
    const [poor, well] = [await beanstalkd(), await beanstalkd()];
    const { producer, events } = produce([poor.address, well.address]);
    await until(() => producer.connected === 2);
    limitMemory(poor.program.pid);
    // What its heap has left takes the first of them.
    const nodes: string[] = [];
    while (nodes.at(-1) !== well.address) nodes.push((await producer.put("work", Buffer.alloc(60_000))).node);
    expect(events).toContainEqual({ kind: "node.refusing", node: poor.address, reason: "out-of-memory" });
    expect((await takeAll(poor.address, "work")).length).toBe(nodes.length - 1);
  });

  const fullDiskTest = canMount() ? test : test.skip;
  fullDiskTest(
    "leaves a node whose disk is full for the next (skipped where we may not mount a small tmpfs)",
    async () => {
      const binlogDirectory = await directory();
      expect(mountSmallDisk(binlogDirectory)).toBe(true);
      atEnd(async () => spawnSync("umount", [binlogDirectory]));
      const full = await beanstalkd({ binlogDirectory, flags: ["-s", "65536"] });
      const well = await beanstalkd();
      const { producer, events } = produce([full.address, well.address]);
      await until(() => producer.connected === 2);
      const nodes: string[] = [];
      while (nodes.at(-1) !== well.address) nodes.push((await producer.put("work", Buffer.alloc(20_000))).node);
      expect(events).toContainEqual({ kind: "node.refusing", node: full.address, reason: "out-of-memory" });
      expect(nodes.filter((node) => node === full.address).length).toBeGreaterThan(1);
      // Deleting what is there still works.
      expect((await takeAll(full.address, "work")).length).toBe(nodes.length - 1);
    },
  );

  test("rejects at once what no node will ever take, and nothing else suffers", async () => {
    const { address } = await beanstalkd();
    const { producer } = produce([address]);
    const answers = [
      producer.put("work", Buffer.alloc(65_536)),
      producer.put("work", Buffer.from("x")),
      producer.put("bad tube", Buffer.from("x")),
    ];
    expect(await Promise.all(answers.map(codeOf))).toEqual(["job-too-big", "fulfilled", "bad-argument"]);
    expect(producer.unanswered).toBe(0);
  });

  test("counts a buried put as stored, and says so", async () => {
    const address = await liar(["USING work\r\nBURIED 12\r\n"]);
    const { producer, events } = produce([address]);
    expect(await producer.put("work", Buffer.from("x"))).toEqual({ node: address, id: "12" });
    expect(events).toContainEqual({ kind: "put.buried", node: address, tube: "work", id: "12" });
  });

  test("goes on at another node when one answers nonsense", async () => {
    const [mad, well] = [await liar(["250 OK\r\n"]), await beanstalkd()];
    const { producer } = produce([mad, well.address]);
    await until(() => producer.connected === 2);
    expect((await producer.put("work", Buffer.from("x"))).node).toBe(well.address);
  });

  test("keeps what is put before any node exists, in order", async () => {
    const port = await freePort();
    const { producer } = produce([`${ownHost}:${port}`]);
    const wanted = bodies(20);
    const stored = wanted.map((body) => producer.put("work", body));
    await beanstalkd({ port });
    const ids = (await Promise.all(stored)).map(({ id }) => id);
    expect(ids).toEqual(wanted.map((_, index) => String(index + 1)));
  });

  test("says when it is full, and when it has room again at half of that", async () => {
    const port = await freePort();
    const { producer } = produce([`${ownHost}:${port}`], { unansweredMax: 10, connection: { windowMax: 2 } });
    const stored = bodies(12).map((body) => producer.put("work", body));
    expect([producer.unanswered, producer.full]).toEqual([12, true]);
    const unansweredThen = producer.onceBelow().then(() => producer.unanswered);
    await beanstalkd({ port });
    // At 5, or 4 when both answers of the window came in one packet.
    expect([4, 5]).toContain(await unansweredThen);
    await producer.flush();
    expect([producer.unanswered, producer.full]).toEqual([0, false]);
    await Promise.all(stored);
  });

  test("waits for answers when it is closed, and counts what never got one", async () => {
    const { address } = await beanstalkd();
    const first = produce([address]).producer;
    const stored = first.put("work", Buffer.from("x"));
    expect(await first.close(60_000)).toBe(0);
    expect((await stored).node).toBe(address);
    expect(await codeOf(first.put("work", Buffer.from("x")))).toBe("closed");

    const silent = await serve((socket) => void socket.resume());
    const second = produce([silent]).producer;
    await until(() => second.connected === 1);
    const lost = bodies(3).map((body) => codeOf(second.put("work", body)));
    expect(await second.close(10)).toBe(3);
    expect(await Promise.all(lost)).toEqual(["closed", "closed", "closed"]);
  });

  test("refuses to exist without nodes", () => {
    expect(() => produce([])).toThrow(QueueError);
  });
});

/** No more address space than now: what malloc cannot find in the heap it has is refused. */
function limitMemory(pid: number): void {
  const result = spawnSync("prlimit", ["--pid", String(pid), "--as=1000000:"]);
  expect(result.status).toBe(0);
}

function mountSmallDisk(path: string): boolean {
  return spawnSync("mount", ["-t", "tmpfs", "-o", "size=160k", "tmpfs", path]).status === 0;
}

function canMount(): boolean {
  const path = mkdtempSync(join(tmpdir(), "queue-"));
  const mounted = mountSmallDisk(path);
  if (mounted) spawnSync("umount", [path]);
  rmdirSync(path);
  return mounted;
}
