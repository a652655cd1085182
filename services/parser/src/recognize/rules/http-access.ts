/**
 * Access lines of nginx and Apache in the combined format:
 *
 *   ADDRESS - USER [TIME ZONE] "REQUEST" STATUS BYTES "REFERER" "AGENT"
 *
 * nginx: `access_log syslog:server=…`, with the tag nginx. Apache: `CustomLog "|/usr/bin/logger --size 8KiB -t apache2" combined`,
 * with the tag that stands there. Both escape what the client sent, so a quote inside quotes is `\"` (Apache) or `\x22`
 * (nginx). The user of basic authentication is the client's word too and stands outside quotes: between the address, which
 * begins the line, and the time, which is found from the end.
 */

import type { Rule } from "../rule.ts";
import type { Fields } from "../template.ts";

const behindUser =
  '\\[{time:word} {zone:word}\\] "{request:quoted}" {status:int} {bytes:word} "{referer:quoted}" "{agent:quoted}"';

const combined = [`{address:ip} - - ${behindUser}`, `{address:ip} - {user} ${behindUser}`];

/** Bad request, and what is asked for by those who look around. 444 is nginx's "say nothing" (return 444). */
const statuses: ReadonlySet<string | undefined> = new Set(["400", "401", "403", "404", "444"]);

const isRefusal = (fields: Fields): boolean => statuses.has(fields["status"]);

export const httpAccessRules: readonly Rule[] = [
  { name: "nginx-access", programs: ["nginx"], match: combined, type: "http_error", where: isRefusal },
  {
    name: "apache-access",
    programs: ["apache2", "apache", "httpd"],
    match: combined,
    type: "http_error",
    where: isRefusal,
  },
];
