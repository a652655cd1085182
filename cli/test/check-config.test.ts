// What an inventory means, or everything that is wrong with it.

import { describe, expect, test } from "@jest/globals";
import { directory, file, here } from "./command.ts";

const fingerprint = `sha256:${"0f".repeat(32)}`;
const good = `
devices:
  edge-1:
    address: 10.10.10.201
    api: { url: https://10.10.10.201, keyFile: /run/secrets/edge-1, fingerprint: "${fingerprint}" }
    tags: [edge]
    protect: [eth0]
  lab: { address: 10.10.10.202, api: { url: https://10.10.10.202, keyFile: /k, verify: off } }
  web-1: { address: "2001:DB8::80" }
rules: { disabled: [netplugd-state-down] }
allow: [192.0.2.0/24]
`;

test("a good one is printed: devices, what is never banned, rules on and off", async () => {
  const config = file("logwarden.yaml", good);
  const { code, stdout, stderr } = await here(["check-config", "--config", config]);
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr:
      "warning: policies password_failed, user_invalid, attempts_exceeded: targets [self] is the device whose line it was, " +
      "and web-1 has no `api`: who attacks there is banned nowhere\n",
  });
  const words = stdout.split("\n").map((line) => line.trim().replaceAll(/ +/g, " "));
  expect(words).toEqual(
    expect.arrayContaining([
      `${config} can be used.`,
      "edge-1 10.10.10.201 https://10.10.10.201, certificate pinned protect eth0 tags edge",
      "lab 10.10.10.202 https://10.10.10.202, certificate NOT verified protect - tags -",
      "web-1 2001:db8::80 only sends logs protect - tags -",
      "127.0.0.0/8 loopback (RFC 1122 §3.2.1.3)",
      "10.10.10.201/32 address of edge-1",
      "192.0.2.0/24 allow 192.0.2.0/24",
      "on sshd-failed-password password_failed sshd sshd-session sshd-auth",
      "off netplugd-state-down interface_down netplugd",
    ]),
  );
});

test("--json says the same, for programs", async () => {
  const config = file("logwarden.yaml", good);
  const facts = JSON.parse((await here(["check-config", "--config", config, "--json"])).stdout) as object;
  expect(facts).toMatchObject({
    ...{ config, usable: true, group: "BAD_GUYS" },
    devices: [
      { name: "edge-1", tube: "logwarden.device.edge-1", api: { keyFile: "/run/secrets/edge-1" }, protect: ["eth0"] },
      { name: "lab" },
      { name: "web-1", address: "2001:db8::80", api: null },
    ],
    neverBanned: expect.arrayContaining([{ address: "192.0.2.0/24", why: "allow 192.0.2.0/24" }]),
    rules: expect.arrayContaining([expect.objectContaining({ name: "netplugd-state-down", on: false })]),
  });
});

