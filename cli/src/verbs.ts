/** Every verb, in the order of the help. The help, the completion of shells and docs/reference/cli.md are made of this list. */

import { suggestion, UsageError, type Verb } from "./verb.ts";
import { allow } from "./verbs/allow.ts";
import { audit } from "./verbs/audit.ts";
import { ban } from "./verbs/ban.ts";
import { bans } from "./verbs/bans.ts";
import { checkConfig } from "./verbs/check-config.ts";
import { completionOf } from "./verbs/completion.ts";
import { events } from "./verbs/events.ts";
import { explain } from "./verbs/explain.ts";
import { haproxy } from "./verbs/haproxy.ts";
import { helpFor } from "./verbs/help.ts";
import { networkInterface } from "./verbs/interface.ts";
import { keepalived } from "./verbs/keepalived.ts";
import { nodes } from "./verbs/nodes.ts";
import { queue } from "./verbs/queue.ts";
import { routerConfig } from "./verbs/router-config.ts";
import { routers } from "./verbs/routers.ts";
import { status } from "./verbs/status.ts";
import { unban } from "./verbs/unban.ts";
import { version } from "./verbs/version.ts";

export const verbs: readonly Verb[] = [
  ...[ban, unban, bans, status, events, audit],
  ...[routers, networkInterface, queue, allow],
  ...[explain, checkConfig, routerConfig],
  ...[haproxy, keepalived, nodes],
  ...[completionOf(() => verbs), version, helpFor(() => verbs, verbNamed)],
];

const flags: Readonly<Record<string, string>> = { "--help": "help", "-h": "help", "--version": "version" };

/** @throws UsageError with a suggestion */
export function verbNamed(name: string): Verb {
  const known = flags[name] ?? name;
  const verb = verbs.find((one) => one.name === known || one.aliases?.includes(known) === true);
  if (verb !== undefined) return verb;
  const names = verbs.map((one) => one.name);
  throw new UsageError(`no verb "${name}"${suggestion(name, names) || `; verbs are ${names.join(", ")}`}`);
}
