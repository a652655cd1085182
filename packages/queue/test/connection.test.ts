import { describe, expect, test } from "@jest/globals";
import { beanstalkd, codeOf, connect } from "./parts/rig.ts";
import { liar, proxy, serve } from "./parts/peers.ts";

describe("a connection", () => {
  test("stores a job, hands it out byte for byte, and deletes it", async () => {
    const { address } = await beanstalkd();
    const connection = await connect(address);
    await connection.watchOnly(["work"]);
    const body = Buffer.from([0, 13, 10, 255, 13, 10, 0]);
    const id = await connection.put("work", body, { priority: 7, ttrSeconds: 9 });
    expect(await connection.reserve(5)).toEqual({ kind: "job", id, body });
    expect(await connection.statsJob(id)).toMatchObject({
      id,
      tube: "work",
      pri: 7,
      ttr: 9,
      state: "reserved",
      reserves: 1,
    });
    await connection.delete(id);
    expect(await codeOf(connection.delete(id))).toBe("not-found");
    expect(await codeOf(connection.statsJob(id))).toBe("not-found");
  });

  test("stores pipelined puts of different tubes each in its own, empty bodies too", async () => {
    const { address } = await beanstalkd();
    const connection = await connect(address);
    await Promise.all(["a", "b", "a", "a", "b"].map((tube) => connection.put(tube, Buffer.alloc(0))));
    expect((await connection.statsTube("a")).currentJobsReady).toBe(3);
    expect((await connection.statsTube("b")).currentJobsReady).toBe(2);
    expect((await connection.listTubes()).sort()).toEqual(["a", "b", "default"]);
  });

  test("looks, kicks and puts in the tube it is told, whichever it used before, and however closely they follow", async () => {
    const { address } = await beanstalkd();
    const connection = await connect(address);
    const answers = [
      connection.put("a", Buffer.from("in a")),
      connection.peekReady("b"),
      connection.put("b", Buffer.from("in b"), { delaySeconds: 100 }),
      connection.peekReady("a").then((job) => job?.body.toString()),
      connection.kick("b", 10),
      connection.stats().then(({ currentJobsReady }) => currentJobsReady),
      connection.put("a", Buffer.from("x")),
    ];
    expect(await Promise.all<unknown>(answers)).toEqual(["1", undefined, "2", "in a", 1, 2, "3"]);
  });

  test("says that nothing came, and that a held job is about to run out of time", async () => {
    const { address } = await beanstalkd();
    const connection = await connect(address);
    await connection.watchOnly(["work"]);
    expect(await connection.reserve(0)).toEqual({ kind: "timed-out" });
    await connection.put("work", Buffer.from("slow"), { ttrSeconds: 1 });
    expect((await connection.reserve(5)).kind).toBe("job");
    expect(await connection.reserve(5)).toEqual({ kind: "deadline-soon" });
  });

  test("buries, finds, kicks, releases and pauses", async () => {
    const { address } = await beanstalkd();
    const connection = await connect(address);
    await connection.watchOnly(["work"]);
    const id = await connection.put("work", Buffer.from("x"));
    await connection.reserve(5);
    await connection.bury(id);
    expect(await connection.peekBuried("work")).toEqual({ id, body: Buffer.from("x") });
    expect(await connection.kick("work", 10)).toBe(1);
    expect(await connection.peekBuried("work")).toBeUndefined();
    await connection.reserve(5);
    await connection.touch(id);
    await connection.release(id, { delaySeconds: 100 });
    expect((await connection.peekDelayed("work"))?.id).toBe(id);
    await connection.kickJob(id);
    await connection.pauseTube("work", 100);
    expect(await connection.reserve(0)).toEqual({ kind: "timed-out" });
    expect(await connection.statsTube("work")).toMatchObject({ currentJobsReady: 1, pause: 100 });
    expect(await codeOf(connection.pauseTube("nothing-here", 1))).toBe("not-found");
  });

  test("reports a job that is too big, and stays usable", async () => {
    const { address } = await beanstalkd();
    const connection = await connect(address);
    const answers = [connection.put("work", Buffer.alloc(65_536)), connection.put("work", Buffer.alloc(65_535))];
    expect(await Promise.all(answers.map(codeOf))).toEqual(["job-too-big", "fulfilled"]);
    expect((await connection.stats()).draining).toBe(false);
  });

  test("refuses what could break the protocol before sending it", async () => {
    const { address } = await beanstalkd();
    const connection = await connect(address);
    const body = Buffer.from("x");
    const refused = [
      connection.put("a\r\ndelete 1", body),
      connection.put("a b", body),
      connection.put("", body),
      connection.put("-a", body),
      connection.put("ä", body),
      connection.put("a".repeat(201), body),
      connection.put("12", body),
      connection.put("2026-01-02", body),
      connection.put("1e3", body),
      connection.put("null", body),
      connection.put("a", 5 as unknown as Buffer),
      connection.put("a", "x" as unknown as Buffer),
      connection.put("a", body, { priority: Number.NaN }),
      connection.put("a", body, { delaySeconds: -1 }),
      connection.put("a", body, { ttrSeconds: 2 ** 32 }),
      connection.put("a", body, { ttrSeconds: 1.5 }),
      connection.reserve(-1),
      connection.delete("1\r\ndelete 2"),
      connection.delete("18446744073709551616"),
      connection.delete("-1"),
      connection.delete("01"),
      connection.delete(1 as unknown as string),
      connection.release("1", { priority: -1 }),
      connection.bury("x"),
      connection.kick("a", Number.POSITIVE_INFINITY),
      connection.watchOnly([]),
      connection.watchOnly(["a", "b\n"]),
      connection.pauseTube("a", Number.NaN),
    ];
    expect(new Set(await Promise.all(refused.map(codeOf)))).toEqual(new Set(["bad-argument"]));
    expect(connection.pending).toBe(0);
    expect((await connection.stats()).all.get("cmd-put")).toBe("0");
    expect(await codeOf(connection.delete("18446744073709551615"))).toBe("not-found");
  });

  test("takes no more than its window", async () => {
    const { address } = await beanstalkd();
    const connection = await connect(address, { windowMax: 2 });
    const answers = [1, 2, 3, 4].map(() => codeOf(connection.stats()));
    expect(await Promise.all(answers)).toEqual(["fulfilled", "fulfilled", "window-full", "window-full"]);
  });

  test("lets a reserve wait longer than any command may take, and the commands behind it too", async () => {
    const { address } = await beanstalkd();
    const connection = await connect(address, { commandTimeoutMs: 300 });
    const [waited, stats] = await Promise.all([connection.reserve(1), connection.stats()]);
    expect([waited.kind, stats.draining, connection.alive]).toEqual(["timed-out", false, true]);
  });

  test("counts the time limit of a pipelined command from the answer before it: a slow server is not a hung one", async () => {
    const slow = await serve((socket) => {
      const timer = setInterval(() => socket.write("TIMED_OUT\r\n"), 100);
      socket.on("close", () => clearInterval(timer));
    });
    const connection = await connect(slow, { commandTimeoutMs: 1000 });
    // Together they take longer than the limit for one.
    const answers = await Promise.all(Array.from({ length: 13 }, () => connection.reserve(0)));
    expect(answers.length).toBe(13);
  });

  test("closes behind the answers it is owed, and ends a waiting reserve at once", async () => {
    const { address } = await beanstalkd();
    const connection = await connect(address);
    const id = await connection.put("default", Buffer.from("x"));
    await connection.reserve(5);
    const [waiting, deleted] = [connection.reserve(1000), connection.delete(id)];
    await connection.close();
    expect(await waiting).toEqual({ kind: "timed-out" });
    expect(await codeOf(deleted)).toBe("fulfilled");
    expect((await connection.closed).code).toBe("closed");
    expect(await codeOf(connection.stats())).toBe("connection-lost");
  });

  test("does not open where nobody listens or nobody answers", async () => {
    expect(await codeOf(connect("127.0.0.1:1"))).toBe("connect-failed");
    const given = new AbortController();
    given.abort();
    expect(await codeOf(connect("127.0.0.1:1", { signal: given.signal }))).toBe("closed");
  });
});

