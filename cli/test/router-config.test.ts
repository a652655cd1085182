// The set commands of each release: what VyOS takes (docs of the engine, the simulator's schema), and rsyslog's own word.

import { describe, expect, test } from "@jest/globals";
import { ownHost } from "@logwarden/lab/parts/loopback";
import { startRouterPart } from "@logwarden/lab/parts/router";
import { connectTo } from "@logwarden/responder/connect";
import { spawnSync } from "node:child_process";
import { blocksFor, type Release, releases } from "../src/vyos/commands.ts";
import { dropIn } from "../src/vyos/drop-in.ts";
import { directory, end, file, here } from "./command.ts";
import { rig } from "./rig.ts";

const collector = "10.10.10.10";
const commands = async (...args: string[]): Promise<Record<string, string[]>> => {
  const { stdout } = await here(["router-config", "--collector", collector, "--json", ...args]);
  const { blocks } = JSON.parse(stdout) as { blocks: { name: string; commands: string[] }[] };
  return Object.fromEntries(blocks.map((block) => [block.name, block.commands]));
};

describe("syslog and rules are those of the release:", () => {
  test("1.3 says the protocol of each facility, and binds named sets to an interface", async () => {
    const { api, syslog, rules } = await commands("--release", "1.3", "--interface", "eth2");
    expect(api).toEqual(["set service https api keys id logwarden key SECRET"]);
    const host = `set system syslog host ${collector}`;
    expect(syslog).toEqual([
      ...["auth", "authpriv", "daemon", "kern"].flatMap((facility) => [
        `${host} facility ${facility} level info`,
        `${host} facility ${facility} protocol tcp`,
      ]),
      `${host} port 10514`,
    ]);
    expect(rules).toEqual(
      expect.arrayContaining([
        "set firewall name WAN_LOCAL rule 1 action drop",
        "set firewall name WAN_LOCAL rule 1 source group address-group BAD_GUYS",
        "set interfaces ethernet eth2 firewall local name WAN_LOCAL",
        "set interfaces ethernet eth2 firewall in name WAN_IN",
        "set interfaces ethernet eth2 firewall local ipv6-name WAN6_LOCAL",
        "set interfaces ethernet eth2 firewall in ipv6-name WAN6_IN",
      ]),
    );
  });

  test.each(["1.4", "1.5"])(
    "%s says protocol and format of the host, and drops to and through the router",
    async (release) => {
      const { api, syslog, rules } = await commands("--release", release, "--client", "10.10.10.9", "--port", "601");
      expect(api).toContain("set service https allow-client address 10.10.10.9");
      expect(api).not.toContain("set service https api rest");
      const host = `set system syslog host ${collector}`;
      expect(syslog).toEqual([
        ...["auth", "authpriv", "daemon", "kern"].map((facility) => `${host} facility ${facility} level info`),
        ...[`${host} protocol tcp`, `${host} port 601`, `${host} format octet-counted`],
      ]);
      expect(rules).toEqual(
        ["ipv4 input", "ipv4 forward", "ipv6 input", "ipv6 forward"].flatMap((chain) => [
          `set firewall ${chain} filter rule 1 action drop`,
          `set firewall ${chain} filter rule 1 source group address-group BAD_GUYS`,
        ]),
      );
    },
  );

  test("rolling has remote in place of host, and a node for REST", async () => {
    const { api, syslog, rules } = await commands("--release", "rolling", "--interface", "eth0");
    expect(api).toContain("set service https api rest");
    expect(syslog).toContain(`set system syslog remote ${collector} format octet-counted`);
    expect(syslog?.join()).not.toContain(" host ");
    expect(rules).toContain("set firewall ipv6 forward filter rule 1 inbound-interface name eth0");
  });
});

test("the notes say where the rule must stand, and that a connection otherwise goes on", async () => {
  const { stdout } = await here(["router-config", "--collector", collector, "--release", "1.4"]);
  expect(stdout).toContain("must come before the one that accepts established connections");
  expect(stdout).toMatch(
    /\n# A queue for the sender[^]*\/etc\/rsyslog\.d\/60-logwarden\.conf[^]*queue\.type="LinkedList"/,
  );
});

