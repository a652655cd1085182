/** A rule: which lines of which program mean what. Data; recognize.ts compiles and applies it. */

import type { Fields } from "./template.ts";

/** What a rule can read out of a line. Each type needs the fields named here. */
export type EventType = "password_failed" | "interface_down";

export interface Rule {
  /** Its name in logs, metrics, tasks and `rules.disabled`. */
  name: string;
  /** The programs whose lines it reads, as they name themselves. */
  programs: readonly string[];
  /** One template (template.ts). password_failed needs {address:ip}, interface_down needs {interface:word}. */
  match: string;
  type: EventType;
  /** What must hold beside the words. */
  where?: (fields: Fields) => boolean;
}
