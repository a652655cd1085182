/**
 * Many rules, as an operator might write them: 3 to 300, spread over 40 programs, of which some are in the traffic and
 * most of their lines almost match.
 *
 * Shapes: a beginning that many rules share, fields before any fixed text, free text before any fixed text, optional
 * parts, an end that differs and nothing else.
 */

import { type OwnRule, type Rules, shipped, shippedOnly } from "./our-parser.ts";

/** In the corpus (noise.ts), the noisiest first: a rule for a program that logs nothing costs nothing. */
const programsInTraffic = [
  "kernel",
  "sshd",
  "systemd",
  "CRON",
  "charon",
  "haproxy",
  "dhcpd",
  "bgpd",
  "zebra",
  "ospfd",
  "netplugd",
];
const programs = [
  ...programsInTraffic,
  ...Array.from({ length: 40 - programsInTraffic.length }, (_, number) => `daemon-${number + 1}`),
];

/** The program that has many rules. */
const crowdedProgram = "sshd";

export interface RuleSet {
  /** How many in all. */
  made: number;
  /** So many are left out before the first one: the next ones have other shapes, for the same programs. */
  from: number;
  /** How many of them belong to one program; 0: they are spread evenly. */
  ofOneProgram: number;
  /** Whether the rules that ship are there as well, as with everybody who has not turned them off. */
  withShipped: boolean;
}

/** The rules of the set, as `rules` of logwarden.yaml has them. */
export function madeRules({ made, from, ofOneProgram, withShipped }: RuleSet): Rules & { own: readonly OwnRule[] } {
  const own = Array.from({ length: made }, (_, number): OwnRule => {
    const spread = number - ofOneProgram;
    const program = spread < 0 ? crowdedProgram : (programs[spread % programs.length] as string);
    return { name: `made-${from + number + 1}`, program, match: shape(from + number), type: "password_failed" };
  });
  return { ...(withShipped ? shipped : shippedOnly([])), own };
}

/** Seven shapes, each with a word of its own; 7 and 40 have no common factor, so every program gets every shape. */
function shape(number: number): string {
  const word = `reason-${number + 1}`;
  const shapes = [
    `Failed login for [invalid user ]{user} from {address:ip} port {port:int} ${word}`,
    `Received disconnect from {address:ip} port {port:int}:${number + 12}: ${word}`,
    `{address:ip} was refused for ${word}`,
    `{interface:word}: state ${word} by {address:ip}`,
    `{user} was refused from {address:ip} for ${word}`,
    `{user}: ${word} from {address:ip}[ port {port:int}][ on {interface:word}]`,
    `error: ${word}: ban of {address:ip} after {times:int} attempts of {user} is over`,
  ];
  return shapes[number % shapes.length] as string;
}
