/** The simulator against what the real API server answered, byte by byte. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { type Release, type Router, startRouter } from "./index.ts";
import {
  ban,
  configure,
  form,
  groupPath,
  memberPath,
  nextRequest,
  remove,
  type Reply,
  returnValues,
  save,
  send,
  type Sent,
  set,
  testKey,
  until,
} from "./test-client.ts";
import { transcript } from "./transcript-requests.ts";

function readAnswers(name: string): { name: string; reply: Reply }[] {
  const text = readFileSync(join(import.meta.dirname, "testdata", name), "utf8");
  return text
    .split(/^### /m)
    .slice(1)
    .map((block) => {
      const [title = "", head = "", body = ""] = block.split("\n");
      const space = head.indexOf(" ");
      return { name: title, reply: { status: Number(head.slice(0, space)), contentType: head.slice(space + 1), body } };
    });
}

describe.each(["1.4", "current"] as const)("as VyOS %s answered in one long run", (release: Release) => {
  const answers = readAnswers(`answers-${release}.txt`);

  test("every recorded answer has its request", () => {
    expect(transcript.map(([name]) => name)).toEqual(answers.map(({ name }) => name));
  });

  test("every request gets the recorded status, content type and body", async () => {
    const router = await startRouter({ key: testKey, release });
    const got: { name: string; reply: Reply }[] = [];
    for (const [name, sent] of transcript) got.push({ name, reply: await send(router, sent) });
    await router.close();
    expect(got).toEqual(answers);
  });
});

describe.each(["1.4", "current"] as const)("as VyOS %s answered while commits failed and others worked", (release) => {
  const answers = new Map(readAnswers(`answers-more-${release}.txt`).map(({ name, reply }) => [name, reply]));
  const eth1Disable = ["interfaces", "ethernet", "eth1", "disable"];
  const retrieve = (op: string, path: string[]): Sent => form("/retrieve", { op, path });
  const agree = async (router: Router, name: string, sent: Sent): Promise<void> => {
    expect({ name, reply: await send(router, sent) }).toEqual({ name, reply: answers.get(name) });
  };

  test("a failing script, a warning and another's lock", async () => {
    const router = await startRouter({ key: testKey, release });
    await agree(router, "seed", ban("192.0.2.1"));
    router.inject({ kind: "commit-fails", subtree: "firewall" });
    await agree(router, "partial commit", configure(set(...memberPath("192.0.2.50")), set(...eth1Disable)));
    await agree(router, "group after failed commit", returnValues());
    await agree(router, "eth1 disable after failed commit", retrieve("exists", eth1Disable));
    await agree(router, "only failing subtree", ban("192.0.2.51"));
    await agree(router, "failing delete", configure(remove(...groupPath)));
    router.clearFaults();
    await agree(router, "works again", ban("192.0.2.51"));
    router.inject({ kind: "commit-warns", times: 1 });
    await agree(router, "commit with warning", ban("192.0.2.52"));
    await agree(router, "api while human has uncommitted edits", ban("192.0.2.53"));
    await agree(router, "human edits visible?", retrieve("exists", ["firewall", "group", "address-group", "HUMAN"]));
    router.inject({ kind: "commit-lock", times: 2 });
    await agree(router, "api while human commit runs", ban("192.0.2.54"));
    await agree(router, "delete while human commit runs", configure(remove(...memberPath("192.0.2.1"))));
    await agree(router, "retrieve while human commit runs", retrieve("showConfig", groupPath));
    await agree(router, "save while human commit runs", save());
    await agree(router, "after", returnValues());
    await router.close();
  });

  test("two writers, and readers while the first commit is open", async () => {
    const router = await startRouter({ key: testKey, release });
    await send(router, ban("192.0.2.1", "192.0.2.51", "192.0.2.52", "192.0.2.53"));
    router.inject({ kind: "slow", ms: 3_600_000, times: 1, endpoint: "/configure" });
    const first = agree(router, "A slow", ban("192.0.2.61"));
    await until(
      () => send(router, returnValues()),
      ({ body }) => body.includes("192.0.2.61"),
    );
    const arrived = nextRequest(router, "/configure");
    const second = agree(router, "B queued", ban("192.0.2.62"));
    await arrived;
    await agree(router, "showConfig during A", retrieve("showConfig", groupPath));
    await agree(router, "returnValues during A", returnValues());
    await agree(router, "save during A", save());
    expect(router.savedMembers("BAD_GUYS")).not.toContain("192.0.2.61");
    router.clearFaults();
    await Promise.all([first, second]);
    await agree(router, "service https change", configure(set("service", "https", "port", "8443")));
    await agree(router, "applied?", retrieve("returnValue", ["service", "https", "port"]));
    await router.close();
  });
});
