/**
 * docker-compose.yml, judged: real HAProxy, keepalived, beanstalkd, PostgreSQL, rsyslogd and sshd in containers, our services,
 * simulated routers.
 *
 * The tests are one story and run in its order, each on what the one before left behind. Needs a Docker engine with
 * Compose v2 and a free 10.10.10.0/24; `npm run test:compose` runs it, `npm test` does not.
 */

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual, promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { freePort } from "@logwarden/lab/parts/loopback";
import type { StartedDockerComposeEnvironment } from "testcontainers";

// Everything is taken down by afterAll below; the helper that testcontainers would start for it needs an image of its own.
// It reads this when it is loaded.
process.env["TESTCONTAINERS_RYUK_DISABLED"] ??= "true";
const { DockerComposeEnvironment, Wait } = await import("testcontainers");

const root = fileURLToPath(new URL("../..", import.meta.url));
const project = `logwarden-test-${process.pid}`;
const adminPorts = { "lb-1": await freePort("127.0.0.1"), "lb-2": await freePort("127.0.0.1") };
type Balancer = keyof typeof adminPorts;
const balancers: Balancer[] = ["lb-1", "lb-2"];
const environment = {
  LOGWARDEN_ADMIN_PORT: String(adminPorts["lb-1"]),
  LOGWARDEN_ADMIN_2_PORT: String(adminPorts["lb-2"]),
};
const queues = ["queue-1", "queue-2"];
const virtualAddress = "10.10.10.10";
/** The two that have an address, and those that --scale adds. */
const parserServices = ["parser-1", "parser-2", "parser"];

/** Images are built from nothing the first time. */
const startMs = 900_000;
/** A lame duck takes up to 30 s, a container on a busy machine a few more. */
const testMs = 180_000;

/** LOGWARDEN_LEASE_MS, and how often a lease is renewed and looked at. */
const leaseMs = 10_000;
const beatMs = leaseMs / 4;

const outageProgram = readFileSync(new URL("outage.ts", import.meta.url), "utf8");

/** Three adverts, or a refused question: below a second. The rest is for a machine that does something else. */
const failoverMsMax = 5000;

let started: StartedDockerComposeEnvironment;

beforeAll(async () => {
  started = await new DockerComposeEnvironment(root, "docker-compose.yml")
    .withProjectName(project)
    .withEnvironment(environment)
    .withDefaultWaitStrategy(Wait.forHealthCheck())
    .withBuild()
    .up();
}, startMs);

// By the command line, which also works when `up` failed half way.
afterAll(() => compose("down", "--volumes", "--remove-orphans", "--timeout", "2"), testMs);

describe("the story that the routers tell by themselves", () => {
  test.each([
    // The second one is the attacker's container: sshd wrote those lines.
    { router: "router-1", attackers: ["203.0.113.7", "10.10.10.132"] },
    { router: "router-2", attackers: ["198.51.100.66"] },
  ])(
    "puts $attackers into the group of $router and disables eth1, and all is saved",
    async ({ router, attackers }) => {
      for (const attacker of attackers) {
        await until(`${attacker} on ${router}`, async () => members(await state(router), "saved").includes(attacker));
      }
      await until(`eth1 disabled on ${router}`, async () => isDisabled(await state(router), "saved", "eth1"));
      const now = await state(router);
      expect(members(now, "active").toSorted()).toEqual(attackers.toSorted());
      expect(isDisabled(now, "active", "eth1")).toBe(true);
      expect(isDisabled(now, "active", "eth0")).toBe(false);
    },
    testMs,
  );

  test(
    "never asks for an interface and for an address in one request, because a failed commit is not taken back",
    async () => {
      for (const router of ["router-1", "router-2"]) {
        const changes = (await state(router)).requests.filter(({ endpoint }) => endpoint === "/configure");
        const subjects = changes.map(({ ops }) => [...new Set(ops.map(({ path }) => path[0]))]);
        expect(subjects).toContainEqual(["interfaces"]);
        expect(subjects.filter((each) => each.length !== 1)).toEqual([]);
      }
    },
    testMs,
  );
});

test(
  "a line of one's own bans its address on the router that logged it, and on no other",
  async () => {
    await log("router-1", 4242, "203.0.113.9");
    await until("203.0.113.9 on router-1", async () =>
      members(await state("router-1"), "saved").includes("203.0.113.9"),
    );
    expect(members(await state("router-2"), "active")).not.toContain("203.0.113.9");
  },
  testMs,
);

