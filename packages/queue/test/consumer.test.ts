import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";
import { Program } from "@logwarden/lab/parts/program";
import { atEnd, beanstalkd, bodies, codeOf, connect, consume, restart, takeAll, until } from "./parts/rig.ts";

describe("a consumer", () => {
  test("takes jobs from every node", async () => {
    const [a, b] = [await beanstalkd(), await beanstalkd()];
    const { consumer } = await consume([a.address, b.address]);
    for (const { address } of [a, b]) await (await connect(address)).put("work", Buffer.from(address));
    const jobs = [await consumer.next(), await consumer.next()];
    expect(jobs.map(({ node, body }) => [node, body.toString()]).sort()).toEqual(
      [a, b].map(({ address }) => [address, address]).sort(),
    );
    await Promise.all(jobs.map((job) => job.delete()));
    expect(await codeOf(jobs[0]?.delete() ?? Promise.resolve())).toBe("already-settled");
  });

  test("drains every node up to the maximum, and no further", async () => {
    const [a, b] = [await beanstalkd(), await beanstalkd()];
    const { consumer } = await consume([a.address, b.address]);
    const [at, bt] = [await connect(a.address), await connect(b.address)];
    const wanted = bodies(500, "a");
    await Promise.all([...wanted.map((body) => at.put("work", body)), bt.put("work", Buffer.from("b"))]);
    const first = await consumer.drain(100);
    expect(first.length).toBe(100);
    expect((await at.statsTube("work")).currentJobsReserved + (await bt.statsTube("work")).currentJobsReserved).toBe(
      100,
    );
    const rest = await consumer.drain(1000);
    expect(new Set([...first, ...rest].map(({ body }) => body.toString()))).toEqual(
      new Set(["b", ...wanted.map(String)]),
    );
    expect(await consumer.drain(10)).toEqual([]);
    await Promise.all([...first, ...rest].map((job) => job.delete()));
    expect((await at.statsTube("work")).currentJobsReserved).toBe(0);
  });

  test("finds the one job that is ready whichever node has it, even when asked for one", async () => {
    const servers = [await beanstalkd(), await beanstalkd(), await beanstalkd()];
    const { consumer } = await consume(servers.map(({ address }) => address));
    for (const { address } of servers) {
      await (await connect(address)).put("work", Buffer.from("x"));
      const [job] = await consumer.drain(1);
      expect(job?.node).toBe(address);
      await job?.delete();
    }
  });

  test("lets a caller wait who asked while a drain was looking", async () => {
    const { address } = await beanstalkd();
    const { consumer } = await consume([address], { reserveSeconds: 10_000 });
    const drained = consumer.drain(5);
    const waiting = consumer.next();
    expect(await drained).toEqual([]);
    await (await connect(address)).put("work", Buffer.from("x"));
    await (await waiting).delete();
  });

  test("deletes a job of one node at once while its reserve waits at another", async () => {
    const [busy, idle] = [await beanstalkd(), await beanstalkd()];
    const { consumer } = await consume([busy.address, idle.address], { reserveSeconds: 10_000 });
    const waiting = consumer.next();
    const watch = await connect(idle.address);
    await until(async () => (await watch.statsTube("work")).currentWaiting === 1);
    await (await connect(busy.address)).put("work", Buffer.from("x"));
    const job = await waiting;
    expect(job.node).toBe(busy.address);
    await job.delete();
    // And a drain passes the waiting node over.
    expect(await consumer.drain(10)).toEqual([]);
    expect((await watch.statsTube("work")).currentWaiting).toBe(1);
  });

  test("keeps a job that came when nobody waited any more, touches it, and gives it out next", async () => {
    const [a, b] = [await beanstalkd(), await beanstalkd()];
    const { consumer, events } = await consume([a.address, b.address], { reserveSeconds: 10_000 });
    const watch = await connect(b.address);
    const first = consumer.next();
    await until(async () => (await watch.statsTube("work")).currentWaiting === 1);
    await (await connect(a.address)).put("work", Buffer.from("first"));
    await (await first).delete();
    await watch.put("work", Buffer.from("second"), { ttrSeconds: 1 });
    // Two touches: each is due at a third of its one second.
    await until(async () => Number((await watch.stats()).all.get("cmd-touch")) >= 4);
    expect((await watch.stats()).all.get("job-timeouts")).toBe("0");
    const job = await consumer.next();
    expect([job.node, job.body.toString()]).toEqual([b.address, "second"]);
    await job.delete();
    expect(events.map(({ kind }) => kind)).toEqual(["node.connected", "node.connected"]);
  });

  test("gives a job to the next caller when the one who waited gave up", async () => {
    const { address } = await beanstalkd();
    const { consumer } = await consume([address]);
    const control = new AbortController();
    const waiting = consumer.next(control.signal);
    control.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
    await (await connect(address)).put("work", Buffer.from("x"));
    await (await consumer.next()).delete();
  });

  test("is not delayed by a dead node, and uses it again when it is back", async () => {
    const [a, b] = [await beanstalkd(), await beanstalkd()];
    const { consumer, events } = await consume([a.address, b.address]);
    await a.program.kill();
    await until(() => consumer.connected === 1);
    await (await connect(b.address)).put("work", Buffer.from("x"));
    await (await consumer.next()).delete();
    expect(await consumer.drain(5)).toEqual([]);
    const waiting = consumer.next();
    await restart(a);
    await until(() => consumer.connected === 2);
    await (await connect(a.address)).put("work", Buffer.from("back"));
    const job = await waiting;
    expect(job.node).toBe(a.address);
    await job.delete();
    expect(events).toContainEqual(expect.objectContaining({ kind: "node.lost", node: a.address }));
  });

  test("is not delayed by a hung node, and drops it at the time limit", async () => {
    const [hung, well] = [await beanstalkd(), await beanstalkd()];
    const { consumer, events } = await consume([hung.address, well.address], {
      connection: { commandTimeoutMs: 1000 },
    });
    hung.program.signal("SIGSTOP");
    await (await connect(well.address)).put("work", Buffer.from("x"));
    const jobs = await consumer.drain(10);
    expect(jobs.map(({ node }) => node)).toEqual([well.address]);
    expect(consumer.connected).toBe(2);
    await jobs[0]?.delete();
    await until(() => consumer.connected === 1);
    expect(events).toContainEqual(expect.objectContaining({ kind: "node.lost", reason: "command-timeout" }));
    hung.program.signal("SIGCONT");
    await until(() => consumer.connected === 2);
  });

  test("never sends the id of an ended connection: after a restart it names another job", async () => {
    const server = await beanstalkd();
    const { consumer } = await consume([server.address]);
    await (await connect(server.address)).put("work", Buffer.from("old"));
    const old = await consumer.next();
    await server.program.kill();
    await restart(server);
    await until(() => consumer.connected === 1 && !old.alive);
    const fresh = await connect(server.address);
    expect(await fresh.put("work", Buffer.from("new"))).toBe(old.id);
    const verbs = [old.delete(), old.release({ delaySeconds: 0 }), old.bury(), old.touch(), old.stats()];
    expect(new Set(await Promise.all(verbs.map(codeOf)))).toEqual(new Set(["connection-lost"]));
    expect((await consumer.next()).body.toString()).toBe("new");
  });

  test("says not-found for a job whose time ran out and that somebody else holds", async () => {
    const { address } = await beanstalkd();
    const { consumer } = await consume([address]);
    const other = await connect(address);
    await other.watchOnly(["work"]);
    await other.put("work", Buffer.from("x"), { ttrSeconds: 1 });
    const job = await consumer.next();
    // beanstalkd 1.12 may notice the end of the time to run only at the next command of the connection that holds the job.
    await until(async () => (await job.stats()).state === "ready");
    expect((await other.reserve(10)).kind).toBe("job");
    expect(await codeOf(job.delete())).toBe("not-found");
  });

  test("goes on when a held job is about to run out of its time", async () => {
    const { address } = await beanstalkd();
    const { consumer, events } = await consume([address]);
    const control = await connect(address);
    await control.put("work", Buffer.from("slow"), { ttrSeconds: 1 });
    const slow = await consumer.next();
    const again = consumer.next();
    await until(() => events.some(({ kind }) => kind === "job.deadline-soon"));
    await slow.delete();
    await control.put("work", Buffer.from("other"));
    const job = await again;
    expect(job.body.toString()).toBe("other");
    await job.delete();
  });

  test("releases, buries, touches and describes a job", async () => {
    const { address } = await beanstalkd();
    const { consumer } = await consume([address]);
    const control = await connect(address);
    const id = await control.put("work", Buffer.from("x"));
    const first = await consumer.next();
    await first.touch();
    expect(await first.stats()).toMatchObject({ id, tube: "work", state: "reserved", releases: 0 });
    await first.release({ delaySeconds: 0 });
    expect(await codeOf(first.delete())).toBe("already-settled");
    const second = await consumer.next();
    expect((await second.stats()).releases).toBe(1);
    await second.bury();
    expect((await control.peekBuried("work"))?.id).toBe(id);
  });

  test("pauses and resumes its tubes on every node while it waits", async () => {
    const [a, b] = [await beanstalkd(), await beanstalkd()];
    const { consumer } = await consume([a.address, b.address], { reserveSeconds: 10_000 });
    const waiting = consumer.next();
    const controls = [await connect(a.address), await connect(b.address)];
    for (const control of controls) await until(async () => (await control.statsTube("work")).currentWaiting === 1);
    await consumer.pauseTubes(1000);
    for (const control of controls) {
      expect((await control.statsTube("work")).pause).toBe(1000);
      await control.put("work", Buffer.from("x"));
      expect((await control.statsTube("work")).currentJobsReady).toBe(1);
    }
    await consumer.pauseTubes(0);
    await (await waiting).delete();
  });

  test("loses no job that is held, buffered or on its way when it is closed", async () => {
    const { address } = await beanstalkd();
    const { consumer } = await consume([address], { reserveSeconds: 10_000 });
    const control = await connect(address);
    const wanted = bodies(40);
    const half = wanted.slice(20);
    await Promise.all(wanted.slice(0, 20).map((body) => control.put("work", body)));
    const done = await consumer.next();
    const deleted = done.delete();
    await consumer.next();
    const waiting = [consumer.next(), consumer.next()].map(codeOf);
    const puts = half.map((body) => control.put("work", body));
    const closed = consumer.close();
    expect(await codeOf(consumer.next())).toBe("closed");
    await Promise.all([...puts, closed, ...waiting]);
    expect(await codeOf(deleted)).toBe("fulfilled");
    const left = await takeAll(address, "work");
    expect(left.sort()).toEqual(wanted.slice(1).map(String).sort());
  });

  test("leaves nothing open when it is closed in whatever state, nor does a producer: the process ends by itself", async () => {
    const { address } = await beanstalkd();
    const child = await Program.start({
      name: "opens and closes",
      command: process.execPath,
      args: [fileURLToPath(new URL("parts/opens-and-closes.ts", import.meta.url)), address],
    });
    atEnd(() => child.kill());
    // A socket or a timer that is left would keep it alive, and this test until Jest's own limit.
    expect({ ...(await child.ended), said: child.lastWords }).toEqual({ code: 0, signal: null, said: "closed" });
    const asker = await connect(address);
    await until(async () => (await asker.stats()).currentConnections === 1);
  });
});
