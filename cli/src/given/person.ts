/** Who asks: what the audit will name. */

import type { Context } from "../verb.ts";

export const byOption = {
  by: { type: "string", value: "NAME", about: "who asks, for the audit; your account unless given" },
} as const;

/** task.ts */
const byCharactersMax = 200;

/** Behind sudo it is the person, not root. Whoever may put a task may say anything here: it is a signature, not a proof. */
export function givenBy({ by }: { by?: string | undefined }, { environment }: Context): string {
  const name = by ?? (environment["SUDO_USER"] || environment["USER"] || environment["LOGNAME"] || "somebody");
  return name.slice(0, byCharactersMax);
}
