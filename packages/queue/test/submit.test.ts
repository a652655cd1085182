/** Puts by the thousand: in one write, told to a listener, and never lost. What a producer promises else is in producer.test.ts. */

import { describe, expect, test } from "@jest/globals";
import { Socket } from "node:net";
import type { Producer, PutListener } from "../src/index.ts";
import { liar, proxy, serve } from "./parts/peers.ts";
import { atEnd, beanstalkd, connect, directory, produce, restart, takeAll, until } from "./parts/rig.ts";

/** What became of a put: `node id`, or the code of its error. */
class Listener implements PutListener {
  static settled = 0;
  readonly told: string[] = [];
  stored(node: string, id: string): void {
    this.#tell(`${node} ${id}`);
  }
  rejected({ code }: { code: string }): void {
    this.#tell(code);
  }
  #tell(word: string): void {
    Listener.settled += 1;
    this.told.push(word);
  }
}

function submit(producer: Producer, tube: string, body: Buffer | string): Listener {
  const listener = new Listener();
  producer.submit(tube, body, { ttrSeconds: 60 }, listener);
  expect(listener.told).toEqual([]);
  return listener;
}

/** What was told; each listener was told once. */
function outcomes(listeners: readonly Listener[]): string[] {
  return listeners.map(({ told }) => {
    expect(told.length).toBe(1);
    return told[0] as string;
  });
}

const texts = (count: number, from = 0): string[] => Array.from({ length: count }, (_, n) => `job ${from + n}`);
const inserted = (...ids: number[]): string => ids.map((id) => `INSERTED ${id}\r\n`).join("");
/** The nodes and ids of puts that one node stored as its first, second … job. */
const storedAt = (node: string, ids: readonly number[]): string[] => ids.map((id) => `${node} ${id}`);

/** The sizes of the writes to a node from here on, as the socket is given them. */
function writesTo({ port }: { port: number }): number[] {
  const sizes: number[] = [];
  const own = Socket.prototype.write;
  Socket.prototype.write = function (this: Socket, ...args: Parameters<typeof own>) {
    if (this.remotePort === port) sizes.push(args[0].length);
    return own.apply(this, args);
  } as typeof own;
  atEnd(async () => void (Socket.prototype.write = own));
  return sizes;
}

/** A producer that is connected to all of them; it puts into the first. */
async function upTo(
  nodes: readonly string[],
  options: Parameters<typeof produce>[1] = {},
): Promise<ReturnType<typeof produce>> {
  const made = produce(nodes, options);
  await until(() => made.producer.connected === nodes.length);
  return made;
}

