/**
 * fail2ban's own log (server.py, actions.py), by logtarget:
 *
 *   SYSLOG           program fail2ban.actions: NOTICE [JAIL] Ban A
 *   SYSTEMD-JOURNAL  program fail2ban: [JAIL] Ban A
 *   SYSOUT, STDOUT   program fail2ban-server (under systemd): fail2ban.actions        [PID]: NOTICE  [JAIL] Ban A
 *   a file           the same with a date before it, under the tag that rsyslog gives to the file (imfile)
 *
 * The jail is the administrator's word, spaces included (but no bracket: it is the name of a section of jail.conf), and
 * becomes the event's reason. When fail2ban stops it writes Unban for all, and Restore Ban when it starts again: an unban is
 * its own, not a pardon.
 */

import type { Rule } from "../rule.ts";
import type { Fields } from "../template.ts";

const programs = ["fail2ban.actions", "fail2ban", "fail2ban-server"] as const;

const namesJail = ({ reason = "" }: Fields): boolean => !reason.includes("]");

const said = (words: string): string[] => [
  `\\[{reason}\\] ${words} {address:ip}`,
  // Two spaces where padding is asked for.
  `NOTICE [ ]\\[{reason}\\] ${words} {address:ip}`,
  `[{day:word} {time:word} ]fail2ban.actions        \\[{pid:int}\\]: NOTICE  \\[{reason}\\] ${words} {address:ip}`,
];

export const fail2banRules: readonly Rule[] = [
  { name: "fail2ban-ban", programs, match: said("Ban"), type: "peer_ban", where: namesJail, set: { action: "ban" } },
  {
    name: "fail2ban-restore-ban",
    programs,
    match: said("Restore Ban"),
    type: "peer_ban",
    where: namesJail,
    set: { action: "restore" },
  },
  {
    name: "fail2ban-unban",
    programs,
    match: said("Unban"),
    type: "peer_ban",
    where: namesJail,
    set: { action: "unban" },
  },
];
