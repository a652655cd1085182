/** What a router's answer means for a task: the only place where facts of packages/vyos become failures of ours. */

import { Failure, type FailureCode } from "@logwarden/shared/failure";
import type { Outcome as Answer } from "@logwarden/vyos";

const unreachableCodes: Partial<Record<string, FailureCode>> = {
  certificate: "device-certificate",
  "api-off": "device-api-off",
  "api-absent": "device-api-off",
  "client-refused": "device-api-off",
};

export function failureOf(answer: Exclude<Answer<unknown>, { kind: "done" }>): Failure {
  switch (answer.kind) {
    case "busy":
      return new Failure("device-busy", answer.text);
    case "unreachable":
      return new Failure(unreachableCodes[answer.reason] ?? "device-unreachable", answer.text);
    case "refused-key":
      return new Failure("device-refused-key", answer.text);
    case "rejected":
      return new Failure("change-rejected", answer.text);
    case "failed-commit":
      return new Failure("change-failed-commit", answer.text);
    case "unknown":
      return new Failure("change-unknown", answer.text);
  }
}
