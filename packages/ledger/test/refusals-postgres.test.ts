// What a PostgreSQL ledger says when it is refused, and when the server goes away. No message ever holds a password.

import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import { freePort } from "@logwarden/lab/parts/loopback";
import { type Ledger, LedgerError, type LedgerOptions, openLedger } from "../src/index.ts";
import { openPostgres } from "../src/postgres.ts";
import { ledgerOver } from "../src/sql-ledger.ts";
import { atEnd, freshDatabase, opened, ownPostgres, query } from "./parts/rig.ts";
import { ban, newBan, noon, see, newSighting } from "./parts/values.ts";

const server = ownPostgres({ max_connections: "20" });

/** What it refused with: its message, which begins with the code, and those of its causes. */
async function refusal(options: LedgerOptions): Promise<string> {
  try {
    await (await openLedger(options)).close();
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    const { message, cause } = error;
    expect(`${message} ${String(cause)} ${JSON.stringify(cause)}`).not.toContain("password-of-");
    return message;
  }
  return "opened";
}

test("nobody at that address", async () => {
  const { host } = server();
  const port = await freePort(host);
  const message = await refusal({ url: `postgres://ada:password-of-ada@${host}:${port}/ledger` });
  expect(message).toMatch(`database-unreachable: postgres://ada@${host}:${port}/ledger: `);
  expect(message).toMatch(/ECONNREFUSED.*look at address/);
  expect(await refusal({ url: "postgres:///ledger?host=/nowhere&password=password-of-ada" })).toMatch(
    /^database-unreachable: postgres:\/\/\/nowhere\/ledger/,
  );
});

test("a wrong password, an unknown user, a database that is not there", async () => {
  const { host, port, user } = server();
  for (const who of [`${user}:password-of-nobody`, "nobody:password-of-nobody"]) {
    const message = await refusal({ url: `postgres://${who}@${host}:${port}/postgres` });
    expect(message).toMatch(/^access-refused: .*authentication failed.*mend user, password/);
  }
  expect(await refusal({ url: server().url("nothing") })).toMatch(/^access-refused: .*does not exist.*createdb/);
});

test("an address that cannot be read, and one without a password", async () => {
  expect(await refusal({ url: "postgres://ada:password-of-#/ada@host:none/db" })).toMatch(/^address-invalid: expected/);
  const { host, port, user } = server();
  expect(await refusal({ url: `postgres://${user}@${host}:${port}/postgres` })).toMatch(/^access-refused: /);
});

test("a user who may not make tables", async () => {
  const url = await freshDatabase(server());
  const { host, port } = server();
  await query(url, "create role reader login password 'password-of-reader'");
  const database = new URL(url).pathname;
  expect(await refusal({ url: `postgres://reader:password-of-reader@${host}:${port}${database}` })).toMatch(
    /^access-refused: .*permission denied/,
  );
});

test("tables of another program, in which nothing is changed", async () => {
  const url = await freshDatabase(server());
  await query(url, "create table bans (song text)");
  expect(await refusal({ url })).toMatch(/^database-foreign: .*the tables bans of another program/);
  expect(await query(url, "select tablename from pg_tables where schemaname = 'public'")).toHaveLength(1);
});

test("a database of a newer release", async () => {
  const url = await freshDatabase(server());
  await (await openLedger({ url })).close();
  await query(url, "insert into ledger_migrations values ('9999-tomorrow')");
  expect(await refusal({ url })).toMatch(/^database-newer: .*unknown migration 9999-tomorrow/);
});

test("a server that takes no more connections", async () => {
  const url = await freshDatabase(server());
  await query(url, `alter database ${new URL(url).pathname.slice(1)} connection limit 0`);
  await query(server().url(), "create role ada login password 'password-of-ada'");
  const { host, port } = server();
  const message = await refusal({ url: `postgres://ada:password-of-ada@${host}:${port}${new URL(url).pathname}` });
  expect(message).toMatch(/^database-unreachable: .*too many connections/);
});

test("a connection that is ended meanwhile: the caller hears of it, the next call has a new one", async () => {
  const url = await freshDatabase(server());
  const ledger = await opened({ url });
  const kill = `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'logwarden' and datname = current_database()`;
  const deciding = ledger.decide(async (one) => {
    await one.addSightings([newSighting({ subject: "203.0.113.7" })], noon);
    await query(url, kill);
    await one.addBans([newBan({ subject: "203.0.113.7" })]);
  });
  await expect(deciding).rejects.toMatchObject({ code: "connection-lost", passing: true });
  expect(await ledger.sightings({})).toEqual([]);
  await ban(ledger, newBan({ subject: "203.0.113.7" }));
  await query(url, kill);
  await sleep(50);
  expect(await ledger.countBanned(noon)).toBe(1);
});

test("a transaction that another holds up for too long is given up, and says so", async () => {
  const url = await freshDatabase(server());
  const holder = await opened({ url });
  const waiter = await openImpatient(url);
  let letGo = (): void => {};
  const held = new Promise<void>((resolve) => (letGo = resolve));
  const holding = holder.decide(async (deciding) => {
    await deciding.lock(["203.0.113.7"]);
    await held;
  });
  while (
    (
      await query(
        url,
        "select 1 from pg_stat_activity where state = 'idle in transaction' and datname = current_database()",
      )
    ).length === 0
  );
  await expect(see(waiter, newSighting({ subject: "203.0.113.7" }))).rejects.toMatchObject({ code: "database-busy" });
  letGo();
  await holding;
  await see(waiter, newSighting({ subject: "203.0.113.7" }));
});

/** A ledger that waits for nobody. */
async function openImpatient(url: string): Promise<Ledger> {
  const engine = await openPostgres(url, { poolMax: 1, connectMsMax: 300, lockMsMax: 50, answerMsMax: 500 });
  atEnd(() => engine.close());
  return ledgerOver({ ...engine, repeatMsMax: 200 });
}

test("an address where somebody accepts and never answers", async () => {
  const silent = createServer();
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  atEnd(() => silent.close());
  const { port } = silent.address() as AddressInfo;
  const opening = openImpatient(`postgres://ada:password-of-ada@127.0.0.1:${port}/ledger`);
  await expect(opening).rejects.toMatchObject({ code: "database-unreachable", passing: true });
});

test("a connection that no longer answers is given up, and nobody waits behind it", async () => {
  const url = await freshDatabase(server());
  const ledger = await openImpatient(url);
  expect(await ledger.countBanned(noon)).toBe(0);
  const [row] = (await query(
    url,
    "select pid from pg_stat_activity where application_name = 'logwarden' and datname = current_database()",
  )) as { pid: number }[];
  const pid = row?.pid ?? 0;
  process.kill(pid, "SIGSTOP");
  atEnd(() => process.kill(pid, "SIGCONT"));
  await expect(ledger.countBanned(noon)).rejects.toMatchObject({ code: "connection-lost", passing: true });
  expect(await ledger.countBanned(noon)).toBe(0);
});

test("a server that ends and comes again is found again", async () => {
  const url = await freshDatabase(server());
  const ledger = await opened({ url });
  await ban(ledger, newBan({ subject: "203.0.113.7" }));
  server().program.signal("SIGINT");
  await server().program.ended;
  await expect(ledger.countBanned(noon)).rejects.toMatchObject({ passing: true });
  await server().restart();
  expect(await ledger.countBanned(noon)).toBe(1);
});