describe("scaled to three parsers and three responders", () => {
  beforeAll(() => scale({ parser: 1, responder: 3 }), testMs);

  test(
    "HAProxy finds the third parser, and each of the three brings lines to the router",
    async () => {
      for (const balancer of balancers) {
        await until(`three parsers in service, at ${balancer}`, async () => {
          return (await parsersInService(balancer)).length === 3;
        });
      }
      // New connections go to the parser with the fewest; they come from the router's own address, as rsyslogd's do.
      const addresses: string[] = [];
      await until("a connection to each of the parsers", async () => {
        const address = `198.51.100.${101 + addresses.length}`;
        addresses.push(address);
        await connectAndSay("router-2", failedPassword(address));
        return (await parsersInService(await holder())).every(({ sessions }) => sessions > 0);
      });
      await until("every one of their addresses on router-2", async () => {
        const banned = members(await state("router-2"), "saved");
        return addresses.every((address) => banned.includes(address));
      });
    },
    testMs,
  );

  test(
    "the rsyslogd of each router goes on",
    async () => {
      for (const router of ["router-1", "router-2"]) {
        await log(router, 4243, "203.0.113.30");
        await until(`203.0.113.30 on ${router}`, async () =>
          members(await state(router), "saved").includes("203.0.113.30"),
        );
      }
    },
    testMs,
  );
});

describe("the ledger", () => {
  test(
    "knows every ban that is on a router, until when, and that it was seen there",
    async () => {
      for (const router of ["router-1", "router-2"]) {
        const statement =
          "select distinct b.subject from bans b join placements p on p.subject = b.subject " +
          `where p.router = '${router}' and p.verified_at_ms is not null and b.ended_at_ms is null and b.ends_at_ms is not null`;
        // It is told when the router has saved and was read back.
        await until(`what ${router} holds is in the ledger, and nothing else`, async () => {
          const known = (await ask(statement)).map(([subject]) => subject ?? "");
          return isDeepStrictEqual(known.toSorted(), members(await state(router), "saved").toSorted());
        });
      }
    },
    testMs,
  );

  test("shares the routers among responders, one for each router", async () => {
    const leases = await ask("select device, owner from leases order by device");
    expect(leases.map(([device]) => device)).toEqual(["router-1", "router-2"]);
    expect(leases.every(([, owner]) => owner !== "")).toBe(true);
    expect(leases[0]?.[1]).not.toBe(leases[1]?.[1]);
  });

  test("is no root's, and its password is in no environment", async () => {
    expect((await run("ledger", ["id", "-un"])).trim()).toBe("postgres");
    const environments = await Promise.all(
      ["ledger", "responder"].map((service) => run(service, ["cat", "/proc/1/environ"])),
    );
    const password = (await run("ledger", ["cat", "/run/ledger/password"])).trim();
    expect(password.length).toBeGreaterThan(32);
    expect(environments.filter((text) => text.includes(password))).toEqual([]);
  });
});

test(
  "does what people ask for by the command, in a responder's container",
  async () => {
    const banned = await run("responder", ["logwarden", "bans", "--json"]);
    expect(banned).toContain('"203.0.113.7"');
    await run("responder", ["logwarden", "ban", "203.0.113.44", "--router", "router-2"]);
    await until("203.0.113.44 on router-2", async () =>
      members(await state("router-2"), "saved").includes("203.0.113.44"),
    );
    expect(members(await state("router-1"), "active")).not.toContain("203.0.113.44");
    await run("responder", ["logwarden", "unban", "203.0.113.44"]);
    await until(
      "203.0.113.44 off router-2",
      async () => !members(await state("router-2"), "saved").includes("203.0.113.44"),
    );
  },
  testMs,
);

