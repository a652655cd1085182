/**
 * Lines that mean nothing to any of the systems: what a network says while all is well, and what scanners leave behind.
 *
 * No line here is meant to match a rule that ships, so that the number of matches of a corpus is known. Lines that could
 * be read as a failed login (Invalid user, Connection closed … [preauth], authentication failure, Link is Down, …) are
 * left out on purpose. Decoys stay in: the words of a match, said by a program that is not the one.
 */

import { attacker, attackersMax } from "../addresses.ts";
import type { Made } from "./matches.ts";
import type { Random } from "./random.ts";

type Kind = (random: Random) => Made;

const decoyPrograms = ["webapp", "backup", "audisp"];

/** Kinds and how many of a thousand lines they are. */
const kinds: readonly (readonly [perThousand: number, kind: Kind])[] = [
  [220, firewall],
  [150, sshd],
  [110, dhcp],
  [120, routing],
  [90, cron],
  [100, systemd],
  [30, netplugUp],
  [75, charon],
  [70, haproxy],
  [20, foreignText],
  [11, json],
  [4, decoy],
];

const total = kinds.reduce((sum, [perThousand]) => sum + perThousand, 0);
/** One entry per thousandth: a pick instead of a search. */
const byThousandth: readonly Kind[] = kinds.flatMap(([perThousand, kind]) =>
  Array.from({ length: perThousand }, () => kind),
);

export function noise(random: Random): Made {
  return (byThousandth[random.below(total)] as Kind)(random);
}

export function isDecoy({ program }: Made): boolean {
  return decoyPrograms.includes(program);
}

const inside = (random: Random): string => `10.${random.below(4)}.${random.below(256)}.${1 + random.below(254)}`;
const outside = (random: Random): string => attacker(random.below(attackersMax));
const port = (random: Random): number => 1024 + random.below(64_000);
const hex = (random: Random, digits: number): string =>
  random
    .below(16 ** digits)
    .toString(16)
    .padStart(digits, "0");
const mac = (random: Random): string => `0c:c4:7a:${hex(random, 2)}:${hex(random, 2)}:${hex(random, 2)}`;

function firewall(random: Random): Made {
  const ttl = 40 + random.below(80);
  const text =
    `[ipv4-INP-filter-default-D]IN=eth${random.below(4)} OUT= MAC=${mac(random)}:${mac(random)}:08:00 SRC=${outside(random)} ` +
    `DST=${inside(random)} LEN=40 TOS=0x00 PREC=0x00 TTL=${ttl} ID=${random.below(65_536)} PROTO=TCP SPT=${port(random)} ` +
    `DPT=${random.below(10_000)} WINDOW=1024 RES=0x00 SYN URGP=0`;
  return { program: "kernel", priority: 4, text };
}

function sshd(random: Random): Made {
  const from = outside(random);
  const text = [
    `Received disconnect from ${from} port ${port(random)}:11: disconnected by user`,
    `Disconnected from user deploy ${from} port ${port(random)}`,
    `pam_unix(sshd:session): session opened for user deploy(uid=1002) by (uid=0)`,
    `pam_unix(sshd:session): session closed for user deploy`,
    `Server listening on 0.0.0.0 port 22.`,
    `Starting session: command for backup from ${inside(random)} port ${port(random)} id 0`,
    `subsystem request for sftp by user backup`,
  ][random.below(7)] as string;
  return { program: "sshd", priority: 38, text };
}

function dhcp(random: Random): Made {
  const [address, client] = [inside(random), mac(random)];
  const lease = `on ${address} to ${client} (host-${hex(random, 4)}) via eth1`;
  const made: readonly (readonly [program: string, text: string])[] = [
    ["dhcpd", `DHCPREQUEST for ${address} from ${client} (host-${hex(random, 4)}) via eth1`],
    ["dhcpd", `DHCPACK ${lease}`],
    ["dhcpd", `DHCPOFFER ${lease}`],
    ["dhclient", `DHCPREQUEST for ${address} on eth0 to 10.0.0.1 port 67 xid=0x${hex(random, 8)}`],
    ["dhclient", `bound to ${address} -- renewal in ${600 + random.below(1200)} seconds.`],
  ];
  const [program, text] = random.pick(made);
  return { program, priority: 30, text };
}

