/**
 * Plan → Change: commits each request, saves once, and reads the router back.
 *
 *   configure ──▶ save ──▶ verify ──▶ done
 *       │           │         └─ not shown: again later
 *       │           └─ failed: applied, but a reboot would undo it: again later
 *       ├─ rejected, or the commit failed: halve the request, so that one bad change never holds back the good ones
 *       └─ outcome unknown: read the router, never send again blind
 *
 * A 200 for save is no proof (1.5 and current answer it even when nothing was written), and the API cannot show the
 * saved file; the check is what can be checked: that the router answers the save and shows the change afterwards.
 *
 * Facts come from packages/vyos; what they mean for a task is decided here.
 */

import { Failure } from "@logwarden/shared/failure";
import type { VyosClient } from "@logwarden/vyos";
import type { Change, PlannedRequest } from "../plan/plan.ts";
import { failureOf } from "./failure-of.ts";
import { readBack, shows } from "./read-back.ts";

export type ChangeResult<T> = { change: Change<T> } & ({ kind: "done" } | { kind: "failed"; failure: Failure });

/** What happened on the way, for the log. */
export interface ApplyObserver {
  committed(ops: number, durationMs: number, detail: string): void;
  saved(durationMs: number): void;
  verified(ops: number): void;
}

/**
 * Requests whose commit fails although nothing in them is bad by itself mean that the router fails every commit. Twice
 * the depth of halving 100 changes and a bit: enough to single out one bad change, then we stop trying its neighbours.
 */
const failedCommitsMax = 16;

export interface ApplyInput<T> {
  group: string;
  requests: readonly PlannedRequest<T>[];
  /** An earlier request's outcome was never learnt: read the router before anything is sent. */
  lookFirst: boolean;
  /** How long a commit that is open when the router is read may take to end. */
  patienceMs: number;
  observer: ApplyObserver;
}

type Reading = Pick<ApplyInput<never>, "group" | "patienceMs">;

/** Applies the requests in order. Every change of the plan has exactly one result; never throws for what a router answers. */
export async function apply<T>(client: VyosClient, input: ApplyInput<T>): Promise<ChangeResult<T>[]> {
  const { requests, observer } = input;
  const results: ChangeResult<T>[] = [];
  const committed: Change<T>[] = [];
  let away: Failure | undefined;
  for (const request of requests) {
    const outcomes = away === undefined ? await applyRequest(client, request, input) : failAll(request.changes, away);
    for (const result of outcomes) {
      if (result.kind === "done") committed.push(result.change);
      else {
        results.push(result);
        if (result.failure.waiting === "device") away = result.failure;
      }
    }
  }
  if (committed.length > 0) results.push(...(await saveAndVerify(client, input, committed, observer)));
  return results;
}

async function applyRequest<T>(
  client: VyosClient,
  request: PlannedRequest<T>,
  { group, patienceMs, lookFirst, observer }: ApplyInput<T>,
): Promise<ChangeResult<T>[]> {
  const reading = { group, patienceMs };
  let { changes } = request;
  let results: ChangeResult<T>[] = [];
  if (lookFirst) {
    const shown = await readBack(client, { ...reading, changes });
    if (shown.kind === "failed") return failAll(changes, shown.failure);
    results = changes.filter(({ proof }) => shows(shown.state, proof)).map((change) => ({ kind: "done", change }));
    changes = changes.filter(({ proof }) => !shows(shown.state, proof));
  }
  const [first] = changes;
  if (first === undefined) return results;
  if (first.proof.kind === "disabled") {
    // Setting `disable` on an interface that is not configured would create it.
    const exists = await client.exists(first.proof.interfacePath);
    if (exists.kind !== "done") return failAll(request.changes, failureOf(exists));
    if (!exists.data) {
      const name = first.proof.interfacePath.join(" ");
      return failAll(request.changes, new Failure("interface-absent", `${name} is not in the router's configuration`));
    }
  }
  const budget = { failedCommits: 0, succeeded: false };
  results.push(...(await commit(client, reading, changes, budget, observer)));
  if (budget.succeeded) return results;
  // Nothing went through: not one bad change among good ones, but a router that fails every commit.
  return results.map((result) =>
    result.kind === "failed" && result.failure.code === "change-failed-commit"
      ? { ...result, failure: new Failure("device-refuses-commits", result.failure.detail) }
      : result,
  );
}

