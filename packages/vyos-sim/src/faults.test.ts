/** Each fault on request, seen from the wire. */
import { describe, expect, test } from "@jest/globals";
import { type Fault, parseFault, type Release, type Router, startRouter } from "./index.ts";
import {
  ban,
  configure,
  form,
  memberPath,
  nextRequest,
  returnValues,
  save,
  send,
  set,
  testKey,
  until,
} from "./test-client.ts";

const success = '{"success": true, "data": null, "error": null}';

async function withRouter(release: Release, story: (router: Router) => Promise<void>): Promise<void> {
  const router = await startRouter({ key: testKey, release });
  try {
    await story(router);
  } finally {
    await router.close();
  }
}

/** What a client sees of one ban under a fault: the reply, or the code of the error it gets instead. */
async function banUnder(router: Router, fault: Fault): Promise<{ status: number; body: string } | string> {
  router.inject(fault);
  return send(router, ban("192.0.2.1")).catch((error: unknown) => String((error as NodeJS.ErrnoException).code));
}

describe("at nginx's door", () => {
  test.each([
    ["502", 502],
    ["503", 503],
    ["api-off", 503],
    ["403", 403],
  ] as const)("%s is an HTML page and nothing is done", (kind, status) =>
    withRouter("1.4", async (router) => {
      const reply = await banUnder(router, { kind });
      expect(reply).toMatchObject({ status, contentType: "text/html" });
      expect(reply).toHaveProperty("body", expect.stringMatching(/^<html>\r\n.*nginx\/1\.22\.1/s));
      expect(router.members("BAD_GUYS")).toEqual([]);
    }),
  );

  test("504 comes although the commit goes through, unless apply is false", () =>
    withRouter("1.4", async (router) => {
      expect(await banUnder(router, { kind: "504", apply: false, times: 1 })).toMatchObject({ status: 504 });
      expect(router.members("BAD_GUYS")).toEqual([]);
      expect(await banUnder(router, { kind: "504", times: 1 })).toMatchObject({ status: 504 });
      expect(router.members("BAD_GUYS")).toEqual(["192.0.2.1"]);
    }));

  test("html-200 looks like success to a client that reads only the status", () =>
    withRouter("1.4", async (router) => {
      expect(await banUnder(router, { kind: "html-200" })).toMatchObject({ status: 200, contentType: "text/html" });
      expect(router.members("BAD_GUYS")).toEqual([]);
    }));

  test("1.3 says that its API is off, or away, with a 200 that has no success", () =>
    withRouter("1.3", async (router) => {
      for (const kind of ["api-off", "502"] as const) {
        expect(await banUnder(router, { kind, times: 1 })).toEqual({
          status: 200,
          contentType: "application/json",
          body: '{"error": "Start service in configuration mode: set service https api"}',
        });
      }
    }));
});

describe("around the answer", () => {
  test.each([
    ["before-commit", []],
    ["after-commit", ["192.0.2.1"]],
  ] as const)("a reset %s leaves the client in doubt", (when, members) =>
    withRouter("1.4", async (router) => {
      expect(await banUnder(router, { kind: "reset", when })).toBe("ECONNRESET");
      expect(router.members("BAD_GUYS")).toEqual(members);
    }),
  );

  test.each([
    [false, []],
    [true, ["192.0.2.1"]],
  ] as const)("a hang with apply %s never answers, and ends when it is cleared", (apply, members) =>
    withRouter("1.4", async (router) => {
      const outcome = banUnder(router, { kind: "hang", apply });
      await nextRequest(router, "/configure");
      await until(
        () => router.members("BAD_GUYS").length,
        (count) => count === members.length,
      );
      expect(router.requests.at(-1)?.status).toBe(undefined);
      router.clearFaults();
      expect(await outcome).toBe("ECONNRESET");
      expect(router.members("BAD_GUYS")).toEqual(members);
    }),
  );

  test("a fault meets as many requests as it was told, and only its endpoint", () =>
    withRouter("1.4", async (router) => {
      router.inject({ kind: "502", times: 2, endpoint: "/configure" });
      expect((await send(router, returnValues())).status).toBe(200);
      const statuses = [];
      for (let turn = 0; turn < 3; turn += 1) statuses.push((await send(router, ban("192.0.2.1"))).status);
      expect(statuses).toEqual([502, 502, 200]);
    }));
});

