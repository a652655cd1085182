// Rules of one's own: what is unsafe, never matches or is never reached is said at start, all of it, with the place.

import { describe, expect, test } from "@jest/globals";
import { ConfigurationError } from "@logwarden/shared/environment";
import { latin1 } from "../latin1.ts";
import { createRecognizer, type Recognition, type Recognizer } from "./recognize.ts";
import type { Rule } from "./rule.ts";
import { compileRule, createRuleSet, shippedRules, unreached } from "./rule-set.ts";

function own(match: string | readonly string[], more: Partial<Rule> = {}): Rule & { match: readonly string[] } {
  const rule: Rule = { name: "mine", programs: ["vpnd"], type: "password_failed", match, ...more };
  return { ...rule, match: typeof match === "string" ? [match] : match };
}

function complaintsOf(
  rules: readonly Rule[],
  { disabled = [] as string[], tried = undefined as Rule | undefined } = {},
) {
  try {
    const list = rules.map((rule) => own(rule.match, rule));
    createRuleSet("logwarden.yaml", { rules: { own: list, disabled } }, tried);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return error.complaints;
  }
}

/** The rule that claims the line. */
function claimant(rules: readonly Rule[], line: string, tried?: Rule): string | undefined {
  const list = rules.map((rule) => own(rule.match, rule));
  const { recognizer } = createRuleSet("logwarden.yaml", { rules: { own: list, disabled: [] } }, tried);
  const recognition = recognize(recognizer, line);
  return typeof recognition === "string" ? undefined : recognition.rule;
}

/** @param line without its time and host */
function recognize(recognizer: Recognizer, line: string): Recognition {
  const read = latin1(`Nov 21 04:44:40 gw1 ${line}`);
  return recognizer.recognize(read, 0, read.bytes.length);
}

const ending =
  "the field at the mark ends where the text beside it first stands: write there what the field cannot hold, or let " +
  "free text stand left of it, and it is read from the end of the line";

