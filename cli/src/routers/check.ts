/** A router, asked itself: does its API answer, is the key right, and what do its groups hold against what the ledger wants? */

import { connectTo } from "@logwarden/responder/connect";
import { failureOf } from "@logwarden/responder/failure-of";
import { adviceFor, Failure } from "@logwarden/shared/failure";
import { groupPath, interfacePath, type Outcome, type VyosClient } from "@logwarden/vyos";
import type { Router } from "../given/inventory.ts";
import type { Check } from "../show/checks.ts";

/** A person waits. A read takes 40 ms, and stands still while a long list of somebody else's is staged. */
const timeouts = { connectMs: 5000, readMs: 10_000 };

/** @param wanted members that the ledger wants there; undefined: nobody can say */
export async function checkRouter(
  router: Router,
  group: string,
  wanted: readonly string[] | undefined,
): Promise<Check> {
  const check: Check = { router: router.key, ok: false, members: null, missing: null, wrong: [] };
  try {
    const client = connectTo(router.api, timeouts);
    try {
      await lookAtGroups(client, group, wanted, check);
      await lookAtInterfaces(client, router.protect, check);
    } finally {
      client.close();
    }
  } catch (error) {
    if (error instanceof Failure) {
      check.wrong.push({ what: error.code, detail: error.detail, advice: adviceFor(error.code) });
    } else if (error instanceof TypeError) {
      // What cannot be right of its options: a URL, a certificate that is none.
      check.wrong.push({ what: "api", detail: error.message, advice: "Mend `api` of this device in the inventory." });
    } else throw error;
  }
  return { ...check, ok: check.wrong.length === 0 };
}

async function lookAtGroups(
  client: VyosClient,
  group: string,
  wanted: readonly string[] | undefined,
  check: Check,
): Promise<void> {
  const members = new Set<string>();
  for (const family of [4, 6] as const) {
    const path = groupPath(family, group);
    if (!done(await client.exists(path.slice(0, -1)))) {
      check.wrong.push({
        ...{ what: "group-absent", detail: `there is no ${path.slice(2, -1).join(" ")}` },
        advice: "No firewall rule can drop what is banned: logwarden router-config has the group and the rules.",
      });
      continue;
    }
    for (const member of done(await client.returnValues(path))) members.add(member);
  }
  check.members = members.size;
  if (wanted === undefined) return;
  check.missing = wanted.filter((member) => !members.has(member));
  if (check.missing.length === 0) return;
  check.wrong.push({
    ...{
      what: "members-missing",
      detail: `${check.missing.length} of ${wanted.length} that the ledger wants are not there`,
    },
    advice: "A responder is on its way, or cannot: see logwarden status, or logwarden routers reconcile.",
  });
}

async function lookAtInterfaces(client: VyosClient, names: readonly string[], check: Check): Promise<void> {
  for (const name of names) {
    const path = interfacePath(name);
    if (path !== undefined && done(await client.exists(path))) continue;
    check.wrong.push({
      ...{ what: "protect-absent", detail: `protect names ${name}, and the router has no such interface` },
      advice: "A typo there protects nothing: correct `protect` in the inventory.",
    });
  }
}

/** @throws Failure for every other answer */
function done<T>(answer: Outcome<T>): T {
  if (answer.kind === "done") return answer.data;
  throw failureOf(answer);
}
