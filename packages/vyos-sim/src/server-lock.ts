/**
 * The one lock of the API server (`threading.Lock` in src/services/vyos-http-api-server): it serialises /configure, in
 * the order of arrival, with no limit and no timeout.
 *
 *   free ──take──▶ taken ──give back──▶ next in the queue, or free
 *                    └──wedge──▶ wedged: nobody gives it back; everyone waits until the service restarts
 */
export class ServiceRestarted extends Error {}

export class ServerLock {
  #isTaken = false;
  #queue: PromiseWithResolvers<void>[] = [];
  #wedged: PromiseWithResolvers<never>[] = [];

  async take(): Promise<void> {
    if (!this.#isTaken) {
      this.#isTaken = true;
      return;
    }
    const turn = Promise.withResolvers<void>();
    this.#queue.push(turn);
    await turn.promise;
  }

  giveBack(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#isTaken = false;
    else next.resolve();
  }

  get isWedged(): boolean {
    return this.#wedged.length > 0;
  }

  /** Called by the holder: never returns, and never gives the lock back. */
  async wedge(): Promise<never> {
    const forever = Promise.withResolvers<never>();
    this.#wedged.push(forever);
    return forever.promise;
  }

  /** The service starts again: all who wait in it or for it lose their connection, and the lock is free. */
  restart(): void {
    const lost = [...this.#wedged, ...this.#queue];
    this.#wedged = [];
    this.#queue = [];
    this.#isTaken = false;
    for (const each of lost) each.reject(new ServiceRestarted("the API server was restarted"));
  }
}
