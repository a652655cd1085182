/**
 * sshd (OpenSSH 7.9 on VyOS 1.3, 9.2 on 1.4 and 1.5; auth.c, auth-pam.c, packet.c, sshd.c).
 *
 * One attempt to log in makes several lines; only sshd's own `Failed METHOD for …` is a password_failed, and each of the
 * others has the type of what it adds:
 *
 *   Invalid user admin from A port N                              user_invalid       before the attempt
 *   pam_unix(sshd:auth): authentication failure; … rhost=A        pam_failed         the same attempt, said by PAM
 *   Failed password for invalid user admin from A port N ssh2     password_failed    the attempt
 *   error: maximum authentication attempts exceeded for …         attempts_exceeded  the last of several
 *   Connection closed by invalid user admin A port N [preauth]    preauth_failed     the end of the connection
 *
 * The user name is the attacker's, up to 200 bytes, and may hold anything but a colon (auth2.c cuts it there, as a login
 * style). Newlines and bytes that are not ASCII arrive as `\n` and `\303` (log.c, strnvis), in lines of the unprivileged
 * child as `\\303`. `error: ` and `fatal: ` stand before the text in syslog, not in sshd's own log file.
 *
 * log.c cuts every line at 500 characters (`syslog(pri, "%.500s")`), so text that an attacker blew up to the right length can
 * end the line in the daemon's place: see isUncut.
 */

import type { Rule } from "../rule.ts";
import type { Fields } from "../template.ts";

/** Since 9.8 connections are served by sshd-session, since 10.0 their logins by sshd-auth. */
const programs = ["sshd", "sshd-session", "sshd-auth"] as const;

/** What follows the method in auth_log (auth.c): the account, and where the attempt came from. */
const attempt = "for [invalid user ]{user} from {address:ip} port {port:int} ssh2";

/** What PAM modules say about the attempt (pam_unix_auth.c). An unknown account leaves a space at the end, and no user. */
const pamAttempt =
  "logname=[{logname:word}] uid={uid:int} euid={euid:int} tty=ssh ruser=[{remoteUser:word}] rhost={address:ip}[ ][ user={user}]";

/** pam_strerror's words for a login that is refused, of Linux-PAM and of OpenPAM. */
const pamErrors = [
  "Authentication failure",
  "Authentication error",
  "authentication error",
  "User not known to the underlying authentication module",
  "Have exhausted maximum number of retries for service",
  "User account has expired",
  "Permission denied",
];

/** allowed_user (auth.c). The reasons that name no address are left out: shell, locked account. */
const refusals = [
  "not listed in AllowUsers",
  "listed in DenyUsers",
  "not in any group",
  "a group is listed in DenyGroups",
  "none of user's groups are listed in AllowGroups",
];

/** Why a connection is gone (packet.c, sshpkt_vfatal). */
const endings = ["Connection closed by", "Connection reset by", "Disconnected from"];

/** A connection whose login has begun names the account (auth2.c, ssh_packet_set_log_preamble). */
const whose = ["invalid user", "authenticating user"];

/**
 * Whether the daemon wrote the end of the line. Where the attacker's text can reach the 500th character, it could end with an
 * address of its choice, read from the right as if it were sshd's (corpus/hostile.md has such lines, of a real sshd). Then the
 * free text is what was blown up, and longer than 340 characters, or has swallowed the rest of a line, which holds a colon.
 */
function isUncut({ user = "", banner = "" }: Fields): boolean {
  return user.length <= 320 && banner.length <= 320 && !user.includes(":");
}