describe("rules of one's own", () => {
  const own = `rules:
  disabled: [vpn-old]
  own:
    - { name: vpn-failed, program: vpnd, match: "failed: {user} from {address:ip}", type: password_failed }
    - { name: vpn-old, program: [vpnd, vpn], match: ["gone: {address:ip}", "lost: {address:ip}"], type: preauth_failed }
`;
  const config = (rules: string): string => file("logwarden.yaml", good.replace(/^rules: .*$/m, rules));

  test("are shown as such, before those that ship, and as JSON with their templates", async () => {
    const path = config(own);
    const { code, stdout } = await here(["check-config", "--config", path]);
    const words = stdout.split("\n").map((line) => line.trim().replaceAll(/ +/g, " "));
    expect(code).toBe(0);
    expect(words.slice(words.indexOf("Rules") + 1).slice(0, 3)).toEqual([
      "on vpn-failed password_failed vpnd your own",
      "off vpn-old preauth_failed vpnd vpn your own, no policy: nothing is done",
      "on sshd-failed-password password_failed sshd sshd-session sshd-auth",
    ]);
    const { rules } = JSON.parse((await here(["check-config", "--config", path, "--json"])).stdout) as {
      rules: unknown[];
    };
    expect(rules.slice(0, 2)).toEqual([
      {
        ...{ name: "vpn-failed", on: true, own: true, programs: ["vpnd"], type: "password_failed", effect: "ban" },
        match: ["failed: {user} from {address:ip}"],
      },
      {
        ...{
          name: "vpn-old",
          on: false,
          own: true,
          programs: ["vpnd", "vpn"],
          type: "preauth_failed",
          effect: "nothing",
        },
        match: ["gone: {address:ip}", "lost: {address:ip}"],
      },
    ]);
    expect(rules[2]).toMatchObject({ own: false, on: true });
  });

  test("are complained about with a mark under the place", async () => {
    const path = config(own.replace("failed: {user} from {address:ip}", "failed: {user}{why} from {address:ip}"));
    const { code, stdout, stderr } = await here(["check-config", "--config", path]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toBe(
      `The configuration cannot be used:
  ${path}: rules.own: vpn-failed: two free-text fields: where one ends would be the attacker's choice
      failed: {user}{why} from {address:ip}
                    ^
      give one of them a kind: {name:word} ends at a space, {name:int} at what is no digit
`,
    );
  });
});

test("everybody whom nobody may ban is shown, with the reason: built in, the devices' own, the operator's", async () => {
  const { stdout } = await here(["check-config", "--config", file("logwarden.yaml", good), "--json"]);
  const { neverBanned } = JSON.parse(stdout) as { neverBanned: { address: string; why: string }[] };
  expect(neverBanned).toEqual(
    expect.arrayContaining([
      { address: "127.0.0.0/8", why: expect.stringContaining("loopback") },
      { address: "ff00::/8", why: expect.stringContaining("multicast") },
      { address: "2001:db8::80/128", why: "address of web-1" },
      { address: "192.0.2.0/24", why: "allow 192.0.2.0/24" },
    ]),
  );
});

describe("one that cannot be used exits 2", () => {
  const bad = "devices: { edge-1: { address: 10.0.0, protec: [eth0] } }\nalow: []\n";
  const complaints = ["devices.edge-1.address", '"protec"', '"alow"', "allow: must be written out"];

  test("with every complaint", async () => {
    const { code, stdout, stderr } = await here(["check-config", "--config", file("logwarden.yaml", bad)]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    for (const words of complaints) expect(stderr).toContain(words);
  });

  test("with every complaint as JSON", async () => {
    const { code, stdout } = await here(["check-config", "--json", "--config", file("logwarden.yaml", bad)]);
    const answer = JSON.parse(stdout) as { usable: boolean; complaints: string[] };
    expect({ code, usable: answer.usable }).toEqual({ code: 2, usable: false });
    expect(answer.complaints).toHaveLength(complaints.length);
    for (const words of complaints) expect(answer.complaints.join("\n")).toContain(words);
  });

  test("when it switches off a rule that does not exist", async () => {
    const config = file("logwarden.yaml", good.replace("netplugd-state-down", "netplugd-state-dwn"));
    const { code, stderr } = await here(["check-config", "--config", config]);
    expect({ code, stderr }).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("no such rule: netplugd-state-dwn"),
    });
  });

  test("when it is no YAML, or not there", async () => {
    const broken = file("logwarden.yaml", "devices: [\n");
    expect(await here(["check-config", "--config", broken])).toMatchObject({ code: 2, stdout: "" });
    const { code, stderr } = await here(["check-config", "--config", `${directory()}/none.yaml`]);
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining("cannot be read") });
  });
});

test("without --config it reads the file that the services read", async () => {
  const env = { LOGWARDEN_CONFIG: file("logwarden.yaml", good) };
  expect(await here(["check-config"], env)).toMatchObject({ code: 0 });
  const { stderr } = await here(["check-config"], { LOGWARDEN_CONFIG: "" });
  expect(stderr).toContain("/etc/logwarden/logwarden.yaml");
});

describe("policies", () => {
  const policies = `
policies:
  password_failed: { maxRetry: 5, findTime: 10m, banTime: 1h, growth: 2, banTimeMax: 7d, targets: [edge], forgetOnSuccess: true }
  peer_ban: { banTime: permanent, targets: [all], dryRun: true, rules: { fail2ban-ban: { banTime: 1d } } }
  interface_down: { maxRetry: 3, findTime: 5m, enableAfter: 10m }
`;

  test("are shown as they act, those of a rule beside those of its type", async () => {
    const config = file("logwarden.yaml", good + policies);
    const { code, stdout, stderr } = await here(["check-config", "--config", config]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const words = stdout.split("\n").map((line) => line.trim().replaceAll(/ +/g, " "));
    const at = words.indexOf("Policies (IPv6 is counted by /64)");
    expect(words.slice(at + 1, at + 5)).toEqual([
      "password_failed 5 in 10m ban for 1h on edge each further one ×2 up to 1w, a login forgets",
      "peer_ban 1 in 10m ban without an end on all dry run",
      "peer_ban, rule fail2ban-ban 1 in 10m ban for 1d on all dry run",
      "interface_down 3 in 5m disable for 10m on self",
    ]);
  });

  test("that can never act are warned about: a tag of hosts that only send logs, self where nobody can be changed", async () => {
    const hosts = `
devices:
  edge-1: { address: 10.10.10.201, api: { url: https://10.10.10.201, keyFile: /k, verify: off } }
  web-1: { address: 10.10.10.132, tags: [web] }
policies: { http_error: { targets: [web] }, password_failed: { targets: [all] } }
allow: []
`;
    const facts = JSON.parse(
      (await here(["check-config", "--json", "--config", file("a.yaml", hosts)])).stdout,
    ) as Record<string, unknown>;
    expect(facts["warnings"]).toEqual([
      "policies http_error: no device with the tag web has an `api`: that target holds nothing",
    ]);
    const mute = file("b.yaml", "devices: { web-1: { address: 10.10.10.132 } }\nallow: []\n");
    expect((await here(["check-config", "--config", mute])).stderr).toBe(
      "warning: no device has an `api`: nobody is banned anywhere, and no interface is disabled\n",
    );
  });
});
