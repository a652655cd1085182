/**
 * The lines that every system of the bench looks for, and what is to be read out of them.
 *
 * One user name in 25 is the attacker's try to be read as another address, one in 50 is not ASCII.
 */

import { attacker, attackersMax } from "../addresses.ts";
import type { Random } from "./random.ts";

export type Match =
  | { type: "password_failed"; from: string; user: string }
  | { type: "interface_down"; interface: string };

export interface Made {
  program: string;
  priority: number;
  text: string;
}

const users = [
  "root",
  "admin",
  "ubuntu",
  "test",
  "oracle",
  "postgres",
  "pi",
  "git",
  "deploy",
  "user1",
  "ftpuser",
  "nagios",
];
const foreignUsers = ["jürgen", "señor", "администратор", "管理者", "użytkownik"];

export function failedPassword(random: Random): Made & { match: Match } {
  const from = attacker(random.below(attackersMax));
  const port = 1024 + random.below(64_000);
  const invalid = random.chance(0.7);
  const user = random.chance(0.04)
    ? `root from 192.0.2.${random.below(256)} port 22 ssh2`
    : random.pick(random.chance(0.02) ? foreignUsers : users);
  // Only an account that does not exist can be called anything.
  const name = invalid || user.includes(" ") ? `invalid user ${user}` : user;
  const text = `Failed password for ${name} from ${from} port ${port} ssh2`;
  return { program: "sshd", priority: 38, text, match: { type: "password_failed", from, user } };
}

/** `state` is the one before the event: a link that is lost was ACTIVE; DOWN is what the original design triggers on. */
const linkStates = [
  "state ACTIVE flags 0x00011043 UP,BROADCAST,RUNNING,MULTICAST,10000 -> 0x00001003 UP,BROADCAST,MULTICAST",
  "state DOWN flags 0x00001002 BROADCAST,MULTICAST -> 0x00001003 UP,BROADCAST,MULTICAST",
] as const;

export function linkLost(random: Random): Made & { match: Match } {
  const name = `eth${random.below(8)}`;
  const text = `${name}: ${random.pick(linkStates)}`;
  return { program: "netplugd", priority: 28, text, match: { type: "interface_down", interface: name } };
}
