/** The files of HAProxy and keepalived that are made from a topology, judged by the real programs. */

import {
  chmodSync,
  closeSync,
  existsSync,
  lstatSync,
  openSync,
  readSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { dirname } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { parse } from "yaml";
import { root } from "@logwarden/lab/parts/service";
import { haproxyJudge, judge, keepalivedJudge } from "../src/topology/judge.ts";
import { renderKeepalived } from "../src/topology/keepalived.ts";
import { renderHaproxy } from "../src/topology/haproxy.ts";
import { readTopology } from "../src/topology/read.ts";
import { directory, file, logwarden } from "./command.ts";
import { inventory, topologies, type TopologyText } from "./topologies.ts";

const example = `${root}deploy/topology.example.yaml`;
const composed = `${root}deploy/compose/logwarden.yaml`;
const isRoot = process.getuid?.() === 0;
/** keepalived -t looks at scripts as the user it would run them as; to anybody but root they are insecure. */
const testAsRoot = isRoot ? test : test.skip;

function topologyOf(text: TopologyText) {
  const config = file("logwarden.yaml", inventory(text));
  const context = { environment: {} } as unknown as Parameters<typeof readTopology>[1];
  return readTopology({ config }, context).topology;
}

describe("the files in deploy are exactly what the command renders:", () => {
  test.each([
    ["deploy/haproxy/pair.cfg", ["haproxy", "render", "--config", example]],
    ["deploy/haproxy/haproxy.cfg", ["haproxy", "render", "--with-variables"]],
    ["deploy/keepalived/lb-1.conf", ["keepalived", "render", "--config", example, "--node", "lb-1"]],
    ["deploy/keepalived/lb-2.conf", ["keepalived", "render", "--config", example, "--node", "lb-2"]],
    ["deploy/compose/keepalived/lb-1.conf", ["keepalived", "render", "--config", composed, "--node", "lb-1"]],
    ["deploy/compose/keepalived/lb-2.conf", ["keepalived", "render", "--config", composed, "--node", "lb-2"]],
  ])("%s", async (path, args) => {
    const { code, stdout, stderr } = await logwarden(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toBe(readFileSync(`${root}${path}`, "utf8"));
  });
});

test("docker-compose.yml mounts them, and its machines have the addresses that they know", () => {
  const { services } = parse(readFileSync(`${root}docker-compose.yml`, "utf8"), { merge: true }) as {
    services: Record<string, Composed>;
  };
  const { balancers, parsers, queues, virtual, ports } = readTopology({ config: composed }, {
    environment: {},
  } as unknown as Parameters<typeof readTopology>[1]).topology;
  const addresses = (all: Record<string, unknown>) =>
    Object.keys(all).map((name) => [name, services[name]?.networks["flow"]?.ipv4_address]);
  const wanted = (all: Record<string, { address: { text: string } }>) =>
    Object.entries(all).map(([name, { address }]) => [name, address.text]);
  for (const all of [balancers, parsers, queues]) expect(addresses(all)).toEqual(wanted(all));

  const trusted = Object.values(balancers).map(({ address }) => address.text);
  for (const name of [...Object.keys(parsers), "parser"]) {
    expect(services[name]?.environment).toMatchObject({ LOGWARDEN_TRUSTED_PROXIES: trusted.join(",") });
  }
  for (const name of Object.keys(balancers)) {
    expect(services[name]).toMatchObject({
      // The container's start takes the file of its host's name.
      hostname: name,
      volumes: ["./deploy/haproxy:/etc/haproxy:ro", "./deploy/compose/keepalived:/etc/logwarden/keepalived:ro"],
      environment: {
        LOGWARDEN_SYSLOG_BIND: `${virtual.syslog.text}:${ports.syslog}`,
        LOGWARDEN_QUEUE_BIND: `${virtual.queue.text}:${ports.queue}`,
        LOGWARDEN_ADMIN_BIND: `0.0.0.0:${ports.admin}`,
      },
    });
  }
});

interface Composed {
  hostname?: string;
  environment: Record<string, string>;
  volumes: string[];
  networks: Record<string, { ipv4_address?: string } | undefined>;
}

describe("the real program accepts", () => {
  test("every file in deploy/haproxy, as it is", async () => {
    for (const name of readdirSync(`${root}deploy/haproxy`).filter((one) => one.endsWith(".cfg"))) {
      const verdict = await judge(
        haproxyJudge,
        readFileSync(`${root}deploy/haproxy/${name}`, "utf8"),
        undefined,
        process.env,
      );
      expect({ name, ...verdict }).toMatchObject({ name, accepted: true });
    }
  });

  testAsRoot("every file in deploy/keepalived, as it is", async () => {
    for (const name of readdirSync(`${root}deploy/keepalived`).filter((one) => one.endsWith(".conf"))) {
      const text = readFileSync(`${root}deploy/keepalived/${name}`, "utf8");
      expect({ name, ...(await judge(keepalivedJudge, text, undefined, process.env)) }).toMatchObject({
        ...{ name, accepted: true, said: [] },
      });
    }
  });

  test.each(Object.entries(topologies))("haproxy.cfg of %s, without a warning", async (_, text) => {
    const verdict = await judge(haproxyJudge, renderHaproxy(topologyOf(text)), undefined, process.env);
    expect(verdict).toMatchObject({ accepted: true, said: ["Configuration file is valid"] });
  });

  for (const [name, text] of Object.entries(topologies)) {
    testAsRoot(`keepalived.conf of ${name}, for each balancer, without a warning`, async () => {
      const topology = topologyOf(text);
      for (const node of Object.keys(topology.balancers)) {
        const verdict = await judge(keepalivedJudge, renderKeepalived(topology, node), undefined, process.env);
        expect({ node, ...verdict }).toMatchObject({ node, accepted: true, said: [] });
      }
    });
  }
});

describe("haproxy.cfg", () => {
  test("is the same but for one line in each backend when a parser is added", () => {
    const parsers = { "parser-1": { address: "192.0.2.111" } };
    const ports = { syslogTls: 6514 };
    const before = renderHaproxy(topologyOf({ parsers, ports })).split("\n");
    const after = renderHaproxy(topologyOf({ parsers: { ...parsers, "parser-2": { address: "192.0.2.112" } }, ports }));
    expect(after.split("\n").filter((line) => !before.includes(line))).toEqual([
      "  server parser-2 192.0.2.112:10514 check port 8080 send-proxy-v2 proxy-v2-options unique-id,crc32c",
      "  server parser-2 192.0.2.112:10514 track parsers/parser-2",
      "  server parser-2 192.0.2.112:6514 track parsers/parser-2 send-proxy-v2 proxy-v2-options unique-id,crc32c",
      // A parser may put tasks.
      "  acl is_producer src 192.0.2.111 192.0.2.112",
    ]);
  });

  test("says PROXY v1 by choice, without what v1 cannot carry", () => {
    const text = renderHaproxy(topologyOf({ proxy: "v1" }));
    expect(text).toContain("check port 8080 send-proxy\n");
    expect(text).not.toMatch(/^[^#]*proxy-v2/m);
  });

  test("opens no page on an address of the network unless somebody may read it", () => {
    const binds = (text: TopologyText): string[] =>
      [...renderHaproxy(topologyOf(text)).matchAll(/^ {2}bind (\S+)/gm)].map(([, at]) => at ?? "");
    expect(binds({})).toEqual(["192.0.2.10:10514", "192.0.2.20:11300", "127.0.0.1:8404"]);
    expect(binds({ sources: { metrics: ["192.0.2.5"] } })).toContain("192.0.2.11:8404,192.0.2.12:8404");
  });
});

describe("keepalived.conf", () => {
  test("moves one address where syslog and the queue share it", () => {
    const text = renderKeepalived(topologyOf({ virtual: { syslog: "192.0.2.10", queue: "192.0.2.10" } }), "lb-1");
    expect(text.match(/^ {4}192\.0\.2\.\d+\/32 dev eth0$/gm)).toEqual(["    192.0.2.10/32 dev eth0"]);
  });

  test("differs between two balancers only in who is who", () => {
    const topology = topologyOf({});
    const [one, two] = ["lb-1", "lb-2"].map((name) => renderKeepalived(topology, name).split("\n"));
    const differing = one?.filter((line, at) => !line.includes("#") && line !== two?.[at]);
    expect(differing?.map((line) => line.trim())).toEqual([
      ...["router_id lb-1", "priority 250", "unicast_src_ip 192.0.2.11", "192.0.2.12"],
    ]);
  });
});

describe("check", () => {
  test("says who accepted it", async () => {
    const { code, stdout } = await logwarden(["haproxy", "check", "--config", example]);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^accepted by \/.*\/haproxy\nConfiguration/),
    });
  });

  test("is exit code 1, with HAProxy's own words, when it refuses", async () => {
    const config = file("logwarden.yaml", inventory({ haproxy: { user: "nobody-of-this-name" } }));
    const { code, stdout } = await logwarden(["haproxy", "check", "--config", config, "--json"]);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      ...{ config, accepted: false },
      said: expect.arrayContaining([expect.stringContaining("nobody-of-this-name")]),
    });
  });

  testAsRoot("has keepalived judge every balancer, or the one that is named", async () => {
    const all = JSON.parse((await logwarden(["keepalived", "check", "--config", example, "--json"])).stdout) as object;
    expect(all).toMatchObject({
      nodes: [
        { node: "lb-1", accepted: true },
        { node: "lb-2", accepted: true },
      ],
    });
    const one = await logwarden(["keepalived", "check", "--config", example, "--node", "lb-2"]);
    expect(one).toMatchObject({ code: 0, stdout: expect.stringMatching(/^lb-2: accepted by \S+\/keepalived\n$/) });
  });

  testAsRoot("finds what keepalived refuses", async () => {
    const text = renderKeepalived(topologyOf({}), "lb-1").replace("  nopreempt\n", "  nopreemt\n");
    const verdict = await judge(keepalivedJudge, text, undefined, process.env);
    expect(verdict).toMatchObject({ accepted: false, said: [expect.stringContaining("Unknown keyword 'nopreemt'")] });
  });

  test("says both ways when there is no program, and no image", async () => {
    const missing = { ...haproxyJudge, program: "logwarden-no-such-program" };
    await expect(judge(missing, "", undefined, {})).rejects.toThrow(
      "logwarden-no-such-program is not on this machine: install it (Debian: apt-get install haproxy), or give an image that has it: --image haproxy:3.0",
    );
    await expect(judge(missing, "", "haproxy:3.0", { PATH: "/nowhere" })).rejects.toThrow(
      /neither logwarden-no-such-program nor docker is on this machine|could not judge/,
    );
  });

  /** A docker that says what it was asked, or fails as docker does. No engine is needed to see what we ask of it. */
  function fakeDocker(script: string): Record<string, string> {
    const path = file("docker", `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    return { PATH: `${dirname(path)}:/usr/bin:/bin` };
  }
  const missing = { ...haproxyJudge, program: "logwarden-no-such-program" };

  test("asks a container without network when only an image has the program", async () => {
    const verdict = await judge(
      missing,
      "the file",
      "haproxy:3.0",
      fakeDocker('echo "$@"; for word; do case $word in /*:ro) cat "${word%%:*}";; esac; done'),
    );
    expect(verdict).toEqual({
      ...{ accepted: true, judge: "docker image haproxy:3.0" },
      said: [
        expect.stringMatching(
          /^run --rm --network none --volume (\/\S+):\/run\/logwarden-check:ro --entrypoint logwarden-no-such-program haproxy:3\.0 -c -f \/run\/logwarden-check$/,
        ),
        "the file",
      ],
    });
  });

  test("takes docker's own failure for no verdict", async () => {
    await expect(judge(missing, "", "haproxy:3.0", fakeDocker("echo no such image >&2; exit 125"))).rejects.toThrow(
      "docker image haproxy:3.0 could not judge (125): no such image",
    );
    expect(await judge(missing, "", "haproxy:3.0", fakeDocker("exit 1"))).toMatchObject({ accepted: false });
  });

  test("takes a program that was killed for no verdict", async () => {
    const path = file("killed", "#!/bin/sh\nkill -TERM $$\n");
    chmodSync(path, 0o755);
    const killed = { ...keepalivedJudge, program: "killed" };
    await expect(judge(killed, "", undefined, { PATH: dirname(path) })).rejects.toThrow("ended by SIGTERM");
  });

  test("leaves no file behind", async () => {
    const before = readdirSync(dirname(directory())).filter((name) => name.startsWith("logwarden-check-"));
    await judge(haproxyJudge, "", undefined, process.env);
    const after = readdirSync(dirname(directory())).filter((name) => name.startsWith("logwarden-check-"));
    expect(after.filter((name) => !before.includes(name))).toEqual([]);
  });
});

describe("--output", () => {
  const render = (output: string) => logwarden(["haproxy", "render", "--config", example, "--output", output]);
  const wanted = readFileSync(`${root}deploy/haproxy/pair.cfg`, "utf8");

  test("writes the file as a whole: who reads the old one meanwhile, reads the old one", async () => {
    const path = file("haproxy.cfg", "old\n");
    chmodSync(path, 0o600);
    const reader = openSync(path, "r");
    expect(await render(path)).toMatchObject({ code: 0, stdout: `${path} is written\n` });
    const seen = Buffer.alloc(100);
    expect(seen.toString("utf8", 0, readSync(reader, seen))).toBe("old\n");
    closeSync(reader);
    expect(readFileSync(path, "utf8")).toBe(wanted);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(dirname(path))).toEqual(["haproxy.cfg"]);
  });

  test("writes a new file that HAProxy's user can read", async () => {
    const path = `${directory()}/new.cfg`;
    expect((await render(path)).code).toBe(0);
    expect(statSync(path).mode & 0o777).toBe(0o644);
  });

  test("writes behind a symbolic link", async () => {
    const path = file("real.cfg", "old\n");
    const link = `${directory()}/link.cfg`;
    symlinkSync(path, link);
    expect((await render(link)).code).toBe(0);
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readFileSync(path, "utf8")).toBe(wanted);
  });

  test("that cannot be written is exit code 1, and nothing is left", async () => {
    const path = `${directory()}/no/such/directory/haproxy.cfg`;
    const { code, stderr } = await render(path);
    expect({ code, stderr }).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("could not be written: ENOENT"),
    });
    expect(existsSync(path)).toBe(false);
  });
});

describe("a command line that cannot be understood is exit code 2:", () => {
  test.each([
    [["haproxy"], "expected render or check"],
    [["haproxy", "chekc"], 'no "haproxy chekc", did you mean "check"?'],
    [["haproxy", "render", "--image", "x"], "--image is for check"],
    [["haproxy", "check", "--output", "x"], "--output is for render"],
    [["haproxy", "render", "--with-variables", "--config", "x"], "--with-variables takes nothing from --config"],
    [["keepalived", "render", "--config", example], "expected --node, one of lb-1, lb-2"],
  ])("%p", async (args, wanted) => {
    expect(await logwarden(args)).toMatchObject({ code: 2, stderr: expect.stringContaining(wanted) });
  });

  test("and so is an inventory without a topology", async () => {
    const config = file("logwarden.yaml", JSON.stringify({ ...JSON.parse(inventory()), topology: undefined }));
    const args = ["haproxy", "check", "--config", config];
    expect(await logwarden(args)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("topology: must be there"),
    });
  });

  test("and a balancer that is not there is exit code 1", async () => {
    const { code, stderr } = await logwarden(["keepalived", "render", "--config", example, "--node", "lb-3"]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: 'logwarden keepalived: no balancer "lb-3", did you mean "lb-1"?\n',
    });
  });
});