function routing(random: Random): Made {
  const peer = inside(random);
  const prefix = `10.${random.below(256)}.${random.below(256)}.0/24`;
  const made: readonly (readonly [program: string, text: string])[] = [
    ["bgpd", `[M59KS-A3ZXZ] bgp_update_receive: rcvd End-of-RIB for IPv4 Unicast from ${peer} in vrf default`],
    [
      "bgpd",
      `[ZWCSR-M7FG9] ${peer} sent UPDATE about ${prefix} nexthop ${peer}, path 64512 64${100 + random.below(900)} 65010`,
    ],
    [
      "zebra",
      `[NR8R4-A5RDN] Route ${prefix} nexthop ${peer} eth${random.below(4)} metric ${random.below(500)} was installed in table 254`,
    ],
    [
      "ospfd",
      `[QH9AB-Y4XMZ] Packet ${peer} [Hello:RECV]: Options on eth${random.below(4)} area 0.0.0.0 are as expected`,
    ],
    ["ospfd", `[XRY9W-MJAFD] AdjChg: Nbr ${peer} on eth${random.below(4)}: Loading -> Full (LoadingDone)`],
  ];
  const [program, text] = random.pick(made);
  return { program, priority: 190, text };
}

function cron(random: Random): Made {
  const text = random.pick([
    "(root) CMD (   cd / && run-parts --report /etc/cron.hourly)",
    "(root) CMD (command -v debian-sa1 > /dev/null && debian-sa1 1 1)",
    "pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)",
    "pam_unix(cron:session): session closed for user root",
  ]);
  return { program: "CRON", priority: 78, text };
}

function systemd(random: Random): Made {
  const text = random.pick([
    `Started session-${random.below(10_000)}.scope - Session ${random.below(10_000)} of User deploy.`,
    "Finished logrotate.service - Rotate log files.",
    `session-${random.below(10_000)}.scope: Deactivated successfully.`,
    "Starting systemd-tmpfiles-clean.service - Cleanup of Temporary Directories...",
    "apt-daily.timer: Adding 4h 11min 22.907216s random time.",
  ]);
  return { program: "systemd", priority: 30, text };
}

function netplugUp(random: Random): Made {
  const text = random.pick([
    `eth${random.below(8)}: state INACTIVE flags 0x00001003 UP,BROADCAST,MULTICAST -> 0x00011043 UP,BROADCAST,RUNNING,MULTICAST,10000`,
    `/etc/netplug/linkup.d/vyos-linkup eth${random.below(8)} probe -> pid ${300 + random.below(32_000)}`,
  ]);
  return { program: "netplugd", priority: 28, text };
}

function charon(random: Random): Made {
  const [peer, size] = [outside(random), 60 + random.below(400)];
  const text = random.pick([
    `0${random.below(9)}[NET] received packet: from ${peer}[4500] to ${inside(random)}[4500] (${size} bytes)`,
    `1${random.below(6)}[ENC] parsed INFORMATIONAL request ${random.below(9000)} [ ]`,
    `1${random.below(6)}[IKE] CHILD_SA peer-${peer}-tunnel-0{${random.below(9000)}} established with SPIs c${hex(random, 7)}_i c${hex(random, 7)}_o`,
  ]);
  return { program: "charon", priority: 30, text };
}

function haproxy(random: Random): Made {
  const client = `${inside(random)}:${port(random)}`;
  const text =
    `${client} [21/Nov/2026:04:44:${10 + random.below(50)}.${100 + random.below(900)}] web~ app/app-${1 + random.below(4)} ` +
    `0/0/1/${random.below(300)}/${300 + random.below(300)} 200 ${random.below(90_000)} - - ---- 41/41/2/1/0 0/0 ` +
    `"GET /api/v2/items/${random.below(100_000)}?page=${random.below(90)} HTTP/1.1"`;
  return { program: "haproxy", priority: 134, text };
}

function foreignText(random: Random): Made {
  const text = random.pick([
    `バックアップが完了しました: ${random.below(9000)} 件のファイルを ${random.below(900)} 秒で保存`,
    `Sauvegarde terminée : ${random.below(9000)} fichiers copiés, ${random.below(50)} ignorés (accès refusé)`,
    `Резервное копирование завершено: ${random.below(9000)} файлов за ${random.below(900)} секунд`,
    `Sicherung für München abgeschlossen: ${random.below(9000)} Dateien übertragen ✓`,
  ]);
  return { program: "backup-agent", priority: 14, text };
}

/** An application that logs a whole request: 0.3 to 1 KB. */
function json(random: Random): Made {
  const items = Array.from({ length: 3 + random.below(12) }, () => ({
    sku: hex(random, 8),
    quantity: 1 + random.below(9),
    note: random.pick(["", "gift", "fragile", "weiß", "second try"]),
  }));
  const body = {
    level: "info",
    request: `${hex(random, 8)}-${hex(random, 8)}`,
    client: inside(random),
    ms: random.below(900),
    items,
  };
  return {
    program: "shop",
    priority: 134,
    text: JSON.stringify({ ...body, agent: "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0" }),
  };
}

/** Somebody else quotes sshd: a program may log what it likes, and only sshd says that a password failed. */
function decoy(random: Random): Made {
  const text = `Failed password for root from ${outside(random)} port ${port(random)} ssh2`;
  return { program: random.pick(decoyPrograms), priority: 14, text };
}