test(
  "when a responder is killed, its router goes to another one within the lease and a few beats, and bans go on",
  async () => {
    const [before] = await owners("router-1");
    // The name is the host and the process, and the host of a container is the beginning of its id.
    const container = before?.name.split(":")[0] ?? "";
    const killedAtMs = performance.now();
    await promisify(execFile)("docker", ["kill", container]);
    await log("router-1", 4260, "203.0.113.60");
    await until("another responder for router-1", async () => {
      const [now] = await owners("router-1");
      return now !== undefined && now.owner !== before?.owner;
    });
    const takenOverMs = performance.now() - killedAtMs;
    await until("203.0.113.60 on router-1", async () =>
      members(await state("router-1"), "saved").includes("203.0.113.60"),
    );
    expect(takenOverMs).toBeLessThan(leaseMs + 4 * beatMs);
    // Back again: what is killed by hand Docker does not start by itself.
    await promisify(execFile)("docker", ["start", container]);
    await until("the killed one is back", async () => {
      const { stdout } = await promisify(execFile)("docker", [
        "inspect",
        "--format",
        "{{.State.Health.Status}}",
        container,
      ]);
      return stdout.trim() === "healthy";
    });
  },
  testMs,
);

test(
  "nothing stays in the queue, and all of it had been on disk",
  async () => {
    await untilQueuesEmpty();
    const stats = await Promise.all(queues.map(queueStats));
    const tasks = stats.reduce((sum, node) => sum + (node["total-jobs"] ?? 0), 0);
    const records = stats.reduce((sum, node) => sum + (node["binlog-records-written"] ?? 0), 0);
    // The story alone is four tasks for each of two routers; each is written when it is put and when it is deleted.
    expect(tasks).toBeGreaterThan(8);
    expect(records).toBeGreaterThanOrEqual(2 * tasks);
  },
  testMs,
);

describe("the balancer that has the address", () => {
  test(
    "is killed: the other one has it within a second or so, lines arrive again, and it keeps it when the first is back",
    async () => {
      const before = await holder();
      const outage = outageOf(virtualAddress);
      await outage.begun;
      await compose("kill", before);
      const after = await holder();
      const outageMs = await outage.end();
      process.stderr.write(`the address was away for ${outageMs} ms after docker compose kill ${before}\n`);
      expect(outageMs).toBeLessThan(failoverMsMax);

      // What was on its way is lost, as on a router: rsyslogd notices by the answer to a line that the connection is none.
      await untilBanned("router-1", 4270, "203.0.113.7");
      expect(after).not.toBe(before);

      const startedAt = new Date();
      await compose("start", before);
      await until(`${before} is back`, () => isHealthy(before));
      await expectToKeep(after, startedAt);
    },
    testMs,
  );

  test(
    "loses its HAProxy: the address moves, and Docker starts the container again",
    async () => {
      const before = await holder();
      const startBefore = await startOf(before);
      const outage = outageOf(virtualAddress);
      await outage.begun;
      // The master and the worker; the kernel knows a process by the name of its program.
      const kill =
        'for p in /proc/[0-9]*; do if [[ $(<"$p/comm") == haproxy ]]; then kill -KILL "${p#/proc/}"; fi; done';
      // Its container may end before the answer comes.
      await run(before, ["bash", "-c", kill]).catch(() => "");
      await until("the other balancer has the address", async () => (await holder()) !== before);
      const outageMs = await outage.end();
      process.stderr.write(`the address was away for ${outageMs} ms after HAProxy of ${before} was killed\n`);
      expect(outageMs).toBeLessThan(failoverMsMax);
      // Both senders, since a line that is written to a connection of the dead one is lost, and the next test counts on each line.
      for (const router of ["router-1", "router-2"]) await untilBanned(router, 4271, "203.0.113.8");
      await until(`${before} is started again`, async () => (await startOf(before)) !== startBefore);
      await until(`${before} is back`, () => isHealthy(before));
      expect(await holder()).not.toBe(before);
    },
    testMs,
  );

  test(
    "is told to reload by SIGHUP: lines go on, and the address stays",
    async () => {
      const before = await holder();
      const outage = outageOf(virtualAddress);
      await outage.begun;
      const toldAt = new Date();
      await compose("kill", "--signal", "HUP", before);
      await until("a new worker", async () => (await logsOf(before)).includes("Reloading HAProxy"));
      await log("router-1", 4272, "203.0.113.20");
      await until("203.0.113.20 on router-1", async () =>
        members(await state("router-1"), "saved").includes("203.0.113.20"),
      );
      const outageMs = await outage.end();
      process.stderr.write(
        `the longest time between two answers was ${outageMs} ms when ${before} was told to reload\n`,
      );
      expect(outageMs).toBeLessThan(failoverMsMax);
      await expectToKeep(before, toldAt);
    },
    testMs,
  );
});