describe("answers cut anywhere", () => {
  // Every kind of answer: words, ids, bodies (with line ends inside), YAML, refusals, several in one packet.
  async function talk(address: string): Promise<string[]> {
    const connection = await connect(address);
    const results = [
      connection.watchOnly(["work"]),
      connection.put("work", Buffer.from("RESERVED 9 1\r\nx\r\n")),
      connection.put("work", Buffer.alloc(0)),
      connection.put("work", Buffer.alloc(70_000)),
      connection.reserve(0).then((answer) => JSON.stringify(answer)),
      connection.reserve(0).then((answer) => JSON.stringify(answer)),
      connection.reserve(0).then((answer) => answer.kind),
      connection.delete("1"),
      connection.delete("77"),
      connection.statsJob("2").then(({ id, state }) => `${id} ${state}`),
      connection.listTubes().then((tubes) => tubes.join(" ")),
    ].map((result) => result.then(String, (error: { code: string }) => error.code));
    const settled = await Promise.all(results);
    await connection.close();
    return settled;
  }
  const body = [...Buffer.from("RESERVED 9 1\r\nx\r\n")];
  const truth = [
    "undefined",
    "1",
    "2",
    "job-too-big",
    JSON.stringify({ kind: "job", id: "1", body: { type: "Buffer", data: body } }),
    JSON.stringify({ kind: "job", id: "2", body: { type: "Buffer", data: [] } }),
    "timed-out",
    "undefined",
    "not-found",
    "2 reserved",
    "default work",
  ];
  /** Runs the talk once for each byte of the answers, a fresh server each time (ids start at 1), a few at once. */
  async function everywhere(
    manner: "split" | "cut",
    judge: (offset: number, settled: string[]) => void,
  ): Promise<void> {
    let bytes = 0;
    await talk(await proxy(await beanstalkd(), "cut", Number.POSITIVE_INFINITY, (seen) => (bytes = seen)));
    expect(bytes).toBeGreaterThan(300);
    for (let first = 0; first < bytes; first += 10) {
      await Promise.all(
        Array.from({ length: Math.min(10, bytes - first) }, async (_, index) => {
          const { host, port, program } = await beanstalkd();
          judge(first + index, await talk(await proxy({ host, port }, manner, first + index)));
          await program.kill();
        }),
      );
    }
  }

  test("into two packets at every byte are read as if they were one", async () => {
    await everywhere("split", (offset, settled) => {
      expect({ offset, settled }).toEqual({ offset, settled: truth });
    });
  });

  test("short at every byte are right or rejected, and every call settles", async () => {
    await everywhere("cut", (offset, settled) => {
      const right = settled.map((result, index) => (result === "connection-lost" ? result : truth[index]));
      expect({ offset, settled }).toEqual({ offset, settled: right });
      // The last answer is never whole.
      expect(settled.at(-1)).toBe("connection-lost");
    });
  });
});

