/**
 * Plan → Change: commits each request, saves once, and reads the router back.
 *
 *   configure ──▶ save ──▶ verify ──▶ done
 *       │           │         └─ not shown: again later
 *       │           └─ failed: applied, but a reboot would undo it: again later
 *       ├─ rejected, or the commit failed: halve the request, so that one bad change never holds back the good ones
 *       └─ outcome unknown: read the router, never send again blind (what it does not show is planned anew, from a new read)
 *
 * A 200 for save is no proof (1.5 and current answer it even when nothing was written), and the API cannot show the
 * saved file; the check is what can be checked: that the router answers the save and shows the change afterwards.
 *
 * Facts come from packages/vyos; what they mean for a task is decided here.
 */

import type { Clock } from "@logwarden/shared/clock";
import { Failure } from "@logwarden/shared/failure";
import type { VyosClient } from "@logwarden/vyos";
import type { Change } from "../plan/plan.ts";
import { failureOf } from "./failure-of.ts";
import { readBack, shows } from "./read-back.ts";

export type ChangeResult = { change: Change } & ({ kind: "done" } | { kind: "failed"; failure: Failure });

/** What happened on the way, for the log. */
export interface ApplyObserver {
  committed(ops: number, durationMs: number, detail: string): void;
  saved(durationMs: number): void;
  verified(ops: number): void;
}

/**
 * Requests whose commit fails although nothing in them is bad by itself mean that the router fails every commit. Twice
 * the depth of halving 2000 changes: enough to single out one bad change, then we stop trying its neighbours.
 */
const failedCommitsMax = 24;

export interface ApplyInput {
  group: string;
  /**
   * Each is one request: a failed commit of VyOS is not atomic across its priority subtrees, so firewall and interface changes
   * are never mixed, and each interface has a request of its own.
   */
  requests: readonly (readonly Change[])[];
  /** Committed before, as far as the router shows: only saved and read back. */
  shown: readonly Change[];
  /** How long a commit that is open when the router is read may take to end. */
  patienceMs: number;
  /** Asked before every request that writes: another responder may have the device by now, or somebody in it be allowed. */
  mayWrite: () => boolean;
  clock: Clock;
  observer: ApplyObserver;
}

type Surroundings = Pick<ApplyInput, "group" | "patienceMs" | "mayWrite" | "clock" | "observer">;

/** Applies the requests in order. Every change of the plan has exactly one result; never throws for what a router answers. */
export async function apply(client: VyosClient, input: ApplyInput): Promise<ChangeResult[]> {
  const { requests, shown } = input;
  const results: ChangeResult[] = [];
  const committed: Change[] = [...shown];
  let away: Failure | undefined;
  for (const request of requests) {
    const outcomes = away === undefined ? await applyRequest(client, request, input) : failAll(request, away);
    for (const result of outcomes) {
      if (result.kind === "done") committed.push(result.change);
      else {
        results.push(result);
        if (result.failure.waiting === "device") away = result.failure;
      }
    }
  }
  if (away !== undefined) return [...results, ...failAll(committed, away)];
  if (committed.length > 0) results.push(...(await saveAndVerify(client, input, committed)));
  return results;
}

async function applyRequest(
  client: VyosClient,
  request: readonly Change[],
  input: ApplyInput,
): Promise<ChangeResult[]> {
  const [first] = request;
  if (first === undefined) return [];
  if (first.proof.kind === "disabled" && first.proof.present) {
    // Setting `disable` on an interface that is not configured would create it.
    const exists = await client.exists(first.proof.interfacePath);
    if (exists.kind !== "done") return failAll(request, failureOf(exists));
    if (!exists.data) {
      const name = first.proof.interfacePath.join(" ");
      return failAll(request, new Failure("interface-absent", `${name} is not in the router's configuration`));
    }
  }
  const budget = { failedCommits: 0, succeeded: false };
  const results = await commit(client, input, request, budget);
  if (budget.succeeded) return results;
  // Nothing went through: not one bad change among good ones, but a router that fails every commit.
  return results.map((result) =>
    result.kind === "failed" && result.failure.code === "change-failed-commit"
      ? { ...result, failure: new Failure("device-refuses-commits", result.failure.detail) }
      : result,
  );
}

