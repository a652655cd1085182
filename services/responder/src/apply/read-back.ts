/**
 * What the router shows now of what a plan wants: group members and disabled interfaces.
 *
 * Reads of VyOS are not isolated: while a commit is open, even a plain read gives its staged values. So the read begins
 * with a look for an open commit (showConfig marks staged keys with + and -); while one is open nothing is known.
 */

import { Failure } from "@logwarden/shared/failure";
import { groupPath, stagedMarks, type VyosClient } from "@logwarden/vyos";
import type { Change, Proof } from "../plan/plan.ts";
import { failureOf } from "./failure-of.ts";

export interface Shown {
  members: ReadonlySet<string>;
  disabled: ReadonlySet<string>;
}

export type ReadBack = { kind: "state"; state: Shown } | { kind: "failed"; failure: Failure };

/** Reads only what the changes are about: one request per family, two per interface. */
export async function readBack(
  client: VyosClient,
  group: string,
  changes: readonly Pick<Change<unknown>, "proof">[],
): Promise<ReadBack> {
  const proofs = changes.map(({ proof }) => proof);
  const members = new Set<string>();
  const disabled = new Set<string>();
  const families = new Set(proofs.flatMap((proof) => (proof.kind === "member" ? [proof.family] : [])));
  for (const family of families) {
    const path = groupPath(family, group);
    // The group itself: further up, VyOS answers a staged change with a 500, which tells less.
    const open = await commitOpen(client, path.slice(0, -1));
    if (open !== undefined) return { kind: "failed", failure: open };
    const answer = await client.returnValues(path);
    if (answer.kind !== "done") return { kind: "failed", failure: failureOf(answer) };
    for (const member of answer.data) members.add(member);
  }
  for (const proof of proofs) {
    if (proof.kind !== "disabled") continue;
    const open = await commitOpen(client, proof.interfacePath);
    if (open !== undefined) return { kind: "failed", failure: open };
    const answer = await client.exists(proof.path);
    if (answer.kind !== "done") return { kind: "failed", failure: failureOf(answer) };
    if (answer.data) disabled.add(proof.path.join(" "));
  }
  return { kind: "state", state: { members, disabled } };
}

/** Whether the router shows what the change wants. */
export function shows(shown: Shown, proof: Proof): boolean {
  return proof.kind === "member" ? shown.members.has(proof.address) : shown.disabled.has(proof.path.join(" "));
}

async function commitOpen(client: VyosClient, path: readonly string[]): Promise<Failure | undefined> {
  const answer = await client.showConfig(path);
  if (answer.kind !== "done") return failureOf(answer);
  return stagedMarks(answer.data) ? new Failure("change-unknown", "a commit is still open on the router") : undefined;
}
