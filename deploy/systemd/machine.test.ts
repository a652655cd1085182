// A machine as docs/installing.md installs it: a real systemd with our units and drop-ins, Debian's beanstalkd, HAProxy and keepalived.

import { execFileSync, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { Program } from "@logwarden/lab/parts/program";
import { parse, stringify } from "yaml";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = fileURLToPath(new URL("../..", import.meta.url));
const services = ["logwarden-parser@1", "logwarden-responder@1"];
const packaged = ["beanstalkd", "haproxy", "keepalived"];

/** A root file system for it: the host's /usr, and an /etc of its own. */
function makeMachine(): string {
  // Where the machine has a place of its own for what it compiles.
  mkdirSync(`${root}.cache`, { recursive: true });
  const directory = mkdtempSync(`${tmpdir()}/logwarden-machine-`);
  // Its users other than root go through it.
  chmodSync(directory, 0o755);
  const at = (path: string): string => `${directory}/${path}`;
  for (const path of ["usr", "opt/logwarden", "out", "var", "run", "tmp", "proc", "sys", "dev", "root"]) {
    mkdirSync(at(path), { recursive: true });
  }
  for (const path of ["bin", "sbin", "lib", "lib64"]) symlinkSync(`usr/${path}`, at(path));
  writeFileSync(at("opt/node"), "");
  for (const path of ["sysusers.d", "default", "haproxy", "keepalived", "systemd/system", "logwarden/keys"]) {
    mkdirSync(at(`etc/${path}`), { recursive: true });
  }
  // Whom the packages' own users are; ours are made there.
  for (const name of ["passwd", "group"]) cpSync(`/etc/${name}`, at(`etc/${name}`));
  cpSync("/usr/lib/os-release", at("etc/os-release"));
  // Without it systemd takes this for a first boot, and asks.
  writeFileSync(at("etc/machine-id"), `${randomUUID().replaceAll("-", "")}\n`);

  const system = at("etc/systemd/system");
  for (const name of readdirSync(here).filter((one) => /\.service(\.d)?$/.test(one))) {
    cpSync(`${here}${name}`, `${system}/${name}`, { recursive: true });
  }
  for (const service of services) {
    const unit = `${system}/${service.replace("@1", "@.service")}`;
    // Where Node is differs from machine to machine.
    writeFileSync(unit, readFileSync(unit, "utf8").replaceAll("/usr/bin/node", "/opt/node"));
  }
  const story = ["Type=oneshot", "TimeoutStartSec=150", "ExecStart=/opt/logwarden/deploy/systemd/machine.sh"];
  // However it ends.
  const end = "ExecStopPost=/usr/bin/systemctl --no-block poweroff";
  writeFileSync(`${system}/story.service`, ["[Service]", ...story, end, ""].join("\n"));
  cpSync(`${here}logwarden.sysusers.conf`, at("etc/sysusers.d/logwarden.conf"));

  writeFileSync(at("etc/default/beanstalkd"), "BEANSTALKD_LISTEN_ADDR=10.10.10.121\nBEANSTALKD_LISTEN_PORT=11300\n");
  const topology = parse(readFileSync(`${root}deploy/topology.example.yaml`, "utf8")) as object;
  const config = at("etc/logwarden/logwarden.yaml");
  writeFileSync(config, stringify({ ...topology, allow: [], devices: { "edge-1": { address: "10.10.10.201" } } }));
  const render = (what: string, ...args: string[]): string =>
    execFileSync(process.execPath, [`${root}cli/src/main.ts`, what, "render", "--config", config, ...args], {
      encoding: "utf8",
    });
  writeFileSync(at("etc/haproxy/haproxy.cfg"), render("haproxy"));
  writeFileSync(at("etc/keepalived/keepalived.conf"), render("keepalived", "--node", "lb-1"));
  const common = { LOGWARDEN_QUEUES: "10.10.10.121:11300" };
  const variables = {
    parser: {
      ...{ ...common, LOGWARDEN_LISTEN: "10.10.10.111:10514", LOGWARDEN_STATUS_LISTEN: "10.10.10.111:8080" },
      LOGWARDEN_TRUSTED_PROXIES: "10.10.10.11,10.10.10.10,10.10.10.111",
      LOGWARDEN_KEEP_CONNECTIONS: "yes",
    },
    responder: { ...common, LOGWARDEN_STATUS_LISTEN: "10.10.10.111:8081" },
  };
  for (const [service, set] of Object.entries(variables)) {
    const lines = Object.entries(set).map(([name, value]) => `${name}=${value}\n`);
    writeFileSync(at(`etc/logwarden/${service}.env`), lines.join(""), { mode: 0o600 });
  }
  return directory;
}

const container = (directory: string, ...args: string[]): string[] => [
  ...["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", `--directory=${directory}`],
  ...[`--machine=logwarden-${process.pid}`, "--bind-ro=/usr", `--bind-ro=${root}:/opt/logwarden`],
  ...[`--bind-ro=${process.execPath}:/opt/node`, "--tmpfs=/opt/logwarden/.cache:mode=0755", ...args],
];

/** Whether a machine can be made here; if not, why. Asked by making one that does nothing. */
function refused(): string | undefined {
  let directory = "";
  try {
    directory = makeMachine();
    const [command = "", ...args] = container(directory, "/usr/bin/true");
    const { status, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
    return status === 0 ? undefined : (error?.message ?? stderr.trim());
  } catch (error) {
    return (error as Error).message;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const why = refused();
if (why !== undefined) process.stderr.write(`no machine of systemd can be made here, so none is judged: ${why}\n`);

(why === undefined ? describe : describe.skip)("a machine with every unit", () => {
  let directory: string;
  /** What systemd said last: all there is when the story was not even begun. */
  let console: string;
  const read = (name: string): string[] => {
    const path = `${directory}/out/${name}`;
    if (existsSync(path)) return readFileSync(path, "utf8").trim().split("\n");
    const said = name === "log" ? console : read("log").slice(-60).join("\n");
    throw new Error(`the machine wrote no ${name}; it said:\n${said}`);
  };

  beforeAll(async () => {
    directory = makeMachine();
    const [command = "", ...args] = container(directory, "--boot", "--", "--unit=story.service");
    const program = await Program.start({ name: "machine", command, args });
    // A killed systemd-nspawn leaves its machine running. Asked once it halts the machine, asked again it ends it.
    const deadlines = [200_000, 205_000].map((ms) => setTimeout(() => program.signal("SIGTERM"), ms));
    await program.ended;
    for (const deadline of deadlines) clearTimeout(deadline);
    console = program.lastWords;
  }, 230_000);
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test("bans whom its router complains of, also after its parts were killed or restarted, and stops in order", () => {
    expect(read("ends").at(-1)).toBe("done");
    expect(read("ends")[0]).toBe("keeper 0");
    const ends = read("ends").filter((line) => services.some((service) => line.startsWith(service)));
    expect(ends).toEqual(services.map((service) => `${service} success 0`));
  });

  test("has compiled each service, and no service may change what it runs", () => {
    const found = read("compiled").map((line) => line.trim().split(" "));
    expect(found.map(([, ...rest]) => rest)).toEqual(
      ["parser", "responder"].map((service) => [`/opt/logwarden/.cache/${service}/`, "root", "644"]),
    );
    for (const [files] of found) expect(Number(files)).toBeGreaterThan(50);
  });

  test("runs our services as nobody special: no root, no capability, no new rights, no call that they do not need", () => {
    const sandbox = read("sandbox");
    for (const service of services) {
      const of = Object.fromEntries(
        sandbox.flatMap((line) => {
          const [unit, what, value] = line.split(" ");
          return unit === service ? [[what, value]] : [];
        }),
      ) as Record<string, string>;
      expect(of).toMatchObject({ "CapBnd:": "0000000000000000", "NoNewPrivs:": "1", "Seccomp:": "2" });
      expect(Number(of["Uid:"])).toBeGreaterThan(0);
    }
    expect(sandbox.filter((line) => line.endsWith("NoNewPrivs: 1"))).toHaveLength(services.length + packaged.length);
  });
});
