/** A rule: which lines of which program mean what. Data; recognize.ts compiles and applies it. */

import type { OwnRule } from "@logwarden/shared/inventory";
import type { EventType } from "@logwarden/shared/task";
import type { Fields } from "./template.ts";

/**
 * The fields of a template that mean something, by name; any other is only for `where`.
 *
 *   {address:ip}   who it is about; every type but interface_down needs it
 *   {interface}    interface_down needs it
 *   {user} {status:int} {reason}   where the type has them; `set` may give a reason too, and the action of a peer_ban
 */
export interface Rule {
  /** Its name in logs, metrics, tasks and `rules.disabled`. */
  name: string;
  /** The programs whose lines it reads, as they name themselves. */
  programs: readonly string[];
  /** Templates (template.ts): one, or several wordings of the same meaning. */
  match: string | readonly string[];
  type: EventType;
  /** What must hold beside the words. */
  where?: (fields: Fields) => boolean;
  /** Fields that the words do not hold, such as `{ action: "ban" }`. */
  set?: NonNullable<OwnRule["set"]>;
}
