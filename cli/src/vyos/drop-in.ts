/** The remote line of rsyslog, as VyOS's own configuration cannot say it: with a queue, so that no line is lost. */

/** Where rsyslog looks on VyOS and Debian. */
export const dropInPath = "/etc/rsyslog.d/60-logwarden.conf";

export const dropInNotes: readonly string[] = [
  "Instead of the syslog block, for a sender that must not lose a line. VyOS gives rsyslog no queue for the remote line: while the",
  "collector refuses connections, rsyslog waits 30 s and loses what is logged meanwhile.",
  `As root into ${dropInPath}, then: systemctl restart rsyslog. A new image of VyOS begins with a new /etc: keep a copy in`,
  "/config, and let /config/scripts/vyos-postconfig-bootup.script put it back.",
];

/** The same facilities as the syslog block, octet-counted. */
export function dropIn(collector: string, port: number): string {
  return `auth,authpriv,daemon,kern.info action(type="omfwd" target="${collector}" port="${port}" protocol="tcp" TCP_Framing="octet-counted"
  template="RSYSLOG_SyslogProtocol23Format" action.resumeRetryCount="-1" action.resumeInterval="1"
  queue.type="LinkedList" queue.size="100000" queue.filename="logwarden" queue.maxdiskspace="500m" queue.saveonshutdown="on"
  KeepAlive="on" KeepAlive.Time="60" KeepAlive.Interval="10" KeepAlive.Probes="3")`;
}
