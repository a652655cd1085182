/** `--wait SECONDS`, `--no-wait`: what was asked is a task in a queue; what came of it is read in the ledger. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Ledger } from "@logwarden/ledger";
import { type Context, UsageError } from "../verb.ts";
import { tryLedger } from "./ledger.ts";
import { givenWhole } from "./times.ts";

const secondsDefault = 10;
const secondsMax = 3600;

export const waitOptions = {
  wait: {
    type: "string",
    value: "SECONDS",
    about: `how long to wait until every router has followed; ${secondsDefault} unless given`,
  },
  "no-wait": { type: "boolean", about: "be content when a queue node has it" },
} as const;

interface Given {
  wait?: string | undefined;
  "no-wait"?: boolean | undefined;
  ledger?: string | undefined;
}

/** @returns 0 for --no-wait. @throws UsageError */
export function givenWaitMs(values: Given): number {
  if (values["no-wait"] !== true)
    return 1000 * (values.wait === undefined ? secondsDefault : givenWhole("--wait", values.wait, 1, secondsMax));
  if (values.wait !== undefined) throw new UsageError("--wait and --no-wait are two answers to one question");
  return 0;
}

/** A responder needs a fifth of a second for one ban on one router. */
const lookAgainMs = 200;

/**
 * Looks into the ledger until what is seen is the end of it, or the time is over. A ledger that is not there yet is waited
 * for as well: a responder may be starting.
 * @returns what was seen last; the error when nothing was
 */
export async function watchLedger<T>(
  values: Given,
  context: Context,
  waitMs: number,
  look: (ledger: Ledger) => Promise<T>,
  isEnd: (seen: T) => boolean,
): Promise<{ value: T; error: null } | { value: null; error: string }> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const answer = await tryLedger(values, context, async (ledger) => {
      for (;;) {
        const seen = await look(ledger);
        if (isEnd(seen) || performance.now() >= deadline) return seen;
        await sleep(lookAgainMs);
      }
    });
    if (answer.error === null || performance.now() >= deadline) return answer;
    await sleep(lookAgainMs);
  }
}