async function commit<T>(
  client: VyosClient,
  reading: Reading,
  changes: readonly Change<T>[],
  budget: { failedCommits: number; succeeded: boolean },
  observer: ApplyObserver,
): Promise<ChangeResult<T>[]> {
  const startedAtMs = performance.now();
  const answer = await client.configure(changes.map(({ op }) => op));
  switch (answer.kind) {
    case "done":
      budget.succeeded = true;
      observer.committed(changes.length, Math.round(performance.now() - startedAtMs), answer.data ?? "");
      return changes.map((change) => ({ kind: "done", change }));
    case "unknown":
      return settleUnknown(client, reading, changes, answer.text, budget);
    case "rejected":
    case "failed-commit": {
      if (answer.kind === "failed-commit") budget.failedCommits++;
      if (changes.length === 1) return settleRefusedOne(client, reading, changes, failureOf(answer));
      if (!budget.succeeded && budget.failedCommits >= failedCommitsMax) return failAll(changes, failureOf(answer));
      const middle = Math.ceil(changes.length / 2);
      const left = await commit(client, reading, changes.slice(0, middle), budget, observer);
      const gone = left.find((result) => result.kind === "failed" && result.failure.waiting === "device");
      if (gone?.kind === "failed") return [...left, ...failAll(changes.slice(middle), gone.failure)];
      return [...left, ...(await commit(client, reading, changes.slice(middle), budget, observer))];
    }
    case "busy":
    case "unreachable":
    case "refused-key":
      return failAll(changes, failureOf(answer));
  }
}

/** The request may have been executed. The router is read; what it shows is committed, the rest is tried again later. */
async function settleUnknown<T>(
  client: VyosClient,
  reading: Reading,
  changes: readonly Change<T>[],
  text: string,
  budget: { succeeded: boolean },
): Promise<ChangeResult<T>[]> {
  const shown = await readBack(client, { ...reading, changes });
  if (shown.kind === "failed") {
    // A router that is away now pauses its tube; what is true of the request is learnt when it is back.
    const { code, detail } = shown.failure;
    return failAll(changes, new Failure(code, `${text}; then ${detail}`));
  }
  return changes.map((change) => {
    if (!shows(shown.state, change.proof)) {
      return { kind: "failed", change, failure: new Failure("change-unknown", `${text}; the router does not show it`) };
    }
    budget.succeeded = true;
    return { kind: "done", change };
  });
}

/** A dialect of VyOS (vyconf) rejects what is already there: "Useless set". If the router shows it, it is done. */
async function settleRefusedOne<T>(
  client: VyosClient,
  reading: Reading,
  changes: readonly Change<T>[],
  failure: Failure,
): Promise<ChangeResult<T>[]> {
  const shown = await readBack(client, { ...reading, changes });
  return changes.map((change) =>
    shown.kind === "state" && shows(shown.state, change.proof)
      ? { kind: "done", change }
      : { kind: "failed", change, failure },
  );
}

async function saveAndVerify<T>(
  client: VyosClient,
  reading: Reading,
  committed: readonly Change<T>[],
  observer: ApplyObserver,
): Promise<ChangeResult<T>[]> {
  const startedAtMs = performance.now();
  const saved = await client.save();
  if (saved.kind !== "done") {
    const failure = failureOf(saved);
    // Whatever stopped the save, the changes are on the router; only a router that is away pauses its tube.
    if (failure.waiting === "device") return failAll(committed, failure);
    return failAll(committed, new Failure("save-failed", saved.text));
  }
  observer.saved(Math.round(performance.now() - startedAtMs));
  const shown = await readBack(client, { ...reading, changes: committed });
  if (shown.kind === "failed") return failAll(committed, shown.failure);
  const results = committed.map((change): ChangeResult<T> => {
    if (shows(shown.state, change.proof)) return { kind: "done", change };
    const detail = `after commit and save the router does not show ${change.op.path.join(" ")}`;
    return { kind: "failed", change, failure: new Failure("change-not-verified", detail) };
  });
  observer.verified(results.filter(({ kind }) => kind === "done").length);
  return results;
}

/** The same failure for every change. */
export function failAll<T>(changes: readonly Change<T>[], failure: Failure): ChangeResult<T>[] {
  return changes.map((change) => ({ kind: "failed", change, failure }));
}