describe("around a commit", () => {
  test("a lock held by another commit refuses ours with the text of VyOS, and keeps nothing", () =>
    withRouter("1.4", async (router) => {
      expect(await banUnder(router, { kind: "commit-lock", times: 1 })).toMatchObject({
        status: 400,
        body: '{"success": false, "error": "Configuration system temporarily locked due to another commit in progress\\n", "data": null}',
      });
      expect((await send(router, returnValues())).body).toContain('"data": []');
    }));

  test("a commit can fail only for one address", () =>
    withRouter("1.4", async (router) => {
      router.inject({ kind: "commit-fails", value: "192.0.2.13" });
      expect((await send(router, ban("192.0.2.1"))).status).toBe(200);
      expect((await send(router, ban("192.0.2.2", "192.0.2.13"))).status).toBe(400);
      expect(router.members("BAD_GUYS")).toEqual(["192.0.2.1"]);
    }));

  test("a partial commit keeps the subtrees before the failing one", () =>
    withRouter("1.4", async (router) => {
      router.inject({ kind: "partial-commit" });
      const down = set("interfaces", "ethernet", "eth1", "disable");
      const reply = await send(router, configure(set(...memberPath("192.0.2.1")), down));
      expect(reply.body).toContain("[[firewall]] failed\\nCommit failed\\n");
      expect([router.members("BAD_GUYS"), router.disabled("eth1")]).toEqual([[], true]);
    }));

  test("a background answer comes before the commit, which follows by itself", () =>
    withRouter("1.4", async (router) => {
      const reply = await banUnder(router, { kind: "background", times: 1 });
      expect(reply).toHaveProperty("body", expect.stringContaining("commit will be called in the background"));
      expect(
        await until(
          () => router.members("BAD_GUYS"),
          (members) => members.length > 0,
        ),
      ).toEqual(["192.0.2.1"]);
    }));

  test("a request that crashes with the lock in its hand wedges every later write, but no read, until the restart", () =>
    withRouter("1.4", async (router) => {
      router.inject({ kind: "hang-after-lock", times: 1 });
      const crashed = send(router, ban("192.0.2.1"));
      await nextRequest(router, "/configure");
      const waiting = send(router, ban("192.0.2.2"));
      await nextRequest(router, "/configure");
      expect((await send(router, returnValues())).status).toBe(200);
      expect((await send(router, save())).status).toBe(200);
      expect(router.requests.filter(({ endpoint }) => endpoint === "/configure").map(({ status }) => status)).toEqual([
        undefined,
        undefined,
      ]);
      router.clearFaults();
      expect([(await crashed).status, (await waiting).status]).toEqual([502, 502]);
      expect((await send(router, ban("192.0.2.3"))).body).toBe(success);
      expect(router.members("BAD_GUYS")).toEqual(["192.0.2.3"]);
    }));
});

describe("a save that cannot be written", () => {
  test("is a Python traceback on 1.4", () =>
    withRouter("1.4", async (router) => {
      await send(router, ban("192.0.2.1"));
      router.inject({ kind: "save-unwritable" });
      const reply = await send(router, save());
      expect(reply.status).toBe(400);
      expect(reply.body).toContain("Traceback (most recent call last):\\n");
      expect(router.savedMembers("BAD_GUYS")).toEqual([]);
    }));

  test("is a success that wrote nothing on current", () =>
    withRouter("current", async (router) => {
      await send(router, ban("192.0.2.1"));
      router.inject({ kind: "save-unwritable" });
      expect(await send(router, save())).toMatchObject({
        status: 200,
        body: '{"success": true, "data": "", "error": null}',
      });
      expect(router.savedMembers("BAD_GUYS")).toEqual([]);
    }));
});

describe("a fault that comes as JSON", () => {
  test("is taken when every field fits its kind", () => {
    expect(parseFault({ kind: "slow", ms: 50, times: 2, endpoint: "/retrieve" })).toMatchObject({ kind: "slow" });
  });

  test.each([
    [null, "expected a JSON object"],
    [{ kind: "earthquake" }, "expected `kind` to be one of"],
    [{ kind: "slow" }, "expected a number `ms`"],
    [{ kind: "reset" }, "expected `when`"],
    [{ kind: "502", apply: true }, "expected no `apply`"],
    [{ kind: "502", times: 0 }, "expected no `times`"],
  ])("is refused with a sentence: %j", (value, sentence) => {
    expect(() => parseFault(value)).toThrow(sentence);
  });
});

test("the form of a request is checked before any fault of the commit is spent", () =>
  withRouter("1.4", async (router) => {
    router.inject({ kind: "commit-lock", times: 1 });
    expect((await send(router, form("/configure", [{ op: "set" }]))).body).toContain("missing 'path' field");
    expect((await send(router, ban("192.0.2.1"))).body).toContain("temporarily locked");
  }));
