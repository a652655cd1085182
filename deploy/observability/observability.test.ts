/**
 * Rules and dashboard, judged by those whom they ask: a real parser, a real responder with a router, and a real HAProxy. A name
 * that none of them exports is an alarm that never comes.
 */

import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { startBeanstalkd } from "@logwarden/lab/parts/beanstalkd";
import { startHaproxy } from "@logwarden/lab/parts/haproxy";
import { freePort, ownHost } from "@logwarden/lab/parts/loopback";
import { Program } from "@logwarden/lab/parts/program";
import { startService } from "@logwarden/lab/parts/service";
import { until } from "@logwarden/lab/parts/until";
import { Connection, parseNodeAddress } from "@logwarden/queue";
import { startRouter } from "@logwarden/vyos-sim";
import { parse, stringify } from "yaml";
import { type Selector, selectorsOf } from "./promql.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = fileURLToPath(new URL("../..", import.meta.url));
const readText = (path: string): string => readFileSync(`${here}${path}`, "utf8");
const readYaml = (path: string): unknown => parse(readText(path));

interface Rule {
  record?: string;
  alert?: string;
  expr: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}
interface Panel {
  id: number;
  title: string;
  description?: string;
  targets?: { expr: string }[];
}
interface Dashboard {
  uid: string;
  templating: { list: { type: string; query: unknown; current: { value: string } }[] };
  annotations: { list: { expr: string }[] };
  panels: Panel[];
}
interface ScrapeConfig {
  rule_files: string[];
  scrape_configs: { job_name: string }[];
}

const rules = (readYaml("rules.yml") as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules);
const alerts = rules.filter(({ alert }) => alert !== undefined);
const dashboard = JSON.parse(readText("grafana/dashboards/logwarden.json")) as Dashboard;
const dashboardExpressions = [
  ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ...dashboard.annotations.list.map(({ expr }) => expr),
  ...dashboard.templating.list.flatMap(({ type, query }) =>
    type === "query" ? [(query as { query: string }).query] : [],
  ),
];

const run = (program: string, ...args: string[]): Promise<{ stdout: string }> =>
  promisify(execFile)(program, args, { cwd: root });

/** What was exported: the labels that were seen of each name; none were where nothing has counted yet. */
type Exported = Map<string, Set<string>>;