describe("what is put in one turn of the event loop", () => {
  test("leaves in one write, though its tubes alternate, and is stored in the order of each tube", async () => {
    const server = await beanstalkd();
    const { producer } = await upTo([server.address]);
    const writes = writesTo(server);
    const tubes = ["a", "b", "c"];
    const puts = texts(600).map((body, n) => submit(producer, tubes[n % 3] as string, body));
    expect(writes).toEqual([]);
    await producer.flush();
    expect(writes.length).toBe(1);
    expect(new Set(outcomes(puts)).size).toBe(600);
    for (const [index, tube] of tubes.entries()) {
      expect(await takeAll(server.address, tube)).toEqual(texts(600).filter((_, n) => n % 3 === index));
    }
  });

  test("leaves in one write when it is put by promises, too", async () => {
    const server = await beanstalkd();
    const { producer } = await upTo([server.address]);
    const writes = writesTo(server);
    await Promise.all(texts(100).map((body) => producer.put("work", body)));
    expect(writes.length).toBe(1);
  });

  test("changes the tube as seldom as it can", async () => {
    const server = await beanstalkd();
    const { producer } = await upTo([server.address]);
    for (const [n, body] of texts(600).entries()) submit(producer, `tube-${n % 3}`, body);
    await producer.flush();
    expect((await (await connect(server.address)).stats()).all.get("cmd-use")).toBe("3");
  });

  test("follows in large writes where the window holds it back", async () => {
    const server = await beanstalkd();
    const { producer } = await upTo([server.address], { connection: { windowMax: 128 } });
    const writes = writesTo(server);
    for (const body of texts(1000)) submit(producer, "work", body);
    await producer.flush();
    // The window first, then at least 64 each.
    expect(writes.length).toBeLessThanOrEqual(1 + Math.ceil((1000 - 128) / 64));
    expect(await takeAll(server.address, "work")).toEqual(texts(1000));
  });

  test("goes no further than the window while nothing is answered", async () => {
    let received = "";
    const silent = await serve((socket) => void socket.on("data", (chunk) => (received += chunk)));
    const { producer } = await upTo([silent], { connection: { windowMax: 128 } });
    for (const body of texts(1000)) submit(producer, "work", body);
    await until(() => received.includes("job 127\r\n"));
    expect([received.match(/^put /gm)?.length, producer.unanswered]).toEqual([128, 1000]);
  });

  test("is written in pieces when it is larger than a megabyte", async () => {
    const server = await beanstalkd();
    const { producer } = await upTo([server.address]);
    const writes = writesTo(server);
    const wanted = Array.from({ length: 100 }, (_, n) => String(n).padEnd(60_000, "."));
    for (const body of wanted) submit(producer, "work", body);
    await producer.flush();
    expect(writes.length).toBe(6);
    expect(Math.max(...writes)).toBeLessThan(1024 * 1024 + 61_000);
    expect(await takeAll(server.address, "work")).toEqual(wanted);
  });

  test("holds bodies of any bytes, and texts as UTF-8", async () => {
    const { address } = await beanstalkd();
    const { producer } = await upTo([address]);
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, n) => n));
    const bodies = ["", "\r\nput 0 0 0 0\r\n", "ä€😀", "é", "plain", bytes, Buffer.alloc(0)];
    const puts = bodies.map((body) => submit(producer, "work", body));
    await producer.flush();
    expect(outcomes(puts)).toEqual(
      storedAt(
        address,
        bodies.map((_, n) => n + 1),
      ),
    );
    const connection = await connect(address);
    await connection.watchOnly(["work"]);
    for (const body of bodies) {
      expect(await connection.reserve(0)).toMatchObject({ kind: "job", body: Buffer.from(body as string) });
    }
  });

  test("is refused one by one, before anything is sent", async () => {
    const { address } = await beanstalkd();
    const { producer } = await upTo([address]);
    const bad = [
      submit(producer, "bad tube", "x"),
      submit(producer, "a\r\nb", "x"),
      submit(producer, "work", 5 as unknown as string),
    ];
    const nan = new Listener();
    producer.submit("work", "x", { priority: Number.NaN }, nan);
    expect([producer.unanswered, nan.told]).toEqual([0, []]);
    const good = submit(producer, "work", "x");
    await producer.flush();
    expect(outcomes([...bad, nan, good])).toEqual([...Array.from({ length: 4 }, () => "bad-argument"), `${address} 1`]);
  });
});

