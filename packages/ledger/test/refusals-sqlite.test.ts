// What a SQLite ledger refuses to open, and what it says then. Never is an empty ledger made of what somebody else wrote.

import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import Database from "better-sqlite3";
import { LedgerError, openLedger } from "../src/index.ts";
import { ledgerOver } from "../src/sql-ledger.ts";
import { openSqlite } from "../src/sqlite.ts";
import { atEnd, child, opened, temporaryDirectory } from "./parts/rig.ts";
import { addressOf, ban, newBan, noon } from "./parts/values.ts";

const place = (): string => join(temporaryDirectory(), "ledger.db");

/** What it refused with, as its message, which begins with the code. */
async function refusal(file: string): Promise<string> {
  try {
    await (await openLedger({ file })).close();
  } catch (error) {
    if (error instanceof LedgerError) return error.message;
    throw error;
  }
  return "opened";
}

test("a directory that is not there", async () => {
  const file = join(temporaryDirectory(), "missing", "ledger.db");
  expect(await refusal(file)).toMatch(/^directory-missing: expected a directory .*there is no .*missing; make it/);
});

test("a path that leads through a file, or to a directory", async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, "file"), "x");
  expect(await refusal(join(directory, "file", "ledger.db"))).toMatch(/^directory-missing: /);
  expect(await refusal(directory)).toMatch(/^not-a-database: expected a file/);
});

test("a file without bytes, which stays as it is", async () => {
  const file = place();
  writeFileSync(file, "");
  expect(await refusal(file)).toMatch(/^file-empty: .* 0 bytes; restore a backup, or delete it/);
  expect(readFileSync(file)).toHaveLength(0);
});

test("a file that is no database", async () => {
  const file = place();
  writeFileSync(file, "Nov 28 12:00:00 edge-1 sshd[1]: Failed password\n".repeat(1000));
  expect(await refusal(file)).toMatch(/^not-a-database: .*restore a backup/);
});

test("a sound database of another program, in which nothing is changed", async () => {
  const file = place();
  const other = new Database(file);
  other.exec("create table songs (name text)");
  other.close();
  const before = readFileSync(file);
  expect(await refusal(file)).toMatch(/^database-foreign: .*another program/);
  expect(readFileSync(file).equals(before)).toBe(true);
});

test("a database of a newer release, in which nothing is changed", async () => {
  const file = place();
  await (await openLedger({ file })).close();
  const raw = new Database(file);
  raw.exec("insert into ledger_migrations values ('9999-tomorrow')");
  raw.close();
  expect(await refusal(file)).toMatch(/^database-newer: .*unknown migration 9999-tomorrow; run the release/);
});

test("a database that lost its end, or was overwritten in the middle or in one page", async () => {
  for (const damage of [
    (file: string) => truncateSync(file, 40_000),
    (file: string) => {
      const bytes = readFileSync(file);
      bytes.fill(0x5a, 16_384, bytes.length - 4096);
      writeFileSync(file, bytes);
    },
    // One page far behind what is read first.
    (file: string) => {
      const bytes = readFileSync(file);
      const page = Math.floor((bytes.length * 0.75) / 4096) * 4096;
      writeFileSync(file, bytes.fill(0x5a, page, page + 4096));
    },
  ]) {
    const file = place();
    const ledger = await openLedger({ file });
    await ban(ledger, ...Array.from({ length: 500 }, (_, at) => newBan({ subject: addressOf(at) })));
    await ledger.close();
    damage(file);
    expect(await refusal(file)).toMatch(/^database-damaged: .*restore a backup/);
  }
});

test("a command may look at the header only, and then finds damage when it meets it", async () => {
  const file = place();
  const ledger = await openLedger({ file });
  await ban(ledger, ...Array.from({ length: 500 }, (_, at) => newBan({ subject: addressOf(at) })));
  await ledger.close();
  const bytes = readFileSync(file);
  bytes.fill(0x5a, bytes.length / 2);
  writeFileSync(file, bytes);
  const hasty = await opened({ file, check: "header" });
  await expect(hasty.bans({ limit: 500 })).rejects.toMatchObject({ code: "database-damaged" });
});