describe("a template of one's own is refused", () => {
  test.each<[why: string, match: string, more: Partial<Rule>, complaint: string[]]>([
    [
      "with two free texts: an attacker could choose where the first one ends",
      ...(["login of {user} failed: {why} from {address:ip}", {}] as const),
      [
        "two free-text fields: where one ends would be the attacker's choice",
        "    login of {user} failed: {why} from {address:ip}",
        "                            ^",
        "    give one of them a kind: {name:word} ends at a space, {name:int} at what is no digit",
      ],
    ],
    [
      "with two fields and no text between",
      ...(["failed from {address:ip}{port:int}", {}] as const),
      [
        "two fields with no text between: where one ends cannot be known",
        "    failed from {address:ip}{port:int}",
        "                            ^",
        "    write what stands between them in the log, or make them one field",
      ],
    ],
    [
      "with hardly any fixed text: it would claim nearly any line",
      ...(["{address:ip}: {rest}", {}] as const),
      [
        "a form with less than 4 characters of fixed text: it would claim nearly any line",
        "    {address:ip}: {rest}",
        "    ^",
        "    write more of the words that only such a line has",
      ],
    ],
    [
      "with a form of hardly any fixed text, though other forms have enough",
      ...(["[login failed ]{user} @ {address:ip}", {}] as const),
      [
        "a form with less than 4 characters of fixed text: it would claim nearly any line",
        "    [login failed ]{user} @ {address:ip}",
        "    ^",
        "    write more of the words that only such a line has",
      ],
    ],
    [
      "without the address it is about",
      ...(["login of {user} failed", {}] as const),
      [
        "password_failed needs {address:ip}, and the template has none: write it where the address stands",
        "    login of {user} failed",
      ],
    ],
    [
      "with an address of another name",
      ...(["login of {user} failed from {remote:ip}", {}] as const),
      [
        "password_failed needs {address:ip}, and the template has none: if this is who it is about, call it address",
        "    login of {user} failed from {remote:ip}",
        "                                ^",
      ],
    ],
    [
      "with an address that is free text: it could hold anything",
      ...(["login failed from {address}", {}] as const),
      [
        "password_failed needs {address:ip}, got {address}, which is free text",
        "    login failed from {address}",
        "                      ^",
      ],
    ],
    [
      "with an optional address",
      ...(["login of {user} failed[ from {address:ip}]", {}] as const),
      [
        "{address:ip} is optional, and password_failed needs it: take the brackets around it away",
        "    login of {user} failed[ from {address:ip}]",
        "                                 ^",
      ],
    ],
    [
      "without the interface it is about",
      ...(["carrier lost on {port:word}", { type: "interface_down" }] as const),
      [
        "interface_down needs {interface:word}, and the template has none: write it where the interface stands",
        "    carrier lost on {port:word}",
      ],
    ],
    [
      "with an interface that is free text",
      ...(["carrier lost on {interface}", { type: "interface_down" }] as const),
      [
        "interface_down needs {interface:word}, got {interface}, which is free text",
        "    carrier lost on {interface}",
        "                    ^",
      ],
    ],
    [
      "when it begins with a space, which is cut from every message",
      ...([" login failed from {address:ip}", {}] as const),
      [
        "begins with a space, which is cut from the beginning of every message: it would never match",
        "     login failed from {address:ip}",
        "    ^",
        "    leave the space out",
      ],
    ],
    [
      "with a control character, which is shown as one",
      ...(["login failed\tfrom {address:ip}", {}] as const),
      [
        "a control character, which no line holds (syslog writes #012)",
        "    login failed␉from {address:ip}",
        "                ^",
        "    write what the log holds in its place, or let a field stand for it",
      ],
    ],
    [
      "with a character that is not ASCII",
      ...(["Anmeldung ungültig von {address:ip}", {}] as const),
      [
        "a character that is not ASCII would never match: let a field such as {name:word} stand for its word",
        "    Anmeldung ungültig von {address:ip}",
        "                 ^",
      ],
    ],
    [
      "with a kind that does not exist",
      ...(["login failed from {address:ipv4}", {}] as const),
      [
        "expected {name} or {name:ip|int|hex|word|quoted} (write \\{ for the character itself)",
        "    login failed from {address:ipv4}",
        "                      ^",
        "    a field is {address:ip}, an optional part is [ from port {port:int}]",
      ],
    ],
    [
      "when an address would end at its first dot",
      ...(["{address:ip}.{port:int} was refused", {}] as const),
      [
        'never matches an IPv4 address, not even "192.0.2.7.22 was refused"',
        "    {address:ip}.{port:int} was refused",
        "    ^",
        `    ${ending}`,
      ],
    ],
    [
      "when a sentence's full stop would end an address",
      ...(["refused {address:ip}.", {}] as const),
      [
        'never matches an IPv4 address, not even "refused 192.0.2.7."',
        "    refused {address:ip}.",
        "            ^",
        `    ${ending}`,
      ],
    ],
    [
      "when another address than the attacker's would end at its first dot",
      ...(["{address:ip} > {local:ip}.{port:int}: refused", {}] as const),
      [
        'never matches an IPv4 address, not even "192.0.2.7 > 192.0.2.7.22: refused"',
        "    {address:ip} > {local:ip}.{port:int}: refused",
        "                   ^",
        `    ${ending}`,
      ],
    ],
    [
      "when its words never reach a rule: sums of repeats are unwrapped",
      ...(["message repeated 2 times: \\[ failed from {address:ip}\\]", {}] as const),
      [
        'never matches, not even "message repeated 2 times: [ failed from 192.0.2.7]"',
        "    message repeated 2 times: \\[ failed from {address:ip}\\]",
        "    header, repeats and uptime are cut off before a rule reads a message: leave them out",
      ],
    ],
    [
      "when a status decides on a type that has none",
      ...(["login failed with {status:int} from {address:ip}", {}] as const),
      [
        "only http_error has a status, and password_failed would be read from lines with 100 to 599 there alone: give the field another name",
        "    login failed with {status:int} from {address:ip}",
        "                      ^",
      ],
    ],
    [
      "when its status is no number",
      ...(["refused {address:ip} with {status:word}", { type: "http_error" }] as const),
      [
        "expected {status:int}, got {status:word}",
        "    refused {address:ip} with {status:word}",
        "                              ^",
      ],
    ],
    [
      "when a peer's ban does not say what the peer did",
      ...(["banned {address:ip}", { type: "peer_ban" }] as const),
      ["peer_ban needs an action, for example set: { action: ban }"],
    ],
    [
      "when another type than a peer's ban has an action",
      ...(["pardoned {address:ip}", { set: { action: "unban" } }] as const),
      ["only a peer_ban has an action: leave unban out, or write type: peer_ban"],
    ],
  ])("%s", (_, match, more, complaint) => {
    const complaints = complaintsOf([own(match, more)]);
    expect(complaints).toEqual([`logwarden.yaml: rules.own: mine: ${complaint.join("\n")}`]);
  });
});

