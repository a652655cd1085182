/** What an operator can turn of the responder, why each default is what it is, and what is refused. Read once, in main.ts. */

import { forms, ledgerVariables, variable } from "@logwarden/shared/environment";

export const responderVariables = {
  ...ledgerVariables,
  leaseMs: variable({
    schema: forms.whole(1000, 600_000),
    about:
      "After so long without a sign of life a responder's routers go to the others. Longer than a pause of the process or of the ledger; shorter than anybody wants to wait.",
    example: "10000",
    default: "10000",
  }),
  reconcileMs: variable({
    schema: forms.whole(1000, 86_400_000),
    about:
      "So often each router's groups are read and compared with the ledger: what somebody changed there by hand stays wrong no longer. A read takes a router about 40 ms.",
    example: "300000",
    default: "300000",
  }),
  batchTasksMax: variable({
    // A queue connection takes as many unanswered commands (queueWindow in main.ts): a touch and a delete of each must fit.
    schema: forms.whole(1, 2000),
    about: "Tasks of one device in hand at once: in a flood they wait for the commit that holds their address.",
    example: "2000",
    default: "2000",
  }),
  opsPerRequestMax: variable({
    schema: forms.whole(1, 5000),
    about:
      "Changes in one commit at most. How many there are follows from how long the router takes (some 4 s); a request of 1 MiB, which is VyOS's bound, holds about 6000.",
    example: "2000",
    default: "2000",
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
  dryRun: variable({
    schema: forms.oneOf("yes", "no").transform((word) => word === "yes"),
    about: "yes: everything is decided, written into the ledger and shown, and no router is touched.",
    example: "no",
    default: "no",
  }),
};