test(
  "the working process of each parser is killed: its container stays, and a line that is written meanwhile is not lost",
  async () => {
    const before = await Promise.all(parserServices.map(startOf));
    const kill = `for (const pid of fs.readdirSync("/proc").filter(Number)) {
      if (fs.readFileSync(\`/proc/\${pid}/cmdline\`, "utf8").endsWith("/services/parser/src/parser.ts\\0")) process.kill(pid, "SIGKILL");
    }`;
    const balancer = await holder();
    const killedAt = new Date();
    await Promise.all(parserServices.map((service) => compose("exec", "-T", service, "node", "--eval", kill)));
    await log("router-1", 4276, "203.0.113.21");
    await until("203.0.113.21 on router-1", async () =>
      members(await state("router-1"), "saved").includes("203.0.113.21"),
    ).catch(async (lost: unknown) => {
      // Where the address has moved meanwhile, rsyslogd may have lost the line, and not a parser.
      const said = await compose("logs", "--no-color", "--since", killedAt.toISOString(), balancer);
      const where = `${balancer} had the address, ${await holder()} has it; ${balancer} said:\n${said}`;
      throw new Error(where, { cause: lost });
    });
    for (const service of parserServices) {
      await until(`${service} works on`, async () => (await logsOf(service)).includes("worker.replaced"));
    }
    expect(await Promise.all(parserServices.map(startOf))).toEqual(before);
  },
  testMs,
);

test(
  "a parser and a queue node are killed: lines go on, and nothing stays in the queue when they are back",
  async () => {
    await compose("kill", "parser-1", "queue-1");
    await untilBanned("router-1", 4280, "203.0.113.9");
    await untilBanned("router-2", 4281, "203.0.113.10");
    await compose("start", "parser-1", "queue-1");
    for (const service of ["parser-1", "queue-1"]) await until(`${service} is back`, () => isHealthy(service));
    await untilQueuesEmpty();
    await until("three parsers in service", async () => (await parsersInService(await holder())).length === 3);
  },
  testMs,
);

test(
  "scaled down again, the parsers that have an address take the lines",
  async () => {
    await scale({ parser: 0, responder: 2 });
    for (const balancer of balancers) {
      await until(`two parsers in service, at ${balancer}`, async () => {
        return (await parsersInService(balancer)).length === 2;
      });
    }
    for (const router of ["router-1", "router-2"]) await untilBanned(router, 4290, "203.0.113.11");
  },
  testMs,
);

test(
  "stopped parsers end in order, and a line that is written meanwhile reaches the next ones",
  async () => {
    await compose("stop", ...parserServices);
    expect(await exitCodes(...parserServices)).toEqual([0, 0]);

    const port = adminPorts[await holder()];
    const readiness = async (): Promise<number> => (await fetch(`http://127.0.0.1:${port}/readyz`)).status;
    await until("HAProxy without a parser", async () => (await readiness()) === 503);
    const attempts = await holdAttempts();
    await log("router-1", 4244, "203.0.113.40");
    await until("rsyslogd's new connection, held", async () => (await holdAttempts()) > attempts);

    await compose("start", "parser-1", "parser-2");
    await until("203.0.113.40 on router-1", async () =>
      members(await state("router-1"), "saved").includes("203.0.113.40"),
    );
    // One is enough for the line; the next test stops them all, and none in the middle of its start.
    await until("two parsers in service", async () => (await parsersInService(await holder())).length === 2);
  },
  testMs,
);

test(
  "responders, parsers and balancers end in order when everything ends",
  async () => {
    await compose("stop");
    expect(await exitCodes(...parserServices)).toEqual([0, 0]);
    expect(await exitCodes("responder")).toEqual([0, 0]);
    expect(await exitCodes(...balancers)).toEqual([0, 0]);
  },
  testMs,
);

// ---------------------------------------------------------------- what the tests ask

interface RouterConfig {
  firewall?: { group?: { "address-group"?: { BAD_GUYS?: { address?: string | string[] } } } };
  interfaces?: { ethernet?: Record<string, { disable?: object }> };
}

interface RouterState {
  active: RouterConfig;
  saved: RouterConfig;
  requests: { endpoint: string; ops: { op: string; path: string[] }[] }[];
}