describe("a server that is no beanstalkd", () => {
  test.each([
    ["another command's answer", "INSERTED 1\r\n"],
    ["an unknown word", "220 mail.example.net ESMTP\r\n"],
    ["an empty line", "\r\n"],
    ["a refusal that stats cannot get", "JOB_TOO_BIG\r\n"],
    ["UNKNOWN_COMMAND", "UNKNOWN_COMMAND\r\n"],
    ["broken YAML", "OK 9\r\n: [}\n{{{{\n\r\n"],
    ["YAML that is not stats", "OK 8\r\n---\n- a\n\r\n"],
    ["stats without what belongs into them", "OK 11\r\n---\nid: abc\n\r\n"],
    ["a body that ends elsewhere", "OK 3\r\nabcdef\r\n"],
    ["a length that is no number", "OK many\r\nabc\r\n"],
    ["a negative length", "OK -3\r\nabc\r\n"],
    ["no line end at all", "x".repeat(5000)],
    ["two answers to one question", "OUT_OF_MEMORY\r\nOUT_OF_MEMORY\r\n"],
  ])("loses the connection by %s", async (_, answer) => {
    const connection = await connect(await liar([answer]));
    const asked = codeOf(connection.stats());
    expect((await connection.closed).code).toBe("protocol");
    expect(await asked).toBe(answer.startsWith("OUT_OF_MEMORY") ? "out-of-memory" : "protocol");
    expect(await codeOf(connection.stats())).toBe("connection-lost");
  });

  test.each([
    ["a job id that is no number", "RESERVED x 1\r\na\r\n"],
    ["a job without an id", "RESERVED 1\r\na\r\n"],
    ["a length with a tail", "RESERVED 1 1x\r\na\r\n"],
    ["a job id beyond 64 bits", "RESERVED 99999999999999999999 1\r\na\r\n"],
  ])("loses the connection by %s", async (_, answer) => {
    const connection = await connect(await liar([answer]));
    expect(await codeOf(connection.reserve(0))).toBe("protocol");
    expect(connection.alive).toBe(false);
  });

  test.each(["TIMED_OUT\r\n", "TIMED_", "RESERVED 1 1\r\na\r\n", "RESERVED 1 1\r\n"])(
    "loses the connection by saying %j first, before it could be mistaken for an answer",
    async (speech) => {
      const connection = await connect(await serve((socket) => socket.write(speech)));
      expect((await connection.closed).code).toBe("protocol");
    },
  );

  test("is read as text where a YAML library would stumble", async () => {
    const connection = await connect(await liar(["OK 16\r\n---\n- @x\n- 1e3\n\n\r\n"]));
    expect(await connection.listTubes()).toEqual(["@x", "1e3"]);
  });

  test("loses the connection by using another tube than asked for, and no put behind it counts", async () => {
    const connection = await connect(await liar(["USING other\r\nINSERTED 5\r\n"]));
    expect(await codeOf(connection.put("work", Buffer.from("x")))).toBe("protocol");
  });

  test("keeps the id of a job that was stored, but buried", async () => {
    const connection = await connect(await liar(["USING work\r\nBURIED 18446744073709551615\r\n"]));
    await expect(connection.put("work", Buffer.from("x"))).rejects.toMatchObject({
      code: "buried-on-put",
      jobId: "18446744073709551615",
    });
    expect(connection.alive).toBe(true);
  });
});