const simulated: Record<Release, "1.3" | "1.4" | "current"> = {
  "1.3": "1.3",
  "1.4": "1.4",
  "1.5": "1.4",
  rolling: "current",
};

test.each(releases)("a simulated router of %s takes each path that its schema has, and no other", async (release) => {
  const router = await startRouterPart({
    ...{ name: "r", release: simulated[release], host: ownHost, port: 0, key: "k1", directory: directory() },
    ...{ commitScale: 0, interfaces: ["eth0"] },
  });
  end(() => router.program.kill());
  const client = connectTo({ url: router.url, keyFile: router.keyFile, trust: { verify: "off" } }, {});
  end(() => client.close());
  const set = async (path: string[]) => (await client.configure([{ op: "set", path }])).kind;
  const wanted = {
    release,
    group: "BAD_GUYS",
    collector,
    port: 10_514,
    listen: "10.10.10.201",
    clients: ["10.10.10.9"],
  };
  const blocks = blocksFor({ ...wanted, key: "SECRET", outside: undefined });
  const known = blocks.filter(({ name }) => name === "api" || name === "groups").flatMap(({ paths }) => paths);
  expect(known.length).toBeGreaterThanOrEqual(3);
  // A change of the API itself is committed in the background, after the answer: what came of it is unknown.
  for (const path of known)
    expect([path, await set(path)]).toEqual([path, path[0] === "service" && release !== "1.3" ? "unknown" : "done"]);
  for (const path of known) expect([path, await set(path.with(-2, "nonsense"))]).toEqual([path, "rejected"]);
});

test("rsyslogd itself takes the drop-in", () => {
  const path = file("rsyslog.conf", `global(workDirectory="${directory()}")\n${dropIn(collector, 10_514)}\n`);
  const { status, stderr } = spawnSync("rsyslogd", ["-N1", "-f", path], { encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: expect.not.stringMatching(/error|not known/i) });
});

describe("of a router of the inventory", () => {
  test("its group and the address of its API; of its key a placeholder unless a file is named", async () => {
    const { json } = await rig(
      {},
      (await import("./rig.ts")).inventory.replace("devices:", "group: ATTACKERS\ndevices:"),
    );
    const args = ["router-config", "--release", "1.4", "--collector", collector, "--router", "edge-2"];
    const plain = JSON.stringify((await json(...args)).value);
    expect(plain).toContain("set service https listen-address 10.10.10.202");
    expect(plain).toContain("set firewall group address-group ATTACKERS address 192.0.2.1");
    expect(plain).toContain("key SECRET");
    const withKey = JSON.stringify((await json(...args, "--key-file", file("key", "s3cr3t\n"))).value);
    expect(withKey).toContain("set service https api keys id logwarden key s3cr3t");
  });

  test.each([
    [["--collector", collector], "expected --release, one of 1.3, 1.4, 1.5, rolling"],
    [["--release", "1.6", "--collector", collector], 'no release "1.6", did you mean "1.'],
    [["--release", "1.4"], "--collector: expected an address, got nothing"],
    [["--release", "1.4", "--collector", "haproxy"], '--collector: expected an address, got "haproxy"'],
    [["--release", "1.4", "--collector", collector, "--router", "edge-3"], 'no router "edge-3", did you mean "edge-'],
    [["--release", "1.4", "--collector", collector, "--port", "0"], "--port: expected a whole number from 1"],
  ])("%j exits 2", async (args, words) => {
    const { run } = await rig();
    expect(await run("router-config", ...args)).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringContaining(words),
    });
  });

  test("a key file that holds no key exits 1, and is not shown", async () => {
    const args = ["router-config", "--release", "1.4", "--collector", collector, "--key-file"];
    expect(await here([...args, file("key", "two words\n")])).toMatchObject({
      ...{ code: 1, stdout: "", stderr: expect.not.stringContaining("two words") },
    });
    expect(await here([...args, "/nowhere"])).toMatchObject({ code: 1, stderr: expect.stringContaining("ENOENT") });
  });
});
