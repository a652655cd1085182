/**
 * sshd (OpenSSH 7.9 on VyOS 1.3, 9.2 on 1.4 and 1.5; auth.c, auth_log): one line for each failed attempt.
 * Newer releases log from a process of its own, sshd-session.
 */

import type { Rule } from "../rule.ts";

export const sshdRules: readonly Rule[] = [
  {
    name: "sshd-failed-password",
    programs: ["sshd", "sshd-session"],
    match: "Failed password for [invalid user ]{user} from {address:ip} port {port:int} ssh2",
    type: "password_failed",
  },
];
