/** What an operator can turn of the responder, why each default is what it is, and what is refused. Read once, in main.ts. */

import { forms, variable } from "@logwarden/shared/environment";

export const responderVariables = {
  batchTasksMax: variable({
    // A queue connection has at most 1024 unanswered commands (packages/queue): a touch and a delete of each must fit.
    schema: forms.whole(1, 500),
    about:
      "Tasks of one device taken at once. A flood names few addresses often, so this is well above opsPerRequestMax.",
    example: "500",
    default: "500",
  }),
  opsPerRequestMax: variable({
    schema: forms.whole(1, 1000),
    about: "Changes in one commit. VyOS needs 0.13 s for one, 3.3 s for 100, 22.8 s for 500: the price of each grows.",
    example: "100",
    default: "100",
  }),
  configureTimeoutMs: variable({
    schema: forms.whole(100, 600_000),
    about:
      "How long a commit may take. Afterwards its outcome is unknown and the router is read. nginx on VyOS cuts at 600 s.",
    example: "120000",
    default: "120000",
  }),
  drainDeadlineMs: variable({
    schema: forms.whole(0, 600_000),
    about: "After SIGTERM: how long a commit that runs may take to end. What is cut returns to the queue by itself.",
    example: "30000",
    default: "30000",
  }),
};
