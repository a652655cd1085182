// Whoever only looks makes no ledger and changes none.

import { afterEach, expect, test } from "@jest/globals";
import Database from "better-sqlite3";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { openLedger } from "../src/index.ts";

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});
function directory(): string {
  const path = mkdtempSync(`${tmpdir()}/logwarden-ledger-`);
  directories.push(path);
  return path;
}

test("where there is none, none is made", async () => {
  const place = directory();
  await expect(openLedger({ file: `${place}/ledger.db`, existingOnly: true })).rejects.toMatchObject({
    code: "ledger-absent",
    message: expect.stringContaining(`there is none at ${place}/ledger.db`),
  });
  expect(readdirSync(place)).toEqual([]);
  await expect(openLedger({ file: `${place}/no/ledger.db`, existingOnly: true })).rejects.toMatchObject({
    code: "ledger-absent",
  });
  expect(existsSync(`${place}/no`)).toBe(false);
});

test("one of this release is opened, beside whoever works with it", async () => {
  const file = `${directory()}/ledger.db`;
  const writer = await openLedger({ file });
  const reader = await openLedger({ file, existingOnly: true });
  expect(await reader.countBanned(0)).toBe(0);
  await reader.close();
  await writer.close();
});

test("one that lacks a migration is left as it is", async () => {
  const file = `${directory()}/ledger.db`;
  await (await openLedger({ file })).close();
  const raw = new Database(file);
  raw.exec("delete from ledger_migrations where name = (select max(name) from ledger_migrations)");
  const left = raw.prepare("select name from ledger_migrations").all();
  await expect(openLedger({ file, existingOnly: true })).rejects.toMatchObject({
    code: left.length === 0 ? "ledger-absent" : "ledger-older",
  });
  expect(raw.prepare("select name from ledger_migrations").all()).toEqual(left);
  raw.close();
});