test("all complaints come at once, of all rules and all templates, and of rules.disabled", () => {
  const rules = [
    own(["failed from {address}", "{a} and {b} {address:ip}", "denied {address:ip}"], { name: "first" }),
    own("banned {address:ip}", { name: "second", type: "peer_ban" }),
    own("message repeated 2 times: \\[ denied {address:ip}\\]", { name: "third" }),
    own("denied {address:ip}", { name: "fourth" }),
    own("refused {address:ip}", { name: "second" }),
  ];
  const complaints = complaintsOf(rules, { disabled: ["sshd-failed-pasword"] });
  expect(complaints.map((one) => one.split("\n")[0]?.replace(/; rules are .*/, ""))).toEqual([
    "logwarden.yaml: rules.disabled: no such rule: sshd-failed-pasword",
    "logwarden.yaml: rules.own: second: another rule of your own has this name: logs, metrics and rules.disabled could not tell them apart",
    "logwarden.yaml: rules.own: first: password_failed needs {address:ip}, got {address}, which is free text",
    "logwarden.yaml: rules.own: first: two free-text fields: where one ends would be the attacker's choice",
    "logwarden.yaml: rules.own: second: peer_ban needs an action, for example set: { action: ban }",
    'logwarden.yaml: rules.own: third: never matches, not even "message repeated 2 times: [ denied 192.0.2.7]"',
    'logwarden.yaml: rules.own: fourth: never reached: first claims its lines first, such as "denied 192.0.2.7". Write it before first, or let that one claim less',
  ]);
});

test("a complaint about rules.disabled lists the names that would pass", () => {
  const [complaint] = complaintsOf([own("denied {address:ip}")], { disabled: ["mien"] });
  expect(complaint).toMatch(/no such rule: mien; rules are mine, sshd-failed-password, .*, sshguard-block$/);
});

test("the name of a rule that ships is taken", () => {
  const rule = own("denied {address:ip}", { name: "sshd-failed-password" });
  expect(complaintsOf([rule])).toEqual([
    "logwarden.yaml: rules.own: sshd-failed-password: a rule that ships has this name: choose another, and list the shipped one in rules.disabled if yours replaces it",
  ]);
});

describe("a rule of one's own that another one stands before", () => {
  const broad = own("denied {what} from {address:ip}", { name: "broad" });
  const narrow = own("denied login from {address:ip}", { name: "narrow" });

  test("is never reached when that one claims all of its lines, whatever program writes them", () => {
    expect(complaintsOf([broad, narrow])).toEqual([
      'logwarden.yaml: rules.own: narrow: never reached: broad claims its lines first, such as "denied login from 192.0.2.7". ' +
        "Write it before broad, or let that one claim less\n    denied login from {address:ip}",
    ]);
    const many = { programs: ["vpnd", "vpn-worker"] };
    expect(
      complaintsOf([own(broad.match, { ...broad, ...many }), own(narrow.match, { ...narrow, ...many })]),
    ).toHaveLength(1);
  });

  test("is reached when it is written first, or reads a program more, or has a line of its own", () => {
    expect(complaintsOf([narrow, broad])).toEqual([]);
    expect(complaintsOf([broad, { ...narrow, programs: ["vpnd", "vpn-worker"] }])).toEqual([]);
    expect(complaintsOf([broad, own("denied login[ from {address:ip}] by {address:ip}")])).not.toEqual([]);
    expect(complaintsOf([broad, own(["denied login from {address:ip}[ port {port:int}]"])])).toEqual([]);
  });

  test("is not missed where one of the two is switched off", () => {
    expect(complaintsOf([broad, narrow], { disabled: ["broad"] })).toEqual([]);
    expect(complaintsOf([broad, narrow], { disabled: ["narrow"] })).toEqual([]);
  });
});