/** What a simulated router runs and has saved, by its control door, which opens on its own loopback only. */
async function state(router: string): Promise<RouterState> {
  const program = "fetch('http://127.0.0.1:8080/state').then((r) => r.text()).then((t) => process.stdout.write(t))";
  return JSON.parse(await run(router, ["node", "-e", program])) as RouterState;
}

function members(router: RouterState, which: "active" | "saved"): string[] {
  const address = router[which].firewall?.group?.["address-group"]?.BAD_GUYS?.address ?? [];
  return typeof address === "string" ? [address] : address;
}

function isDisabled(router: RouterState, which: "active" | "saved", name: string): boolean {
  return router[which].interfaces?.ethernet?.[name]?.disable !== undefined;
}

function failedPassword(address: string): string {
  return `Failed password for root from ${address} port 40022 ssh2`;
}

/** Logs as a program of the router does: into its own rsyslogd. */
async function log(router: string, pid: number, address: string): Promise<void> {
  await run(`${router}-syslog`, ["logger", "-p", "auth.info", "-t", `sshd[${pid}]`, failedPassword(address)]);
}

/** A connection of its own for one line, from the router's address. */
async function connectAndSay(router: string, text: string): Promise<void> {
  const line = `<38>Nov 21 04:44:40 ${router} sshd[4250]: ${text}`;
  await run(`${router}-syslog`, ["bash", "-c", `printf '%s\\n' "$1" >/dev/tcp/10.10.10.10/10514`, "bash", line]);
}

interface ServerRow {
  name: string;
  status: string;
  sessions: number;
  retries: number;
}

/** HAProxy's own table of the parsers. */
async function serverRows(balancer: Balancer): Promise<ServerRow[]> {
  const csv = await (await fetch(`http://127.0.0.1:${adminPorts[balancer]}/stats;csv`)).text();
  const [head = [], ...rows] = csv.split("\n").map((row) => row.split(","));
  const column = (row: string[], name: string): string => row[head.indexOf(name)] ?? "";
  return rows
    .filter(([backend]) => backend === "parsers")
    .map((row) => ({
      name: column(row, "svname"),
      status: column(row, "status"),
      sessions: Number(column(row, "stot")),
      retries: Number(column(row, "wretr")),
    }));
}

async function parsersInService(balancer: Balancer): Promise<ServerRow[]> {
  return (await serverRows(balancer)).filter(({ name, status }) => name.startsWith("parser-") && status === "UP");
}

async function holdAttempts(): Promise<number> {
  return (await serverRows(await holder())).find(({ name }) => name === "hold")?.retries ?? 0;
}

/** The numbers of beanstalkd's `stats`, asked on its raw port from inside its container. */
async function queueStats(node: string): Promise<Record<string, number>> {
  const ask = "exec 3<>/dev/tcp/127.0.0.1/11300 && printf 'stats\\r\\nquit\\r\\n' >&3 && cat <&3";
  const answer = await run(node, ["bash", "-c", ask]);
  const pairs = [...answer.matchAll(/^([a-z-]+): (\d+)\r?$/gm)].map(([, name, value]) => [name, Number(value)]);
  return Object.fromEntries(pairs) as Record<string, number>;
}

async function untilQueuesEmpty(): Promise<void> {
  const waiting = ["ready", "reserved", "delayed", "buried"].map((kind) => `current-jobs-${kind}`);
  await until("both queue nodes empty", async () => {
    const stats = await Promise.all(queues.map(queueStats));
    return stats.every((node) => waiting.every((name) => node[name] === 0));
  });
}

/** What PostgreSQL answers, as its superuser, whom it knows by the user of the process. */
async function ask(statement: string): Promise<string[][]> {
  const options = ["--host", "/run/postgresql", "--dbname", "logwarden", "--no-align", "--tuples-only"];
  const answer = await run("ledger", ["psql", ...options, "--field-separator", " ", "--command", statement]);
  return answer
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => line.split(" "));
}

/** Who works for a device; nobody while its lease is free. */
async function owners(device: string): Promise<{ owner: string; name: string }[]> {
  const rows = await ask(
    `select l.owner, r.name from leases l join responders r on r.id = l.owner where l.device = '${device}'`,
  );
  return rows.map(([owner = "", name = ""]) => ({ owner, name }));
}