describe("in the middle of a batch", () => {
  test("a body that is too big is rejected, and the others are stored", async () => {
    const { address } = await beanstalkd({ flags: ["-z", "100"] });
    const { producer, events } = await upTo([address]);
    const puts = ["a", "b".repeat(101), "c", "d".repeat(70_000), "e"].map((body) => submit(producer, "work", body));
    await producer.flush();
    expect(outcomes(puts)).toEqual([`${address} 1`, "job-too-big", `${address} 2`, "job-too-big", `${address} 3`]);
    expect(events.map(({ kind }) => kind)).toEqual(["node.connected"]);
  });

  test("a body that was buried counts as stored", async () => {
    const address = await liar([`USING work\r\n${inserted(1)}BURIED 2\r\n${inserted(3)}`]);
    const { producer, events } = await upTo([address]);
    const puts = texts(3).map((body) => submit(producer, "work", body));
    await producer.flush();
    expect(outcomes(puts)).toEqual(storedAt(address, [1, 2, 3]));
    expect(events).toContainEqual({ kind: "put.buried", node: address, tube: "work", id: "2" });
  });

  test("a node that begins to drain keeps what it took, and the next gets the rest in order", async () => {
    const draining = await liar([`USING work\r\n${inserted(1, 2)}DRAINING\r\nDRAINING\r\n${inserted(3)}DRAINING\r\n`]);
    const well = await beanstalkd();
    const { producer, events } = await upTo([draining, well.address]);
    const puts = texts(6).map((body) => submit(producer, "work", body));
    await producer.flush();
    expect(outcomes(puts)).toEqual([
      ...storedAt(draining, [1, 2]),
      ...storedAt(well.address, [1, 2]),
      `${draining} 3`,
      `${well.address} 3`,
    ]);
    expect(await takeAll(well.address, "work")).toEqual(["job 2", "job 3", "job 5"]);
    expect(events.filter(({ kind }) => kind === "node.refusing").length).toBe(1);
    expect(events.filter(({ kind }) => kind === "put.retried").length).toBe(3);
  });

  test.each([
    ["an answer too many", `${inserted(1, 2, 3, 4, 5, 6, 7)}`, 6],
    ["another command's answer", `${inserted(1, 2)}USING work\r\n${inserted(3, 4, 5)}`, 2],
    ["an id that is no number", `${inserted(1, 2)}INSERTED x\r\n${inserted(3, 4, 5)}`, 2],
    ["an id with a tail", `${inserted(1, 2)}INSERTED 3 4\r\n${inserted(3, 4, 5)}`, 2],
    ["a word without an id", `${inserted(1, 2)}INSERTED\r\n${inserted(3, 4, 5)}`, 2],
    ["an empty line", `${inserted(1, 2)}\r\n${inserted(3, 4, 5)}`, 2],
    ["an answer with a body", `${inserted(1, 2)}OK 3\r\nabc\r\n${inserted(3, 4, 5)}`, 2],
    ["a line without end", `${inserted(1, 2)}${"x".repeat(5000)}`, 2],
    ["its words for a syntax error", `${inserted(1, 2)}EXPECTED_CRLF\r\n${inserted(3, 4, 5)}`, 2],
  ])("%s ends the life, and what it may have shifted is put elsewhere", async (_, answers, believed) => {
    const [mad, well] = [await liar([`USING work\r\n${answers}`]), await beanstalkd()];
    const { producer, events } = await upTo([mad, well.address]);
    const puts = texts(6).map((body) => submit(producer, "work", body));
    await producer.flush();
    await until(() => events.some(({ kind }) => kind === "node.lost"));
    expect(events).toContainEqual(expect.objectContaining({ kind: "node.lost", reason: "protocol" }));
    const nodes = outcomes(puts).map((outcome) => outcome.split(" ")[0]);
    expect(nodes).toEqual(puts.map((_put, n) => (n < believed ? mad : well.address)));
    expect(await takeAll(well.address, "work")).toEqual(texts(6 - believed, believed));
  });

  test("a node that falls silent loses the rest to the next within the time limit", async () => {
    // More unanswered than are waited for in the kernel: they are looked for once a millisecond.
    const ids = Array.from({ length: 100 }, (_, n) => n + 1);
    const silent = await serve((socket) => {
      socket.once("data", () => socket.write(`USING work\r\n${inserted(...ids)}`));
    });
    const well = await beanstalkd();
    const { producer, events } = await upTo([silent, well.address], { connection: { commandTimeoutMs: 100 } });
    const puts = texts(300).map((body) => submit(producer, "work", body));
    await producer.flush();
    expect(events).toContainEqual(expect.objectContaining({ kind: "node.lost", reason: "command-timeout" }));
    expect(outcomes(puts).slice(0, 100)).toEqual(storedAt(silent, ids));
    expect(await takeAll(well.address, "work")).toEqual(texts(200, 100));
  });

  test("a node that is killed loses nothing: the next gets the unanswered first, then what came later, in order", async () => {
    const [first, second] = [await beanstalkd(), await beanstalkd()];
    const { producer } = await upTo([first.address, second.address], { connection: { windowMax: 200 } });
    first.program.signal("SIGSTOP");
    const puts = texts(500).map((body) => submit(producer, "work", body));
    expect(producer.unanswered).toBe(500);
    await new Promise((resolve) => setImmediate(resolve));
    await first.program.kill();
    puts.push(...texts(500, 500).map((body) => submit(producer, "work", body)));
    await producer.flush();
    expect(outcomes(puts)).toEqual(
      storedAt(
        second.address,
        puts.map((_, n) => n + 1),
      ),
    );
    expect(await takeAll(second.address, "work")).toEqual(texts(1000));
  });
});