export const sshdRules: readonly Rule[] = [
  {
    name: "sshd-failed-password",
    programs,
    match: `Failed password ${attempt}`,
    type: "password_failed",
  },
  {
    name: "sshd-failed-keyboard-interactive",
    programs,
    match: `Failed keyboard-interactive[/{device:word}] ${attempt}`,
    type: "password_failed",
  },
  {
    // A person with five keys fails four times. sshd says so at LogLevel VERBOSE only, and fail2ban does not count it.
    name: "sshd-failed-publickey",
    programs,
    match: `Failed publickey ${attempt}[: {keyType:word} {fingerprint:word}]`,
    type: "password_failed",
    where: isUncut,
  },
  {
    // Clients ask for "none" to learn which methods there are; old releases log that for unknown users.
    name: "sshd-failed-none",
    programs,
    match: `Failed none ${attempt}`,
    type: "password_failed",
  },
  {
    // `Failed hostbased` with a key behind it ends with two names that the client chose: see corpus/hostile.md.
    name: "sshd-failed-other-method",
    programs,
    match: ["hostbased", "gssapi-with-mic", "gssapi-keyex"].map((method) => `Failed ${method} ${attempt}`),
    type: "password_failed",
    where: isUncut,
  },
  {
    name: "sshd-invalid-user",
    programs,
    match: ["Invalid user {user} from {address:ip}[ port {port:int}]", "Illegal user {user} from {address:ip}"],
    type: "user_invalid",
  },
  {
    // The account exists. With UseDNS the place of the address holds a name; then no event is made.
    name: "sshd-user-not-allowed",
    programs,
    match: refusals.map((why) => `User {user} from {address:ip} not allowed because ${why}`),
    type: "user_invalid",
  },
  {
    // Said twice for one attempt: by the monitor, and with [preauth] by its child. The monitor's is read.
    name: "sshd-root-refused",
    programs,
    match: "ROOT LOGIN REFUSED FROM {address:ip}[ port {port:int}]",
    type: "user_invalid",
  },
  {
    name: "sshd-attempts-exceeded",
    programs,
    match: `[error: ]maximum authentication attempts exceeded ${attempt}[ \\[preauth\\]]`,
    type: "attempts_exceeded",
    where: isUncut,
  },
  {
    // Follows the line of sshd-attempts-exceeded, about the same connection, which must not count twice.
    name: "sshd-too-many-failures",
    programs,
    match: whose.map(
      (who) =>
        `Disconnecting ${who} {user} {address:ip} port {port:int}: Too many authentication failures \\[preauth\\]`,
    ),
    type: "preauth_failed",
    where: isUncut,
  },
  {
    name: "sshd-pam-failed",
    programs,
    match: `pam_{module:word}(sshd:auth): authentication failure; ${pamAttempt}`,
    type: "pam_failed",
  },
  {
    // At the end of a connection, about all of its attempts but the first (pam_unix, support.c, _cleanup_failures).
    name: "sshd-pam-more-failures",
    programs,
    match: ["failure", "failures"].map((word) => `PAM {more:int} more authentication ${word}; ${pamAttempt}`),
    type: "pam_failed",
  },
  {
    // sshpam_query (auth-pam.c), for keyboard-interactive; `via` is what some systems add.
    name: "sshd-pam-error",
    programs,
    match: pamErrors.map(
      (what) => `[error: ]PAM: ${what} for [illegal user ]{user} from {address:ip}[ via {local:ip}]`,
    ),
    type: "pam_failed",
    where: isUncut,
  },
  {
    // Whoever logged in has an account, so the name is no stranger's text: read from the left, it leaves what follows the
    // key (of a certificate, its ID) as the free text.
    name: "sshd-accepted",
    programs,
    match: [
      "Accepted {method:word} for {user:word} from {address:ip} port {port:int} ssh2",
      "Accepted {method:word} for {user:word} from {address:ip} port {port:int} ssh2: {key}",
    ],
    type: "login_succeeded",
  },
  {
    // The first wording is of releases up to 7.9, the second of those since 8.0.
    name: "sshd-bad-banner",
    programs,
    match: [
      "Bad protocol version identification '{banner}' from {address:ip}[ port {port:int}]",
      "banner exchange: Connection from {address:ip} port {port:int}: {problem}",
    ],
    type: "preauth_failed",
    where: isUncut,
  },
  {
    // Since 8.0 `kex_exchange_identification: …` in its place, without the address.
    name: "sshd-no-identification",
    programs,
    match: "Did not receive identification string from {address:ip}[ port {port:int}]",
    type: "preauth_failed",
  },
  {
    // "no matching cipher found. Their offer: …": the offer is the client's text.
    name: "sshd-no-common-algorithm",
    programs,
    match: "[fatal: ]Unable to negotiate with {address:ip} port {port:int}: {problem}",
    type: "preauth_failed",
  },
  {
    name: "sshd-broken-packet",
    programs,
    match: "[fatal: ]ssh_dispatch_run_fatal: Connection from {address:ip} port {port:int}: {problem} \\[preauth\\]",
    type: "preauth_failed",
  },
  {
    // Without [preauth] it is a session that ended, or (since 7.6) a connection that never spoke: not to be told apart.
    name: "sshd-closed-preauth",
    programs,
    match: endings.flatMap((ending) => [
      `${ending} {address:ip}[ port {port:int}] \\[preauth\\]`,
      ...whose.map((who) => `${ending} ${who} {user} {address:ip} port {port:int} \\[preauth\\]`),
    ]),
    type: "preauth_failed",
    where: isUncut,
  },
  {
    // `(old name,service) -> (new name,service)`: the service is the client's word and may hold anything. So the address is
    // read from the left, and a name with a space in it is given up; the colon behind the port no name can hold.
    name: "sshd-changed-user",
    programs,
    match: whose.map(
      (who) =>
        `Disconnecting ${who} {user:word} {address:ip} port {port:int}: Change of username or service not allowed: {change}`,
    ),
    type: "preauth_failed",
  },
  {
    // The second wording since 9.8.
    name: "sshd-login-grace-time",
    programs,
    match: [
      "[fatal: ]Timeout before authentication for {address:ip}[ port {port:int}]",
      "Timeout before authentication for connection from {address:ip} to {local:ip}, pid = {pid:int}",
    ],
    type: "preauth_failed",
  },
  {
    // hosts.deny (libwrap, in Debian's sshd). The name is what the address's owner says in DNS.
    name: "sshd-refused-connect",
    programs,
    match: "refused connect from {name} ({address:ip})",
    type: "preauth_failed",
  },
  {
    // PerSourcePenalties, since 9.8: sshd itself drops who failed before, and logs no attempt. `past MaxStartups` is not
    // read: then everybody is dropped.
    name: "sshd-penalty",
    programs,
    match:
      "drop connection #{number:int} from \\[{address:ip}\\]:{port:int} on \\[{local:ip}\\]:{localPort:int} penalty: {why}",
    type: "preauth_failed",
  },
];