/** Which balancer has the virtual address, by its own interfaces. */
async function holder(): Promise<Balancer> {
  const holders: Balancer[] = [];
  await until("one balancer with the address", async () => {
    holders.length = 0;
    for (const balancer of balancers) {
      // One that was killed cannot be asked.
      const addresses = await run(balancer, ["ip", "-brief", "address", "show", "dev", "eth0"]).catch(() => "");
      if (addresses.includes(`${virtualAddress}/32`)) holders.push(balancer);
    }
    return holders.length === 1;
  });
  const [one] = holders;
  if (one === undefined) throw new Error("no balancer has the address");
  return one;
}

/** It has the address still; or this machine is so busy that its HAProxy did not answer in a second, which keepalived then says. */
async function expectToKeep(balancer: Balancer, since: Date): Promise<void> {
  if ((await holder()) === balancer) return;
  const said = await compose("logs", "--no-color", "--since", since.toISOString(), balancer);
  expect(said).toContain("Script `haproxy_answers` now returning 28");
}

/**
 * Watches the address from a parser.
 *
 * `begun`: it answers. `end`: waits until each question has its answer again; gives the longest time between two answers, in ms.
 */
function outageOf(address: string): { begun: Promise<void>; end(): Promise<number> } {
  // What can be written to in a container whose root cannot.
  const file = `/dev/shm/outage-${Math.round(performance.now())}`;
  const program = ["--input-type=module-typescript", "--disable-warning=ExperimentalWarning", "--eval", outageProgram];
  const milliseconds = run("parser-2", ["node", ...program, "--", address, "11300", file]).then(Number);
  return {
    begun: until("an answer at the address", () =>
      run("parser-2", ["test", "-e", file]).then(
        () => true,
        () => false,
      ),
    ),
    end: async () => {
      await run("parser-2", ["rm", file]);
      return milliseconds;
    },
  };
}

/** Logs addresses of one kind, each second another, until one of them is banned: what is on its way in a failure is lost. */
async function untilBanned(router: string, pid: number, prefix: string): Promise<void> {
  let count = 0;
  await until(`an address ${prefix}… on ${router}`, async () => {
    const logged = Array.from({ length: count }, (_, at) => `${prefix}${at}`);
    if (members(await state(router), "saved").some((address) => logged.includes(address))) return true;
    if (count < 10) await log(router, pid, `${prefix}${count++}`);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    return false;
  });
}

async function scale(counts: Record<string, number>): Promise<void> {
  const scales = Object.entries(counts).flatMap(([service, count]) => ["--scale", `${service}=${count}`]);
  await compose("up", "--detach", "--no-build", "--no-recreate", ...scales);
}

/** Of a service with one container. */
async function isHealthy(service: string): Promise<boolean> {
  return (await compose("ps", "--format", "{{.Health}}", service)).trim() === "healthy";
}

function logsOf(service: string): Promise<string> {
  return compose("logs", "--no-color", "--tail", "200", service);
}

async function exitCodes(...services: string[]): Promise<number[]> {
  return (await inspect("{{.State.ExitCode}}", services)).map(Number);
}

/** When its container was started for the last time, as Docker writes it. */
async function startOf(service: string): Promise<string | undefined> {
  return (await inspect("{{.State.StartedAt}}", [service]))[0];
}

async function inspect(format: string, services: readonly string[]): Promise<string[]> {
  const ids = (await compose("ps", "--all", "--quiet", ...services)).split("\n").filter(Boolean);
  const { stdout } = await promisify(execFile)("docker", ["inspect", "--format", format, ...ids]);
  return stdout.trim().split("\n");
}

/**
 * Runs a program in the first container of a service, without a shell.
 * @returns what it printed
 * @throws when it ended with another code than 0
 */
async function run(service: string, command: string[]): Promise<string> {
  const { output, exitCode } = await started.getContainer(`${service}-1`).exec(command);
  if (exitCode !== 0) throw new Error(`${command.join(" ")} in ${service} ended with ${exitCode}:\n${output}`);
  return output;
}

async function compose(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(
    "docker",
    ["compose", "--project-name", project, "--project-directory", root, ...args],
    { cwd: root, env: { ...process.env, ...environment } },
  );
  return stdout;
}

/** Waits for a fact. Its own limit is only a stop for hangs; what the services said last goes into the message. */
async function until(fact: string, holds: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 90_000;
  while (!(await holds())) {
    if (performance.now() > deadlineMs) {
      const logs = await compose("logs", "--no-color", "--tail", "15");
      throw new Error(`waited in vain for: ${fact}\n${logs}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