async function scrape(url: string, exported: Exported): Promise<void> {
  const text = await (await fetch(`${url}/metrics`)).text();
  for (const line of text.split("\n")) {
    const [, , declared, type] = line.startsWith("# TYPE ") ? line.split(" ") : [];
    if (declared !== undefined) {
      const names = type === "histogram" ? ["_bucket", "_sum", "_count"].map((end) => declared + end) : [declared];
      for (const name of names) exported.set(name, exported.get(name) ?? new Set());
    } else if (line !== "" && !line.startsWith("#")) {
      const [, name = "", labels = ""] = /^([\w:]+)(?:\{(.*)\})? /.exec(line) ?? [];
      const seen = exported.get(name) ?? new Set();
      for (const [, label] of labels.matchAll(/(\w+)="/g)) seen.add(label as string);
      exported.set(name, seen);
    }
  }
}

interface RealParts {
  exported: Exported;
  /** Where each job of prometheus.yml is scraped: HOST:PORT. */
  targets: Record<string, string>;
  stop: () => Promise<void>;
}

/** Everything that rules and dashboard may ask, from one of each. */
async function startRealParts(): Promise<RealParts> {
  const directory = mkdtempSync(`${tmpdir()}/logwarden-observability-`);
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const one of stops.splice(0).reverse()) await one();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const queue = await startBeanstalkd();
    stops.push(() => queue.program.kill());
    const address = "10.10.10.201";
    const common = { release: "1.4", host: ownHost, port: await freePort(), key: "key", commitScale: 0 } as const;
    const router = await startRouter({ ...common, stateDirectory: directory, interfaces: ["eth0"] });
    stops.push(() => router.close());
    writeFileSync(`${directory}/key`, "key\n");
    const api = { url: router.url, keyFile: `${directory}/key`, fingerprint: router.fingerprint };
    writeFileSync(`${directory}/logwarden.yaml`, stringify({ allow: [], devices: { "edge-1": { address, api } } }));
    const env = {
      LOGWARDEN_CONFIG: `${directory}/logwarden.yaml`,
      LOGWARDEN_QUEUES: queue.address,
      LOGWARDEN_STATUS_LISTEN: "127.0.0.1:0",
    };
    const doors = {
      LOGWARDEN_LISTEN: `${ownHost}:${await freePort()}`,
      LOGWARDEN_UDP_LISTEN: `${ownHost}:${await freePort()}`,
    };
    const haproxyEnv = {
      LOGWARDEN_ADMIN_BIND: `${ownHost}:${await freePort()}`,
      LOGWARDEN_SYSLOG_BIND: `${ownHost}:${await freePort()}`,
      LOGWARDEN_QUEUE_BIND: `${ownHost}:${await freePort()}`,
    };
    const parts = await Promise.all([
      startService({ name: "parser", kind: "parser", env: { ...env, ...doors } }),
      startService({
        name: "responder",
        kind: "responder",
        env: { ...env, LOGWARDEN_LEDGER: `${directory}/ledger.db` },
      }),
      startHaproxy({ env: haproxyEnv }),
    ]);
    const [parser, responder, haproxy] = parts;
    stops.push(() => Promise.all(parts.map(({ program }) => program.kill())));

    const producer = await Connection.open(parseNodeAddress(queue.address));
    stops.push(() => producer.close());
    const task = { host: address, type: "password_failed", from: "203.0.113.7", at: new Date().toISOString() };
    await producer.put("logwarden.intake", Buffer.from(JSON.stringify(task)));
    await responder.said("task.settled", ({ lagMs }) => lagMs !== undefined);

    const exported: Exported = new Map();
    const targets: Record<string, string> = { haproxy: new URL(haproxy.adminUrl).host };
    for (const [job, part] of Object.entries({ "logwarden-parser": parser, "logwarden-responder": responder })) {
      const { statusPort } = await part.said("service.started");
      targets[job] = `127.0.0.1:${String(statusPort)}`;
      const url = `http://${targets[job]}`;
      await until("the queue and the ledger have been asked", async () => {
        await scrape(url, exported);
        return part === parser || (exported.get("logwarden_tube_jobs")?.size ?? 0) > 0;
      });
    }
    await scrape(haproxy.adminUrl, exported);
    return { exported, targets, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

describe("what is asked for", () => {
  let exported: Exported;
  let parts: RealParts;
  beforeAll(async () => {
    parts = await startRealParts();
    ({ exported } = parts);
  });
  afterAll(() => parts.stop());

  /** Made by Prometheus itself. */
  const ofPrometheus: Exported = new Map([
    ["up", new Set()],
    ["ALERTS", new Set(["alertname", "alertstate"])],
  ]);
  const recorded: Exported = new Map(
    rules.flatMap(({ record }) => (record === undefined ? [] : [[record, new Set()]])),
  );

  /** What of it nobody exports. */
  function strays(expressions: readonly string[]): string[] {
    return expressions.flatMap((expression) =>
      selectorsOf(expression).flatMap(({ metric, labels }: Selector) => {
        const seen = exported.get(metric) ?? recorded.get(metric) ?? ofPrometheus.get(metric);
        if (seen === undefined) return [`${metric} in ${expression}`];
        if (seen.size === 0) return [];
        return labels
          .filter((label) => !seen.has(label) && label !== "job" && label !== "instance")
          .map((label) => `label ${label} of ${metric} in ${expression}`);
      }),
    );
  }

  test("by every rule is exported by a real service, by HAProxy, or made by another rule", () => {
    expect(rules.length).toBeGreaterThan(30);
    expect(strays(rules.map(({ expr }) => expr))).toEqual([]);
  });

  test("by every panel of the dashboard too", () => {
    expect(dashboardExpressions.length).toBeGreaterThan(50);
    expect(strays(dashboardExpressions)).toEqual([]);
  });

  test("is answered by a real Prometheus: every target is up, every rule is evaluated, every panel is understood", async () => {
    const directory = mkdtempSync(`${tmpdir()}/logwarden-prometheus-`);
    const config = readYaml("prometheus.yml") as ScrapeConfig & Record<string, unknown>;
    const measured = { global: { scrape_interval: "1s", evaluation_interval: "1s" }, rule_files: [`${here}rules.yml`] };
    const jobs = config.scrape_configs.map((job) => ({
      ...job,
      static_configs: [{ targets: [parts.targets[job.job_name]] }],
    }));
    writeFileSync(`${directory}/prometheus.yml`, stringify({ ...config, ...measured, scrape_configs: jobs }));
    const listen = `${ownHost}:${await freePort()}`;
    const program = await Program.start({
      name: "prometheus",
      command: "prometheus",
      args: [
        ...[`--config.file=${directory}/prometheus.yml`, `--storage.tsdb.path=${directory}/data`],
        `--web.listen-address=${listen}`,
      ],
    });
    const ask = async (path: string): Promise<unknown> => {
      const answer = (await (await fetch(`http://${listen}/api/v1/${path}`)).json()) as {
        data?: unknown;
        error?: string;
      };
      if (answer.data === undefined) throw new Error(`${path}: ${answer.error}`);
      return answer.data;
    };
    try {
      await until("every target is up", async () => {
        if (!program.running) throw new Error(program.lastWords);
        const found = (await ask("targets").catch(() => ({ activeTargets: [] }))) as {
          activeTargets: { health: string }[];
        };
        return found.activeTargets.filter(({ health }) => health === "up").length === jobs.length;
      });
      interface Evaluated {
        name: string;
        health: string;
        lastError?: string;
      }
      let evaluated: Evaluated[] = [];
      await until("every rule is evaluated", async () => {
        const { groups } = (await ask("rules")) as { groups: { rules: Evaluated[] }[] };
        evaluated = groups.flatMap((group) => group.rules);
        return evaluated.length > 0 && evaluated.every(({ health }) => health !== "unknown");
      });
      expect(evaluated.length).toBe(rules.length);
      expect(evaluated.filter(({ health }) => health !== "ok")).toEqual([]);

      const panels = dashboardExpressions.filter((expression) => !expression.startsWith("label_values("));
      expect(panels.length).toBeGreaterThan(50);
      const answers = await Promise.all(
        panels.map(async (expression) => {
          const query = expression.replaceAll("$__rate_interval", "1m").replaceAll("$device", ".*");
          return ask(`query?query=${encodeURIComponent(query)}`) as Promise<{ result: unknown[] }>;
        }),
      );
      // What was done to this one router is seen; alarms and failures are not.
      expect(answers.filter(({ result }) => result.length > 0).length).toBeGreaterThan(20);
    } finally {
      await program.kill();
      rmSync(directory, { recursive: true, force: true });
    }
  });

  test("a name, or a label, that nobody exports is found out", () => {
    expect(strays(["rate(logwarden_lines_total[5m])"])).toHaveLength(1);
    expect(strays(['logwarden_tube_jobs{queue="default"}'])).toHaveLength(1);
    expect(strays(['sum by (tube) (logwarden_tube_jobs{state="ready"}) > 0'])).toEqual([]);
  });
});

describe("an expression that cannot be one", () => {
  test.each([
    "sum(logwarden_connections",
    "logwarden_connections[5m)",
    "summ(logwarden_connections)",
    "sum by device (logwarden_router_held)",
    "logwarden_connections § 1",
    "1 + 1",
  ])("%s is refused", (expression) => {
    expect(() => selectorsOf(expression)).toThrow();
  });
});

describe("every alarm", () => {
  const runbook = readFileSync(`${root}docs/runbook.md`, "utf8");
  const headings = [...runbook.matchAll(/^## (Logwarden\w+)$/gm)].map(([, name]) => name);

  test("has a severity, a sentence, and a heading of its own in the runbook", () => {
    const wrong = alerts.filter(
      ({ alert = "", labels, annotations }) =>
        !["critical", "warning"].includes(labels?.["severity"] ?? "") ||
        (annotations?.["summary"] ?? "") === "" ||
        annotations?.["runbook"] !== `docs/runbook.md#${alert.toLowerCase()}` ||
        !headings.includes(alert),
    );
    expect(wrong.map(({ alert }) => alert)).toEqual([]);
    expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length);
  });

  test("that the runbook speaks of exists, in the same order", () => {
    expect(headings).toEqual(alerts.map(({ alert }) => alert));
  });

  test("is told what it means, how to see it, what to do, and how to know that it is over", () => {
    const chapters = runbook.split(/^## /m).filter((chapter) => chapter.startsWith("Logwarden"));
    const questions = ["**Means.**", "**See.**", "**Do.**", "**Over.**"];
    const wrong = chapters.filter((chapter) => questions.some((question) => chapter.split(question).length !== 2));
    expect(wrong.map((chapter) => chapter.split("\n")[0])).toEqual([]);
  });
});

test.each(["prometheus.yml", "prometheus.compose.yml"])("%s scrapes every job that is asked for", (file) => {
  const jobs = (readYaml(file) as ScrapeConfig).scrape_configs.map(({ job_name: name }) => name);
  const asked = [...rules.map(({ expr }) => expr), ...dashboardExpressions].flatMap((expr) =>
    [...expr.matchAll(/job="([^"]+)"/g)].map(([, job]) => job),
  );
  expect(asked.filter((job) => !jobs.includes(job ?? ""))).toEqual([]);
});

test("the dashboard asks the data source that Grafana is given, and each panel says what it shows", () => {
  const sources = readYaml("grafana/provisioning/datasources/prometheus.yml") as { datasources: { uid: string }[] };
  const chosen = dashboard.templating.list.find(({ type }) => type === "datasource");
  expect(chosen?.current.value).toBe(sources.datasources[0]?.uid);
  expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  const shown = dashboard.panels.filter(({ targets }) => targets !== undefined);
  expect(shown.filter(({ description = "" }) => description === "").map(({ title }) => title)).toEqual([]);
});

describe("compose.yaml", () => {
  const { services } = readYaml("compose.yaml") as {
    services: Record<string, { image: string; profiles: string[]; volumes: string[]; ports: string[] }>;
  };

  test("pins its images, stays out of an ordinary `up`, listens on loopback only, and mounts what exists", () => {
    for (const { image, profiles, volumes, ports } of Object.values(services)) {
      expect(image).toMatch(/^[\w./-]+:v?\d+\.\d+\.\d+$/);
      expect(profiles).toEqual(["watching"]);
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
      const missing = volumes.map((volume) => volume.split(":")[0] ?? "").filter((path) => path.startsWith("./"));
      expect(missing.filter((path) => !existsSync(`${root}${path}`))).toEqual([]);
    }
  });

  // Compose is a plugin: a docker without it is no rarity.
  const hasCompose = spawnSync("docker", ["compose", "version"]).status === 0;
  (hasCompose ? test : test.skip)("is accepted by docker compose beside docker-compose.yml", async () => {
    const files = ["docker-compose.yml", "deploy/observability/compose.yaml"].flatMap((file) => ["-f", file]);
    const args = ["compose", ...files, "--profile", "watching", "config", "--services"];
    const { stdout } = await run("docker", ...args);
    expect(stdout.split("\n")).toEqual(expect.arrayContaining(["prometheus", "grafana", "parser"]));
  });
});

describe("promtool", () => {
  test("accepts the configurations", async () => {
    // The one of compose names the rules where the container has them.
    const directory = mkdtempSync(`${tmpdir()}/logwarden-promtool-`);
    try {
      const composed = readText("prometheus.compose.yml").replace("/etc/prometheus/rules.yml", `${here}rules.yml`);
      writeFileSync(`${directory}/prometheus.yml`, composed);
      await run("promtool", "check", "config", `${here}prometheus.yml`);
      await run("promtool", "check", "config", `${directory}/prometheus.yml`);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  test("finds that the alarms say what rules.test.yml says", async () => {
    await run("promtool", "test", "rules", `${here}rules.test.yml`);
  });
});