test("a rule of one's own takes lines from those that ship, also all of them: who writes one means it", () => {
  const mine = own("Failed password for [invalid user ]{user} from {address:ip} port {port:int} ssh2", {
    programs: ["sshd"],
  });
  const line = "sshd[1]: Failed password for root from 203.0.113.7 port 40024 ssh2";
  expect(claimant([], line)).toBe("sshd-failed-password");
  expect(claimant([mine], line)).toBe("mine");
});

test.each(["denied 203.0.113.7", "message repeated 3 times: [ denied 203.0.113.7]"])(
  "a rule whose lines are known by their end claims %j",
  (text) => {
    expect(claimant([own("denied {address:ip}")], `vpnd: ${text}`)).toBe("mine");
  },
);

describe("a template of one's own is good", () => {
  test.each([
    ["denied {address:ip}", {}],
    // Not for IPv6, whose lines have brackets in most programs.
    ["denied {address:ip}:{port:int}", {}],
    ["denied \\[{address:ip}\\]:{port:int}", {}],
    ["denied {user}@{address:ip}", {}],
    // Right of free text, a field begins behind the LAST such text.
    ["denied {what} by {address:ip}.", {}],
    ["denied {address:ip} with {status:int}", { type: "http_error" }],
    ["denied {address:ip}[ with {status:int}]", { type: "http_error" }],
    ["carrier of {interface:word} lost", { type: "interface_down" }],
    ["banned {address:ip}", { type: "peer_ban", set: { action: "ban" } }],
    ['denied "{request:quoted}" from {address:ip}', {}],
  ] as [string, Partial<Rule>][])("%s %j", (match, more) => {
    expect(complaintsOf([own(match, more)])).toEqual([]);
  });
});

describe("a tried rule", () => {
  const tried = own("denied {what} from {address:ip}", { name: "tried" });

  test("stands before all others, and none of them is never reached because of it", () => {
    const mine = own("denied login from {address:ip}");
    expect(claimant([mine], "vpnd: denied login from 203.0.113.7", tried)).toBe("tried");
    expect(claimant([mine], "vpnd: denied login from 203.0.113.7")).toBe("mine");
  });

  test("is complained about by that name", () => {
    const [complaint] = complaintsOf([], { tried: own("denied {what} from {address}") });
    expect(complaint).toMatch(/^the tried rule: two free-text fields/);
  });
});

describe("the rules that ship", () => {
  test("have nothing wrong with them", () => {
    expect(shippedRules.flatMap((rule) => compileRule(rule).wrong)).toEqual([]);
  });

  test("are called differently", () => {
    expect(new Set(shippedRules.map(({ name }) => name)).size).toBe(shippedRules.length);
  });

  test("are all reached: each template that asks for nothing but its words claims a line made from it", () => {
    const checked = shippedRules.map((rule) => compileRule(rule));
    const recognizer = createRecognizer(checked);
    expect(checked.filter(({ rule }) => rule.where === undefined).length).toBeGreaterThan(15);
    expect(checked.flatMap((one) => unreached(one, recognizer))).toEqual([]);
  });
});

test("programs whose names begin alike keep their own rules, however their lines end", () => {
  const programs = ["sshd", "sshd-session", "sshguard", "s", "ssh"];
  // By turns with a field and with text.
  const end = (program: string): string => (programs.indexOf(program) % 2 === 0 ? "" : `, says ${program}`);
  const rules = programs.map((program) =>
    own(`denied {user} from {address:ip}${end(program)}`, { name: `of-${program}`, programs: [program] }),
  );
  const recognizer = createRecognizer(rules.map((rule) => compileRule(rule)));
  const ruleOf = (line: string): string => {
    const recognition = recognize(recognizer, line);
    return typeof recognition === "string" ? recognition : recognition.rule;
  };
  for (const program of programs) {
    const said = `denied root from 203.0.113.7${end(program)}`;
    for (const tag of [`${program}:`, `${program}[7]:`, program]) {
      expect(ruleOf(`${tag} ${said}`)).toBe(`of-${program}`);
      expect(ruleOf(`x${tag} ${said}`)).toBe("unrecognized");
    }
  }
});
