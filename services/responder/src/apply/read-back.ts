/**
 * What the router shows now of what a plan wants: group members and disabled interfaces.
 *
 * Reads of VyOS are not isolated: while a commit is open, even a plain read gives its staged values. So the read begins
 * with a look for an open commit (showConfig marks staged keys with + and -); while one is open nothing is known.
 */

import type { Clock } from "@logwarden/shared/clock";
import { Failure } from "@logwarden/shared/failure";
import { groupPath, stagedMarks, type VyosClient } from "@logwarden/vyos";
import type { Change, Members, Proof } from "../plan/plan.ts";
import { failureOf } from "./failure-of.ts";

export interface Shown {
  members: ReadonlySet<string>;
  disabled: ReadonlySet<string>;
}

export type ReadBack = { kind: "state"; state: Shown } | { kind: "failed"; failure: Failure };

export interface ReadBackInput {
  group: string;
  changes: readonly Pick<Change, "proof">[];
  /** How long an open commit (our own whose answer was lost, or somebody else's) may take to end. */
  patienceMs: number;
  clock: Clock;
}

/** An open commit is looked at this often: a small part of the shortest commit (0.13 s). */
const lookAgainMs = 50;

/** Reads only what the changes are about: two requests per family, two per interface, once no commit is open. */
export async function readBack(client: VyosClient, input: ReadBackInput): Promise<ReadBack> {
  const { group, changes, clock } = input;
  const giveUpAtMs = clock.monotonicMs() + input.patienceMs;
  const proofs = changes.map(({ proof }) => proof);
  const members = new Set<string>();
  const disabled = new Set<string>();
  const families = new Set(proofs.flatMap((proof) => (proof.kind === "member" ? [proof.family] : [])));
  for (const family of families) {
    const answer = await readFamily(client, family, group, clock, giveUpAtMs);
    if (answer.kind === "failed") return answer;
    for (const member of answer.members) members.add(member);
  }
  for (const proof of proofs) {
    if (proof.kind !== "disabled") continue;
    const open = await commitEnded(client, proof.interfacePath, clock, giveUpAtMs);
    if (open !== undefined) return { kind: "failed", failure: open };
    const answer = await client.exists(proof.path);
    if (answer.kind !== "done") return { kind: "failed", failure: failureOf(answer) };
    if (answer.data) disabled.add(proof.path.join(" "));
  }
  return { kind: "state", state: { members, disabled } };
}

/** Whether the router shows what the change wants. */
export function shows(shown: Shown, proof: Proof): boolean {
  const isThere = proof.kind === "member" ? shown.members.has(proof.address) : shown.disabled.has(proof.path.join(" "));
  return isThere === proof.present;
}

/** Reads both groups, once no commit is open. */
export async function readMembers(
  client: VyosClient,
  { group, patienceMs, clock }: Omit<ReadBackInput, "changes">,
): Promise<{ kind: "members"; members: Members } | { kind: "failed"; failure: Failure }> {
  const giveUpAtMs = clock.monotonicMs() + patienceMs;
  const [four, six] = [
    await readFamily(client, 4, group, clock, giveUpAtMs),
    await readFamily(client, 6, group, clock, giveUpAtMs),
  ];
  if (four.kind === "failed") return four;
  if (six.kind === "failed") return six;
  return { kind: "members", members: { 4: new Set(four.members), 6: new Set(six.members) } };
}

async function readFamily(
  client: VyosClient,
  family: 4 | 6,
  group: string,
  clock: Clock,
  giveUpAtMs: number,
): Promise<{ kind: "members"; members: string[] } | { kind: "failed"; failure: Failure }> {
  const path = groupPath(family, group);
  // The group itself: further up, VyOS answers a staged change with a 500, which tells less.
  const open = await commitEnded(client, path.slice(0, -1), clock, giveUpAtMs);
  if (open !== undefined) return { kind: "failed", failure: open };
  const answer = await client.returnValues(path);
  return answer.kind === "done"
    ? { kind: "members", members: answer.data }
    : { kind: "failed", failure: failureOf(answer) };
}

/** Waits until nothing is staged below the path. @returns why that cannot be known; undefined when nothing is */
async function commitEnded(
  client: VyosClient,
  path: readonly string[],
  clock: Clock,
  giveUpAtMs: number,
): Promise<Failure | undefined> {
  for (;;) {
    const answer = await client.showConfig(path);
    // VyOS answers some reads with a 500 while a commit is open.
    const mayBeOpen = answer.kind === "unknown" && answer.reason === "server-error";
    if (answer.kind !== "done" && !mayBeOpen) return failureOf(answer);
    if (answer.kind === "done" && !stagedMarks(answer.data)) return undefined;
    if (clock.monotonicMs() >= giveUpAtMs) {
      return answer.kind === "done"
        ? new Failure("change-unknown", "a commit is still open on the router")
        : failureOf(answer);
    }
    await clock.sleep(lookAgainMs);
  }
}
