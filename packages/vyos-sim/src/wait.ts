/** Waiting that a closing router can end, so that nothing outlives it. */

/** Settles after `ms`, when `until` settles, or when the router closes, whichever is first. */
export type Wait = (ms: number, until?: Promise<void>) => Promise<void>;

export interface Waiting {
  wait: Wait;
  /** Settles when the router closes. */
  closed: Promise<void>;
  close(): void;
}

export function createWaiting(): Waiting {
  const closing = Promise.withResolvers<void>();
  const wait: Wait = async (ms, until) => {
    const over = Promise.withResolvers<void>();
    const timer = setTimeout(over.resolve, ms);
    await Promise.race([over.promise, closing.promise, ...(until === undefined ? [] : [until])]);
    clearTimeout(timer);
  };
  return { wait, closed: closing.promise, close: () => closing.resolve() };
}
