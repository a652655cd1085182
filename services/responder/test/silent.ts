/** A log that nobody reads, for tests that look at what is done and not at what is said. */

import type { Log } from "@logwarden/shared/log";

export const silent: Log = {
  ...{ say: () => undefined, tally: () => ({ count: 0 }), teller: () => () => undefined, watch: () => undefined },
  debug: false,
};
