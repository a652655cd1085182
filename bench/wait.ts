/** Waiting that ends: by its fact, by a limit that says what was missing, or by Ctrl-C. */

import { setTimeout as sleep } from "node:timers/promises";

/** @throws the signal's reason, or an Error that names what did not happen */
export async function within<T>(seconds: number, what: string, fact: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason as Error);
  const timer = setTimeout(() => reject(new Error(`not within ${seconds} s: ${what}`)), seconds * 1000);
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([fact, ended]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}

/** @throws the signal's reason */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
}
