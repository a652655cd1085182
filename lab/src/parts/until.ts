/** Waiting for a fact, in tests: never for time. */

/** How often the fact is asked for: often enough that nobody waits for it, seldom enough that the parts get the machine. */
const askAgainMs = 10;

/** Waits for a fact. The limit only ends a wait for what will never be. @throws an Error that names the fact */
export async function until(fact: string, holds: () => boolean | Promise<boolean>, limitMs = 30_000): Promise<void> {
  const giveUpAtMs = performance.now() + limitMs;
  while (!(await holds())) {
    if (performance.now() > giveUpAtMs) throw new Error(`waited ${limitMs} ms for: ${fact}`);
    await new Promise((resolve) => setTimeout(resolve, askAgainMs));
  }
}
