// A ledger in PostgreSQL: its URL is a secret in a file, and looking makes no tables.

import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type Postgres, startPostgres } from "@logwarden/lab/parts/postgres";
import { openLedger } from "@logwarden/ledger";
import { file } from "./command.ts";
import { addBan, rig } from "./rig.ts";

let server: Postgres | undefined;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server?.remove());

test("is found by its file; until a responder has made it there is none, and afterwards it is read", async () => {
  const url = server?.url() ?? "";
  expect(url).toContain(server?.password);
  const { run } = await rig({ LOGWARDEN_LEDGER_URL_FILE: file("url", `${url}\n`) });
  for (let times = 0; times < 2; times++) {
    const none = await run("bans");
    expect(none).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("there is none at postgres://"),
    });
    expect(none.stderr).not.toContain(server?.password);
  }
  const ledger = await openLedger({ url });
  try {
    await addBan(ledger, "203.0.113.9");
    expect(await run("bans", "show", "203.0.113.9", "--report-absent")).toMatchObject({ code: 0, stderr: "" });
    expect((await run("audit")).stdout).toMatch(/policy +ban +203\.0\.113\.9/);
  } finally {
    await ledger.close();
  }
});

test("is refused with its password in the open, which is not repeated", async () => {
  const { run } = await rig();
  const { code, stderr } = await run("bans", "--ledger", server?.url() ?? "");
  expect(code).toBe(2);
  expect(stderr).toContain("LOGWARDEN_LEDGER: holds a password; write the whole URL into a file");
  expect(stderr).not.toContain(server?.password);
});

test("that nobody reaches is said with its address", async () => {
  const { run } = await rig({ LOGWARDEN_LEDGER: `postgres://jo@${server?.host}:1/ledger` });
  const { code, stderr } = await run("bans");
  expect(code).toBe(1);
  expect(stderr).toMatch(/^logwarden bans: no ledger can be read: .*:1\/ledger/);
});
