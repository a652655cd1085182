/** The catalogue of failures → docs/reference/failures.md: one heading for each code, so that a notice can link to it. */

import { adviceFor, failureCodes, waitingFor } from "@logwarden/shared/failure";
import { page, table } from "./page.ts";

const meanings = {
  never: "Waiting cannot help: the task is buried with this reason. Mend it, then `logwarden queue kick`.",
  later: "The same task may succeed in a while: it is released with a growing delay.",
  device: "Nothing can be done on this device until it is back: its tube is paused, the device is probed.",
} as const;

export function failuresPage(): string {
  return page("Failures", "packages/shared/src/failure.ts", [
    "Everything that can go wrong with a task in production. The code is a word of the log, a label of metrics, the reason of a buried\njob and the error of a placement.",
    table(
      ["what happens", ""],
      Object.entries(meanings).map(([waiting, meaning]) => [waiting, meaning]),
    ),
    ...failureCodes.map((failure) => `## ${failure}\n\n${adviceFor(failure)} (${waitingFor(failure)})`),
  ]);
}