async function commit(
  client: VyosClient,
  around: Surroundings,
  changes: readonly Change[],
  budget: { failedCommits: number; succeeded: boolean },
): Promise<ChangeResult[]> {
  const { clock, observer } = around;
  if (!around.mayWrite()) return failAll(changes, leaseLost());
  const startedAtMs = clock.monotonicMs();
  const answer = await client.configure(changes.map(({ op }) => op));
  switch (answer.kind) {
    case "done":
      budget.succeeded = true;
      observer.committed(changes.length, Math.round(clock.monotonicMs() - startedAtMs), answer.data ?? "");
      return changes.map((change) => ({ kind: "done", change }));
    case "unknown":
      return settleUnknown(client, around, changes, answer.text, budget);
    case "rejected":
    case "failed-commit": {
      if (answer.kind === "failed-commit") budget.failedCommits++;
      if (changes.length === 1) return settleRefusedOne(client, around, changes, failureOf(answer));
      if (!budget.succeeded && budget.failedCommits >= failedCommitsMax) return failAll(changes, failureOf(answer));
      const middle = Math.ceil(changes.length / 2);
      const left = await commit(client, around, changes.slice(0, middle), budget);
      const gone = left.find((result) => result.kind === "failed" && result.failure.waiting === "device");
      if (gone?.kind === "failed") return [...left, ...failAll(changes.slice(middle), gone.failure)];
      return [...left, ...(await commit(client, around, changes.slice(middle), budget))];
    }
    case "busy":
    case "unreachable":
    case "refused-key":
      return failAll(changes, failureOf(answer));
  }
}

/** The request may have been executed. The router is read; what it shows is committed, the rest is tried again later. */
async function settleUnknown(
  client: VyosClient,
  around: Surroundings,
  changes: readonly Change[],
  text: string,
  budget: { succeeded: boolean },
): Promise<ChangeResult[]> {
  const shown = await readBack(client, { ...around, changes });
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
async function settleRefusedOne(
  client: VyosClient,
  around: Surroundings,
  changes: readonly Change[],
  failure: Failure,
): Promise<ChangeResult[]> {
  const shown = await readBack(client, { ...around, changes });
  return changes.map((change) =>
    shown.kind === "state" && shows(shown.state, change.proof)
      ? { kind: "done", change }
      : { kind: "failed", change, failure },
  );
}

async function saveAndVerify(
  client: VyosClient,
  around: Surroundings,
  committed: readonly Change[],
): Promise<ChangeResult[]> {
  const { clock, observer } = around;
  if (!around.mayWrite()) return failAll(committed, leaseLost());
  const startedAtMs = clock.monotonicMs();
  const saved = await client.save();
  if (saved.kind !== "done") {
    const failure = failureOf(saved);
    // Whatever stopped the save, the changes are on the router; only a router that is away pauses its tube.
    if (failure.waiting === "device") return failAll(committed, failure);
    return failAll(committed, new Failure("save-failed", saved.text));
  }
  observer.saved(Math.round(clock.monotonicMs() - startedAtMs));
  const shown = await readBack(client, { ...around, changes: committed });
  if (shown.kind === "failed") return failAll(committed, shown.failure);
  const results = committed.map((change): ChangeResult => {
    if (shows(shown.state, change.proof)) return { kind: "done", change };
    const detail = `after commit and save the router does not show: ${change.op.op} ${change.op.path.join(" ")}`;
    return { kind: "failed", change, failure: new Failure("change-not-verified", detail) };
  });
  observer.verified(results.filter(({ kind }) => kind === "done").length);
  return results;
}

/** The same failure for every change. */
function failAll(changes: readonly Change[], failure: Failure): ChangeResult[] {
  return changes.map((change) => ({ kind: "failed", change, failure }));
}

function leaseLost(): Failure {
  return new Failure(
    "lease-lost",
    "another responder may have the device by now, or the never-ban list was edited: nothing more of this plan is sent",
  );
}
