// The never-ban list is edited while a decision waits for the ledger, which is a real one.

import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { type Ledger, openLedger } from "@logwarden/ledger";
import { systemClock } from "@logwarden/shared/clock";
import { parseInventory } from "@logwarden/shared/inventory";
import { Task } from "@logwarden/shared/task";
import { createDecider, type Decision } from "../src/decide/decide.ts";
import { liftAllowed } from "../src/housekeeping.ts";
import { silent } from "./silent.ts";

const attacker = "2001:db8:0:1::1";
const neighbour = "2001:db8:0:1::2";
const wholeNetwork = "2001:db8:0:1::-2001:db8:0:1:ffff:ffff:ffff:ffff";
const host = "10.10.10.201";

const policies = { password_failed: { maxRetry: 1 }, peer_ban: { maxRetry: 1, targets: ["self"] } };
const inventoryThatAllows = (allow: readonly string[]) =>
  parseInventory(JSON.stringify({ devices: { "edge-1": { address: host } }, allow, policies }), "a test");

let ledger: Ledger;
beforeEach(async () => {
  ledger = await openLedger({ file: ":memory:" });
});
afterEach(() => ledger.close());

/** A ledger whose turn comes late: until it comes the list allows `before`, then `after`. */
function editedMeanwhile(before: readonly string[], after: readonly string[]) {
  const edited = inventoryThatAllows(after);
  let { neverBan } = inventoryThatAllows(before);
  const busy: Ledger = {
    ...ledger,
    decide: (work) => {
      ({ neverBan } = edited);
      return ledger.decide(work);
    },
  };
  return { ledger: busy, clock: systemClock, neverBan: () => neverBan, log: silent };
}

async function decideWhileEdited(
  task: Record<string, string>,
  allow: readonly string[],
): Promise<Decision | undefined> {
  return decideWith(editedMeanwhile([], allow), "t1", task);
}

async function decideWith(
  going: ReturnType<typeof editedMeanwhile>,
  taskId: string,
  task: Record<string, string>,
): Promise<Decision | undefined> {
  const { policies: parsed, ipv6Prefix } = inventoryThatAllows([]);
  const decider = createDecider({ ...going, policies: parsed, ipv6Prefix, unbanGraceMs: 0, dryRun: false });
  const place = { key: "edge-1", tags: [] };
  const [decision] = await decider.decide([{ task: Task.parse({ host, ...task }), taskId, place }]);
  return decision;
}

const banned = (): Promise<string[]> => ledger.bannedSubjects(Date.now());
const failure = { type: "password_failed", from: attacker };

test("the network of an attacker is banned", async () => {
  await decideWhileEdited(failure, []);
  expect(await banned()).toEqual([wholeNetwork]);
});

test("the network of somebody who is allowed meanwhile is not: the attacker alone is", async () => {
  expect(await decideWhileEdited(failure, [neighbour])).toMatchObject({ kind: "enforce", subjects: [attacker] });
  expect(await banned()).toEqual([attacker]);
});

test("who is allowed meanwhile is not banned for what a log says", async () => {
  expect(await decideWhileEdited(failure, [attacker])).toMatchObject({ kind: "nothing", reason: "never-ban" });
  expect(await banned()).toEqual([]);
});

test("nor because somebody asked for it, and the refusal is written down once", async () => {
  const order = { type: "ban", address: attacker, by: "a person" };
  expect(await decideWhileEdited(order, [attacker])).toMatchObject({ kind: "nothing", reason: "never-ban" });
  expect(await banned()).toEqual([]);
  const trail = await ledger.auditTrail({ subject: attacker });
  expect(trail).toMatchObject([{ actor: "a person", action: "refuse", reason: `allow ${attacker}/128` }]);
});

test("nor is a ban lifted for the sake of a list that no longer allows whom it holds", async () => {
  await decideWhileEdited(failure, []);
  const orders = { give: () => Promise.reject(new Error("nobody is to be told")) };
  await liftAllowed({ ...editedMeanwhile([neighbour], []), orders });
  expect(await banned()).toEqual([wholeNetwork]);
});

describe("when the list has changed since, and with it what an address is banned as,", () => {
  let neverBan = inventoryThatAllows([]).neverBan;
  const editTo = (allow: readonly string[]): void => void ({ neverBan } = inventoryThatAllows(allow));
  const decide = async (taskId: string, task: Record<string, string>): Promise<Decision | undefined> => {
    const going = { ledger, clock: systemClock, neverBan: () => neverBan, log: silent };
    return decideWith(going, taskId, task);
  };

  test("a task that came during a ban is about that ban when it comes again", async () => {
    editTo([neighbour]);
    await decide("t1", failure);
    const during = { kind: "enforce", subjects: [attacker] };
    expect(await decide("t2", failure)).toMatchObject(during);
    editTo([]);
    expect(await decide("t2", failure)).toMatchObject(during);
    expect(await banned()).toEqual([attacker]);
  });

  test.each([
    ["the address alone", [neighbour], [], attacker],
    ["its network", [], [neighbour], wholeNetwork],
  ])("a peer's unban ends its ban of %s", async (_, before, after, subject) => {
    const peer = { type: "peer_ban", from: attacker };
    editTo(before);
    await decide("t1", { ...peer, action: "ban" });
    expect(await banned()).toEqual([subject]);
    editTo(after);
    expect(await decide("t2", { ...peer, action: "unban" })).toMatchObject({ kind: "enforce" });
    expect(await banned()).toEqual([]);
  });
});
