/**
 * What we rely on in a router, whichever it is. The simulator and a real router pass the same cases; a case that cannot be run
 * says why. On a real router only the groups named LOGWARDEN_CONTRACT are written, and an interface only if it was named.
 */

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import {
  addressOp,
  createClient,
  disableOp,
  groupPath,
  interfacePath,
  stagedMarks,
  type VyosClient,
} from "@logwarden/vyos";
import { candidates, type RawAnswer, type Router, raw } from "./routers.ts";

const group = "LOGWARDEN_CONTRACT";
const members = groupPath(4, group);
const members6 = groupPath(6, group);
const node = members.slice(0, -1);
const add = (address: string) => addressOp("set", 4, group, address);
const remove = (address: string) => addressOp("delete", 4, group, address);

const done = { kind: "done", data: null };
const ok = '{"success": true, "data": null, "error": null}';
const form = "application/x-www-form-urlencoded";

/** A real router's commit takes seconds, and a case makes a few of them. */
const caseMs = 180_000;

const all = candidates(process.env);
if (!all.some(({ name }) => name.startsWith("the router"))) {
  test.skip("a real router (skipped: VYOS_URL and VYOS_KEY name none)", () => {});
}

describe.each(all)("$name", (candidate) => {
  let router: Router;
  let vyos: VyosClient;

  beforeAll(async () => {
    router = await candidate.start();
    vyos = createClient({ url: router.url, key: router.key, trust: { fingerprint: router.fingerprint } });
  }, caseMs);

  afterAll(async () => {
    if (vyos !== undefined) await empty(vyos);
    vyos?.close();
    await router?.stop();
  }, caseMs);

  beforeEach(() => empty(vyos), caseMs);

  /** A case that needs something of the router; without it, it is skipped and says so. */
  const given = (missing: string | undefined) => (name: string, run: () => Promise<void>) => {
    if (missing === undefined) test(name, run, caseMs);
    else test.skip(`${name} (skipped: ${missing})`, () => {});
  };
  const always = given(undefined);
  const knowing = given(candidate.release === undefined ? "VYOS_RELEASE does not say which release it is" : undefined);
  const withInterface = given(
    candidate.interface === undefined ? "VYOS_INTERFACE names none that may go down" : undefined,
  );

  const send = (path: string, data: unknown, key: string | null = router.key): Promise<RawAnswer> => {
    const fields = new URLSearchParams(
      data === undefined ? {} : { data: typeof data === "string" ? data : JSON.stringify(data) },
    );
    if (key !== null) fields.set("key", key);
    return raw(router, path, { type: form, body: fields.toString() });
  };

  describe("writing", () => {
    always("a set makes the group and its members, in the order of their insertion", async () => {
      expect(await vyos.configure([add("192.0.2.5"), add("192.0.2.1")])).toEqual(done);
      expect(await vyos.returnValues(members)).toEqual({ kind: "done", data: ["192.0.2.5", "192.0.2.1"] });
    });

    always("a set of what is there changes nothing and succeeds", async () => {
      await vyos.configure([add("192.0.2.1")]);
      expect(await vyos.configure([add("192.0.2.1")])).toEqual(done);
      expect(await vyos.returnValues(members)).toEqual({ kind: "done", data: ["192.0.2.1"] });
    });

    always("a delete takes one member and leaves the others", async () => {
      await vyos.configure([add("192.0.2.1"), add("192.0.2.2")]);
      expect(await vyos.configure([remove("192.0.2.1")])).toEqual(done);
      expect(await vyos.returnValues(members)).toEqual({ kind: "done", data: ["192.0.2.2"] });
    });

    always("a delete of what is not there succeeds: member, group, or no address at all", async () => {
      expect(await vyos.configure([remove("192.0.2.77")])).toEqual(done);
      await vyos.configure([add("192.0.2.1")]);
      expect(await vyos.configure([remove("192.0.2.77")])).toEqual(done);
      expect(await vyos.configure([remove("not-an-ip")])).toEqual(done);
      expect(await vyos.returnValues(members)).toEqual({ kind: "done", data: ["192.0.2.1"] });
    });

    always("an empty list succeeds", async () => {
      expect(await vyos.configure([])).toEqual(done);
    });

    always("the same operation twice in one request succeeds, and so do opposite ones", async () => {
      expect(await vyos.configure([add("192.0.2.1"), add("192.0.2.1")])).toEqual(done);
      expect(await vyos.returnValues(members)).toEqual({ kind: "done", data: ["192.0.2.1"] });
      const [set, unset] = [add("192.0.2.2"), remove("192.0.2.2")];
      expect(await vyos.configure([set, set, unset, unset])).toEqual(done);
      expect(await vyos.returnValues(members)).toEqual({ kind: "done", data: ["192.0.2.1"] });
    });

    always("the whole answer is these bytes, labelled as HTML", async () => {
      const answer = await send("/configure", [add("192.0.2.1")]);
      expect(answer).toEqual({ status: 200, contentType: "text/html; charset=utf-8", body: ok });
    });

    always("a bad operation anywhere in a request keeps the whole request out", async () => {
      await vyos.configure([add("192.0.2.1")]);
      const good = [add("192.0.2.2"), remove("192.0.2.1")];
      for (const ops of [
        [...good, add("999.1.1.1")],
        [add("999.1.1.1"), ...good],
      ]) {
        expect(await vyos.configure(ops)).toMatchObject({ kind: "rejected", status: 400 });
        expect(await vyos.returnValues(members)).toEqual({ kind: "done", data: ["192.0.2.1"] });
      }
      // Nor does the next request commit what was staged by the refused one.
      expect(await vyos.configure([add("192.0.2.3")])).toEqual(done);
      expect(await vyos.returnValues(members)).toEqual({ kind: "done", data: ["192.0.2.1", "192.0.2.3"] });
    });

    always("what is no address is rejected, by the address", async () => {
      for (const address of ["999.1.1.1", "not-an-ip", "192.0.2.0/24", "2001:db8::1"]) {
        const outcome = await vyos.configure([add(address)]);
        expect(outcome).toMatchObject({ kind: "rejected", status: 400, text: expect.stringContaining(address) });
        expect(outcome).toMatchObject({ text: expect.stringMatching(/Value validation failed\nSet failed\n$/) });
      }
      expect(await vyos.exists(node)).toEqual({ kind: "done", data: false });
    });

    always("a range is a member like another", async () => {
      expect(await vyos.configure([add("192.0.2.10-192.0.2.19")])).toEqual(done);
      expect(await vyos.returnValues(members)).toEqual({ kind: "done", data: ["192.0.2.10-192.0.2.19"] });
    });

    always("a path that the schema does not know is rejected, in both directions", async () => {
      const path = ["firewall", "group", "nonsense", "x"];
      expect(await vyos.configure([{ op: "set", path }])).toEqual({
        kind: "rejected",
        status: 400,
        text: "Configuration path: [firewall group nonsense x] is not valid\n\nSet failed\n",
      });
      expect(await vyos.configure([{ op: "delete", path: ["firewall", "nope"] }])).toEqual({
        kind: "rejected",
        status: 400,
        text: "Configuration path: [firewall nope] is not valid\n\nDelete failed\n",
      });
    });

    always("a leaf without its value is rejected", async () => {
      expect(await vyos.configure([{ op: "set", path: members }])).toEqual({
        kind: "rejected",
        status: 400,
        text: `Configuration path: [firewall group address-group ${group} address] requires a value\nSet failed\n`,
      });
    });

    always("a request without a path is rejected", async () => {
      expect(await vyos.configure([{ op: "set", path: [] }])).toMatchObject({ kind: "rejected", status: 400 });
    });

    always("the two families have groups of their own under one name", async () => {
      expect(await vyos.configure([add("192.0.2.1"), addressOp("set", 6, group, "2001:db8::1")])).toEqual(done);
      expect(await vyos.returnValues(members6)).toEqual({ kind: "done", data: ["2001:db8::1"] });
      expect(await vyos.returnValues(members)).toEqual({ kind: "done", data: ["192.0.2.1"] });
      expect(await vyos.configure([addressOp("set", 6, group, "192.0.2.1")])).toMatchObject({ kind: "rejected" });
      expect(await vyos.configure([addressOp("delete", 6, group, "2001:db8::1")])).toEqual(done);
      expect(await vyos.returnValues(members6)).toEqual({ kind: "done", data: [] });
    });

    always("addresses are texts to VyOS: another spelling is another member", async () => {
      const spellings = ["2001:db8::1", "2001:DB8::1", "2001:db8:0::1"];
      expect(await vyos.configure(spellings.map((address) => addressOp("set", 6, group, address)))).toEqual(done);
      expect(await vyos.returnValues(members6)).toEqual({ kind: "done", data: spellings });
      expect(await vyos.configure([addressOp("delete", 6, group, "2001:0db8::1")])).toEqual(done);
      expect(await vyos.returnValues(members6)).toEqual({ kind: "done", data: spellings });
    });

    always("a comment is taken on what exists and refused on what does not", async () => {
      await vyos.configure([add("192.0.2.1")]);
      expect(await send("/configure", [{ op: "comment", path: node, value: "ours" }])).toMatchObject({
        status: 200,
        body: ok,
      });
      const absent = await send("/configure", [
        { op: "comment", path: [...node.slice(0, -1), `${group}_NOT`], value: "x" },
      ]);
      expect(absent).toMatchObject({ status: 400 });
      expect(errorOf(absent)).toBe("The specified config node does not exist\nComment failed\n");
    });

    always("requests that come together are done one after the other, and none is lost", async () => {
      const addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"];
      const outcomes = await Promise.all(addresses.map((address) => vyos.configure([add(address)])));
      expect(outcomes).toEqual([done, done, done, done]);
      const read = await vyos.returnValues(members);
      expect(read.kind === "done" && [...read.data].sort()).toEqual(addresses);
    });

    always("a list of two hundred is one commit", async () => {
      const addresses = Array.from({ length: 200 }, (_, i) => `198.51.100.${i}`);
      expect(await vyos.configure(addresses.map(add))).toEqual(done);
      expect(await vyos.returnValues(members)).toEqual({ kind: "done", data: addresses });
    });
  });

  describe("reading", () => {
    always("returnValues is always a list: absent, empty, one, many, and for nonsense", async () => {
      expect(await vyos.returnValues(members)).toEqual({ kind: "done", data: [] });
      await vyos.configure([add("192.0.2.1")]);
      expect(await vyos.returnValues(members)).toEqual({ kind: "done", data: ["192.0.2.1"] });
      await vyos.configure([add("192.0.2.5")]);
      expect(await vyos.returnValues(members)).toEqual({ kind: "done", data: ["192.0.2.1", "192.0.2.5"] });
      await vyos.configure([remove("192.0.2.1"), remove("192.0.2.5")]);
      expect(await vyos.returnValues(members)).toEqual({ kind: "done", data: [] });
      expect(await vyos.returnValues(["firewall", "nonsense", "x"])).toEqual({ kind: "done", data: [] });
    });

    always("exists knows groups and members, and that nonsense does not exist", async () => {
      expect(await vyos.exists(node)).toEqual({ kind: "done", data: false });
      await vyos.configure([add("192.0.2.1")]);
      expect(await vyos.exists(node)).toEqual({ kind: "done", data: true });
      expect(await vyos.exists([...members, "192.0.2.1"])).toEqual({ kind: "done", data: true });
      expect(await vyos.exists([...members, "192.0.2.2"])).toEqual({ kind: "done", data: false });
      expect(await vyos.exists(["firewall", "nonsense"])).toEqual({ kind: "done", data: false });
    });

    always("a group outlives its last member", async () => {
      await vyos.configure([add("192.0.2.1")]);
      await vyos.configure([remove("192.0.2.1")]);
      expect(await vyos.exists(node)).toEqual({ kind: "done", data: true });
    });

    always("showConfig gives a text for one and a list for many", async () => {
      await vyos.configure([add("192.0.2.1")]);
      expect(await vyos.showConfig(node)).toEqual({ kind: "done", data: { address: "192.0.2.1" } });
      expect(await vyos.showConfig(members)).toEqual({ kind: "done", data: { address: "192.0.2.1" } });
      await vyos.configure([add("192.0.2.5")]);
      const many = { address: ["192.0.2.1", "192.0.2.5"] };
      expect(await vyos.showConfig(node)).toEqual({ kind: "done", data: many });
      const groups = await vyos.showConfig(node.slice(0, -1));
      // A node of names keeps its own name; a real router has other groups beside ours.
      expect(groups).toMatchObject({ kind: "done", data: { "address-group": { [group]: many } } });
      expect(groups.kind === "done" && stagedMarks(groups.data)).toBe(false);
    });

    always("showConfig of an empty or absent group is an error of VyOS, and an empty tree to us", async () => {
      const bytes = '{"success": false, "error": "Configuration under specified path is empty\\n", "data": null}';
      for (const prepare of [
        async () => {},
        () => vyos.configure([add("192.0.2.1")]).then(() => vyos.configure([remove("192.0.2.1")])),
      ]) {
        await prepare();
        expect(await send("/retrieve", { op: "showConfig", path: node })).toMatchObject({ status: 400, body: bytes });
        expect(await vyos.showConfig(node)).toEqual({ kind: "done", data: {} });
      }
      // Seen from above, the empty group is there.
      expect(await vyos.showConfig(["firewall"])).toMatchObject({
        kind: "done",
        data: { group: { "address-group": { [group]: {} } } },
      });
    });

    always("showConfig of a path that the schema does not know is rejected", async () => {
      expect(await vyos.showConfig(["firewall", "nonsense"])).toEqual({
        kind: "rejected",
        status: 400,
        text: "Specified configuration path is not valid\n",
      });
    });

    always("the bytes of a list", async () => {
      await vyos.configure([add("192.0.2.1"), add("192.0.2.5")]);
      expect(await send("/retrieve", { op: "returnValues", path: members })).toEqual({
        status: 200,
        contentType: "text/html; charset=utf-8",
        body: '{"success": true, "data": ["192.0.2.1", "192.0.2.5"], "error": null}',
      });
    });

    always("returnValue gives the first of many, and nothing for nothing", async () => {
      expect((await send("/retrieve", { op: "returnValue", path: members })).body).toBe(ok);
      await vyos.configure([add("192.0.2.1"), add("192.0.2.5")]);
      expect((await send("/retrieve", { op: "returnValue", path: members })).body).toBe(
        '{"success": true, "data": "192.0.2.1", "error": null}',
      );
    });
  });

  describe("saving", () => {
    always("succeeds", async () => {
      expect(await vyos.save()).toMatchObject({ kind: "done" });
    });

    knowing("says what it does on 1.3 and nothing later", async () => {
      const said = "Saving configuration to '/config/config.boot'...\nDone\n";
      expect(await vyos.save()).toEqual({ kind: "done", data: candidate.release === "1.3" ? said : null });
    });

    always("does not know other operations", async () => {
      const answer = await send("/config-file", { op: "nope" });
      expect(answer.status).toBe(400);
      expect(errorOf(answer)).toMatch(/^['"]nope['"] is not a valid operation$/);
    });
  });

  describe("the key", () => {
    always("that is wrong is refused everywhere, and changes nothing", async () => {
      const stranger = createClient({ url: router.url, key: "wrong", trust: { fingerprint: router.fingerprint } });
      try {
        const refused = { kind: "refused-key", text: "Valid API key is required" };
        expect(await stranger.configure([add("192.0.2.1")])).toEqual(refused);
        expect(await stranger.save()).toEqual(refused);
        expect(await stranger.exists(node)).toEqual(refused);
        expect(await stranger.returnValues(members)).toEqual(refused);
        expect(await stranger.showConfig(node)).toEqual(refused);
      } finally {
        stranger.close();
      }
      expect(await vyos.exists(node)).toEqual({ kind: "done", data: false });
    });

    always("that is wrong gets status 401 as JSON under the name of HTML", async () => {
      for (const key of ["wrong", ""]) {
        expect(await send("/configure", [add("192.0.2.1")], key)).toEqual({
          status: 401,
          contentType: "text/html; charset=utf-8",
          body: '{"success": false, "error": "Valid API key is required", "data": null}',
        });
      }
    });

    knowing("that is missing is 401, or 422 on 1.3", async () => {
      const status = candidate.release === "1.3" ? 422 : 401;
      for (const [path, data] of [
        ["/retrieve", { op: "exists", path: node }],
        ["/config-file", { op: "save" }],
      ] as const) {
        const answer = await send(path, data, null);
        expect(answer).toMatchObject({ status });
        expect(errorOf(answer)).toBe("Valid API key is required");
      }
    });

    knowing("that is missing at /configure is taken for another mistake since 1.4", async () => {
      const answer = await send("/configure", [add("192.0.2.1")], null);
      if (candidate.release === "1.3") expect(errorOf(answer)).toBe("Valid API key is required");
      else
        expect(errorOf(answer)).toMatch(
          /^Malformed command '\{'op': 'set', .*\}': missing 'section' or 'config' field$/,
        );
      expect(answer.status).toBe(candidate.release === "1.3" ? 422 : 400);
      expect(await vyos.exists(node)).toEqual({ kind: "done", data: false });
    });
  });

  describe("requests of other shapes", () => {
    always("a multipart form is as good", async () => {
      const boundary = "contract-boundary";
      const part = (name: string, value: string) =>
        `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
      const body = `${part("data", JSON.stringify([add("192.0.2.1")]))}${part("key", router.key)}--${boundary}--\r\n`;
      expect(
        await raw(router, "/configure", { type: `multipart/form-data; boundary=${boundary}`, body }),
      ).toMatchObject({ status: 200, body: ok });
      expect(await vyos.returnValues(members)).toEqual({ kind: "done", data: ["192.0.2.1"] });
    });

    always("so is JSON, alone or as a list of commands", async () => {
      const one = { key: router.key, op: "set", path: members, value: "192.0.2.1" };
      const list = { key: router.key, commands: [add("192.0.2.2"), add("192.0.2.3")] };
      for (const body of [one, list].map((value) => JSON.stringify(value))) {
        expect(await raw(router, "/configure", { type: "application/json", body })).toMatchObject({
          status: 200,
          body: ok,
        });
      }
      expect(await vyos.returnValues(members)).toEqual({ kind: "done", data: ["192.0.2.1", "192.0.2.2", "192.0.2.3"] });
    });

    always("bad JSON is named as such, even before the key is looked at", async () => {
      for (const key of [router.key, "wrong"]) {
        const answer = await send("/configure", '[{"op"', key);
        expect(answer.status).toBe(400);
        expect(errorOf(answer)).toMatch(/^Failed to parse JSON: /);
      }
    });

    always("no data is 422", async () => {
      const answer = await send("/configure", undefined);
      expect(answer.status).toBe(422);
      expect(errorOf(answer)).toBe("Non-empty data field is required");
    });

    knowing("malformed commands are quoted as Python writes them", async () => {
      const cases: [unknown, string][] = [
        [[{ path: ["a"] }], "Malformed command '{'path': ['a']}': missing 'op' field"],
        [[{ op: "set" }], "Malformed command '{'op': 'set'}': missing 'path' field"],
        [["x"], "Malformed command 'x': any command must be JSON of dict"],
        [[{ op: "set", path: "a b" }], "Malformed command '{'op': 'set', 'path': 'a b'}': 'path' field must be a list"],
        [[{ op: "set", path: [] }], "Malformed command '{'op': 'set', 'path': []}': 'path' list must be non-empty"],
        [[{ op: "frobnicate", path: ["firewall"] }], "'frobnicate' is not a valid operation"],
      ];
      for (const [data, text] of cases) {
        const answer = await send("/configure", data);
        expect(answer.status).toBe(400);
        // 1.3 writes other quotes and other words; only that it refuses is relied on.
        if (candidate.release !== "1.3") expect(errorOf(answer)).toBe(text);
      }
    });

    knowing("an error text of a rolling release is escaped, of others not", async () => {
      const answer = await send("/configure", [{ op: "<b>&", path: ["firewall"] }]);
      const escaped = candidate.release === "current";
      expect(errorOf(answer)).toContain(escaped ? "&lt;b&gt;&amp;" : "<b>&");
    });

    always("GET is not allowed", async () => {
      expect((await raw(router, "/configure", { method: "GET" })).status).toBe(405);
    });

    always("a body of more than a mebibyte is refused by nginx", async () => {
      expect(await send("/configure", " ".repeat(1_100_000)).catch(brokenOff)).toMatchObject({ status: 413 });
    });

    always("and the client calls that rejected", async () => {
      const op = add("1".repeat(1_100_000));
      // nginx may close the connection before it has read everything; then we cannot know.
      expect(["rejected", "unknown"]).toContain((await vyos.configure([op])).kind);
      expect(await vyos.exists(node)).toEqual({ kind: "done", data: false });
    });
  });

  describe("an interface", () => {
    withInterface("is taken down and brought up again, and repeating is harmless", async () => {
      const name = candidate.interface ?? "";
      const path = interfacePath(name) ?? [];
      const [down, up] = [disableOp("set", name), disableOp("delete", name)];
      if (down === undefined || up === undefined) throw new Error(`${name} is no interface that can be disabled`);
      expect(await vyos.exists(path)).toEqual({ kind: "done", data: true });
      try {
        expect(await vyos.exists(down.path)).toEqual({ kind: "done", data: false });
        for (let i = 0; i < 2; i += 1) expect(await vyos.configure([down])).toEqual(done);
        expect(await vyos.exists(down.path)).toEqual({ kind: "done", data: true });
        expect(await vyos.showConfig(path)).toMatchObject({ kind: "done", data: { disable: {} } });
      } finally {
        for (let i = 0; i < 2; i += 1) expect(await vyos.configure([up])).toEqual(done);
      }
      expect(await vyos.exists(down.path)).toEqual({ kind: "done", data: false });
    });
  });

  describe("in trouble", () => {
    const unbreakable = candidate.breakable ? undefined : "faults cannot be asked of a real router";
    const broken = given(unbreakable);
    const old = candidate.release === "1.3";

    afterEach(async () => {
      if (candidate.breakable) await router.fault(undefined);
    });

    broken("somebody else's commit is busy, and nothing is kept", async () => {
      await router.fault({ kind: "commit-lock", times: 1 });
      expect(await vyos.configure([add("192.0.2.1")])).toEqual({
        kind: "busy",
        text: "Configuration system temporarily locked due to another commit in progress\n",
      });
      expect(await vyos.configure([add("192.0.2.2")])).toEqual(done);
      expect(await vyos.returnValues(members)).toEqual({ kind: "done", data: ["192.0.2.2"] });
    });

    broken("a failed commit is a failed commit, and what it staged is gone", async () => {
      await router.fault({ kind: "commit-fails", subtree: "firewall", times: 1 });
      expect(await vyos.configure([add("192.0.2.1")])).toMatchObject({
        kind: "failed-commit",
        text: expect.stringMatching(/^\[ firewall \]\n[^]*\[\[firewall\]\] failed\nCommit failed\n$/),
      });
      expect(await vyos.configure([])).toEqual(done);
      expect(await vyos.exists(node)).toEqual({ kind: "done", data: false });
    });

    broken("a failed commit is not atomic: another subtree stays applied", async () => {
      const [down, up] = [disableOp("set", "eth1"), disableOp("delete", "eth1")];
      if (down === undefined || up === undefined) throw new Error("eth1 is an interface");
      await router.fault({ kind: "partial-commit", subtree: "firewall", times: 1 });
      expect(await vyos.configure([add("192.0.2.1"), down])).toMatchObject({ kind: "failed-commit" });
      expect(await vyos.exists(node)).toEqual({ kind: "done", data: false });
      expect(await vyos.exists(down.path)).toEqual({ kind: "done", data: true });
      expect(await vyos.configure([up])).toEqual(done);
    });

    broken("a read during a commit sees half of it, and the tree shows its marks", async () => {
      await vyos.configure([add("192.0.2.1")]);
      await router.fault({ kind: "slow", ms: 600_000, times: 1, endpoint: "/configure" });
      const writing = vyos.configure([add("192.0.2.2")]);
      let tree: Record<string, unknown> = {};
      while (!stagedMarks(tree)) {
        const read = await vyos.showConfig(node);
        if (read.kind === "done") tree = read.data;
      }
      expect(tree).toEqual({ "+address": "192.0.2.2", address: "192.0.2.1" });
      expect(await vyos.returnValues(members)).toEqual({ kind: "done", data: ["192.0.2.1", "192.0.2.2"] });
      await router.fault(undefined);
      expect(await writing).toEqual(done);
      const after = await vyos.showConfig(node);
      expect(after.kind === "done" && stagedMarks(after.data)).toBe(false);
    });

    broken("warnings of a commit come with its success, on rolling releases", async () => {
      await router.fault({ kind: "commit-warns", times: 1 });
      const outcome = await vyos.configure([add("192.0.2.1")]);
      if (candidate.release === "current") expect(outcome).toMatchObject({ data: expect.stringContaining("WARNING") });
      else expect(outcome).toEqual(done);
    });

    for (const { fault, kind, reason, applied } of [
      { fault: { kind: "403" }, kind: "unreachable", reason: "client-refused", applied: false },
      { fault: { kind: "503" }, kind: "unreachable", reason: "api-off", applied: false },
      { fault: { kind: "api-off" }, kind: "unreachable", reason: "api-off", applied: false },
      {
        fault: { kind: "502" },
        kind: old ? "unreachable" : "unknown",
        reason: old ? "api-off" : "gateway",
        applied: false,
      },
      { fault: { kind: "504" }, kind: "unknown", reason: "gateway", applied: true },
      { fault: { kind: "html-200" }, kind: "unknown", reason: "not-json", applied: false },
      { fault: { kind: "reset", when: "before-commit" }, kind: "unknown", reason: "reset", applied: false },
      { fault: { kind: "reset", when: "after-commit" }, kind: "unknown", reason: "reset", applied: true },
    ]) {
      broken(`${Object.values(fault).join(" ")} is ${kind}, ${reason}`, async () => {
        await router.fault({ ...fault, times: 1, endpoint: "/configure" });
        expect(await vyos.configure([add("192.0.2.1")])).toMatchObject({ kind, reason });
        const data = applied ? ["192.0.2.1"] : [];
        let read = await vyos.returnValues(members);
        // A commit goes on behind a gateway that has given up.
        while (read.kind === "done" && read.data.length !== data.length) read = await vyos.returnValues(members);
        expect(read).toEqual({ kind: "done", data });
      });
    }

    broken("an API that hangs is a timeout, and what it did is seen by reading", async () => {
      for (const apply of [false, true]) {
        await router.fault({ kind: "hang", apply, times: 1, endpoint: "/configure" });
        const hasty = createClient({
          url: router.url,
          key: router.key,
          trust: { fingerprint: router.fingerprint },
          timeouts: { configureMs: 200 },
        });
        expect(await hasty.configure([add("192.0.2.1")])).toMatchObject({ kind: "unknown", reason: "timeout" });
        hasty.close();
        expect(await vyos.exists(node)).toEqual({ kind: "done", data: apply });
        await router.fault(undefined);
      }
    });

    const background = old ? "1.3 has no commits in the background" : unbreakable;
    given(background)("a commit that comes after its answer is unknown until it is read", async () => {
      await router.fault({ kind: "background", times: 1 });
      expect(await vyos.configure([add("192.0.2.1")])).toMatchObject({ kind: "unknown", reason: "background" });
      let read = await vyos.exists(node);
      while (read.kind === "done" && !read.data) read = await vyos.exists(node);
      expect(read).toEqual({ kind: "done", data: true });
    });

    broken("a save that writes nothing is an error on 1.4, and looks like a success on rolling releases", async () => {
      await router.fault({ kind: "save-unwritable", times: 1 });
      const outcome = await vyos.save();
      if (candidate.release === "current") expect(outcome).toEqual(done);
      else expect(outcome).toMatchObject({ kind: "unknown", reason: "server-error" });
    });
  });
});

/** Removes the groups of this suite; both are absent on a router that never met it. */
async function empty(vyos: VyosClient): Promise<void> {
  const outcome = await vyos.configure([
    { op: "delete", path: members.slice(0, -1) },
    { op: "delete", path: members6.slice(0, -1) },
  ]);
  if (outcome.kind !== "done") throw new Error(`the groups ${group} could not be removed: ${JSON.stringify(outcome)}`);
}

function errorOf({ body }: RawAnswer): string {
  return (JSON.parse(body) as { error: string }).error;
}

function brokenOff(error: { code?: string }): { status: number } {
  // The answer was on its way when the connection was reset under the rest of our body.
  return { status: error.code === "EPIPE" || error.code === "ECONNRESET" ? 413 : 0 };
}