test("what it may not write: the directory, or the file", async () => {
  const file = place();
  await (await openLedger({ file })).close();
  const directory = join(file, "..");
  chmodSync(file, 0o444);
  chmodSync(directory, 0o755);
  expect(refusalOfNobody(file)).toMatch(/^not-writable: expected to write in .*mend owner, mode or mount/);
  chmodSync(directory, 0o777);
  expect(refusalOfNobody(file)).toMatch(/^not-writable: expected to read and write the ledger/);
  expect(refusalOfNobody(join(directory, "new.db"))).toBe("opened");
});

/** Root may write everywhere, so the program that opens it is nobody's. */
function refusalOfNobody(file: string): string {
  const module = new URL("../src/index.ts", import.meta.url);
  const program = `
    import { openLedger } from ${JSON.stringify(module.href)};
    const say = (text) => process.stdout.write(text);
    await openLedger({ file: ${JSON.stringify(file)} }).then((one) => one.close()).then(() => say("opened"), (error) => say(error.message));`;
  const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
    ...{ encoding: "utf8", ...nobody },
  });
  return stdout === "" ? stderr : stdout;
}

test("a disk that is full says so, and leaves what was there", async () => {
  const file = place();
  const ledger = await opened({ file });
  await ban(ledger, newBan({ subject: "203.0.113.7", id: "before" }));
  // SQLite's own bound on its pages answers as a full disk does.
  const full = await openFull(file);
  const many = Array.from({ length: 5000 }, (_, at) => newBan({ subject: addressOf(at) }));
  await expect(ban(full, ...many)).rejects.toMatchObject({ code: "disk-full", passing: true });
  expect((await ledger.bans({})).map(({ id }) => id)).toEqual(["before"]);
  await ban(full, newBan({ subject: "203.0.113.8", id: "after" }));
  expect(await ledger.countBanned(noon)).toBe(2);
});

async function openFull(file: string) {
  const engine = await openSqlite(file);
  atEnd(() => engine.close());
  engine.raw.pragma("max_page_count = 120");
  return ledgerOver(engine);
}

test("an address that is none", async () => {
  for (const options of [
    {},
    { file: "" },
    { file: "file:x" },
    { url: "mysql://x" },
    { url: "postgres://x", file: "y" },
  ]) {
    await expect(openLedger(options)).rejects.toMatchObject({ code: "address-invalid" });
  }
});

test("a new ledger is there only when it is whole: killed at any time, the next start finds it or makes it", async () => {
  const directory = temporaryDirectory();
  const file = join(directory, "ledger.db");
  for (let attempt = 0; attempt < 6; attempt += 1) {
    const starting = child({ file }, "open");
    const killer = setInterval(() => {
      // As soon as anything of it is to be seen.
      if (readdirSync(directory).some((name) => name.includes(".new-"))) starting.process.kill("SIGKILL");
    }, 1);
    await starting.lines().catch(() => "killed");
    clearInterval(killer);
    if (existsSync(file)) break;
  }
  expect(await refusal(file)).toBe("opened");
});

test("what a killed process left beside the file does not matter", async () => {
  const directory = temporaryDirectory();
  const file = join(directory, "ledger.db");
  const dying = child({ file }, "die", "203.0.113.7");
  await dying.line();
  dying.process.kill("SIGKILL");
  await dying.lines().catch(() => "killed");
  expect(readdirSync(directory)).toContain("ledger.db-wal");
  const ledger = await opened({ file });
  expect(await ledger.bans({})).toEqual([]);
});

test("opening leaves nothing beside the file when it is closed", async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, "data"));
  await (await openLedger({ file: join(directory, "data", "ledger.db") })).close();
  expect(readdirSync(join(directory, "data"))).toEqual(["ledger.db"]);
});