test("every body is stored, and the count of the unanswered is exact, while a node is killed again and again", async () => {
  const binlogDirectory = await directory();
  let server = await beanstalkd({ binlogDirectory });
  const { producer, events } = await upTo([server.address], { unansweredMax: 2000 });
  // Three times the window. Each is written to the disk twice, by its put and by its delete, and a disk may be slow.
  const wanted = texts(6000);
  const listeners: Listener[] = [];
  const settledBefore = Listener.settled;
  let killsLeft = 3;
  while (listeners.length < wanted.length) {
    for (let n = 0; n < 300 && listeners.length < wanted.length; n += 1) {
      listeners.push(submit(producer, `work-${n % 2}`, wanted[listeners.length] as string));
    }
    expect(producer.unanswered).toBe(listeners.length - (Listener.settled - settledBefore));
    if (killsLeft > 0 && listeners.length >= 1500 * (4 - killsLeft)) {
      killsLeft -= 1;
      expect(producer.unanswered).toBeGreaterThan(0);
      await server.program.kill();
      server = await restart(server, { binlogDirectory });
    }
    if (producer.full) await producer.onceBelow();
    else await new Promise((resolve) => setImmediate(resolve));
  }
  await producer.flush();
  expect(producer.unanswered).toBe(0);
  expect(events.filter(({ kind }) => kind === "put.retried").length).toBeGreaterThan(0);
  outcomes(listeners);
  const found = [...(await takeAll(server.address, "work-0")), ...(await takeAll(server.address, "work-1"))];
  expect(new Set(found)).toEqual(new Set(wanted));
}, 60_000);

test("answers cut into two packets at any byte are read as if they were one", async () => {
  const bodies = ["a", "b", "x".repeat(200), "d", "e"];
  const talk = async (address: string): Promise<string[]> => {
    const { producer } = await upTo([address]);
    const puts = bodies.map((body, n) => submit(producer, `tube-${n % 2}`, body));
    await producer.flush();
    await producer.close(1000);
    return outcomes(puts).map((outcome) => outcome.replace(`${address} `, ""));
  };
  let bytes = 0;
  const whole = await beanstalkd({ flags: ["-z", "100"] });
  await talk(await proxy(whole, "cut", Number.POSITIVE_INFINITY, (seen) => (bytes = seen)));
  expect(bytes).toBeGreaterThan(80);
  for (let offset = 0; offset <= bytes; offset += 1) {
    const { host, port, program } = await beanstalkd({ flags: ["-z", "100"] });
    const settled = await talk(await proxy({ host, port }, "split", offset));
    expect({ offset, settled }).toEqual({ offset, settled: ["1", "3", "job-too-big", "4", "2"] });
    await program.kill();
  }
}, 60_000);

describe("a producer that is closed", () => {
  test("tells every listener that has no answer, and who comes later", async () => {
    const silent = await serve((socket) => void socket.resume());
    const { producer } = await upTo([silent], { connection: { windowMax: 100 } });
    const puts = texts(300).map((body) => submit(producer, "work", body));
    const closed = producer.close(10);
    const late = submit(producer, "work", "late");
    expect(await closed).toBe(300);
    expect(new Set(outcomes([...puts, late]))).toEqual(new Set(["closed"]));
    expect(producer.unanswered).toBe(0);
  });

  test("waits for what was put in the same turn", async () => {
    const { address } = await beanstalkd();
    const { producer } = await upTo([address]);
    const puts = texts(300).map((body) => submit(producer, "work", body));
    expect(await producer.close(60_000)).toBe(0);
    outcomes(puts);
    expect(await takeAll(address, "work")).toEqual(texts(300));
  });
});

test("a listener that throws takes no answer away from the others, and its fault is not hidden", async () => {
  const { address } = await beanstalkd();
  const { producer } = await upTo([address]);
  const faults: unknown[] = [];
  const own = globalThis.queueMicrotask;
  globalThis.queueMicrotask = (callback) => {
    try {
      callback();
    } catch (error) {
      faults.push(error);
    }
  };
  atEnd(async () => void (globalThis.queueMicrotask = own));
  const before = submit(producer, "work", "before");
  const fault = new Error("of the listener");
  const fail = (): void => {
    throw fault;
  };
  producer.submit("work", "x", {}, { stored: fail, rejected: fail });
  const behind = submit(producer, "work", "behind");
  await producer.flush();
  expect(outcomes([before, behind])).toEqual(storedAt(address, [1, 3]));
  expect([faults, producer.unanswered]).toEqual([[fault], 0]);
});
