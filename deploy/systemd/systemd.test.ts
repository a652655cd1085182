// The units, judged by systemd where it is; the examples of the environment, by the services themselves.

import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { exampleOf, helpOf, pathOf, readHelp, services } from "./env-example.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = fileURLToPath(new URL("../..", import.meta.url));
const ours = readdirSync(here).filter((name) => name.endsWith(".service"));
const dropIns = readdirSync(here).filter((name) => name.endsWith(".service.d"));

describe.each(services)("env/%s.env.example", (service) => {
  test("has every variable of the service, its default and what it is for; else: node deploy/systemd/env-example.ts", () => {
    const help = helpOf(service);
    expect(readHelp(help).length).toBeGreaterThan(10);
    // Every variable of --help was understood: none is missing because its text had another form.
    expect(readHelp(help)).toHaveLength(help.match(/^ {2}LOGWARDEN_/gm)?.length ?? 0);
    expect(readFileSync(pathOf(service), "utf8")).toBe(exampleOf(service, help));
  });
});

test("the example of the parser is accepted by the parser", () => {
  const lines = readFileSync(pathOf("parser"), "utf8").split("\n");
  const set = lines.filter((line) => /^[A-Z]/.test(line)).map((line) => line.split(/=(.*)/s).slice(0, 2));
  const env = { ...Object.fromEntries(set), LOGWARDEN_CONFIG: `${root}logwarden.example.yaml` };
  const checked = execFileSync(process.execPath, [`${root}services/parser/src/main.ts`, "--check"], {
    env: env as NodeJS.ProcessEnv,
    encoding: "utf8",
  });
  expect(checked).toContain("The configuration can be used.");
});

test("no block of directives stands without a reason", () => {
  const strays: string[] = [];
  const files = [...ours, ...dropIns.flatMap((name) => readdirSync(`${here}${name}`).map((file) => `${name}/${file}`))];
  for (const file of files) {
    const blocks = readFileSync(`${here}${file}`, "utf8").split(/\n\n/);
    const bare = blocks.filter((block) => !block.includes("#") && !/^\[(Install|Unit)\]/.test(block.trim()));
    strays.push(...bare.map((block) => `${file}: ${block.split("\n")[0]}`));
  }
  expect(strays).toEqual([]);
});

const isInstalled = spawnSync("systemd-analyze", ["--version"]).status === 0;

describe("systemd", () => {
  const withSystemd = isInstalled ? test : test.skip;
  let units: string;
  beforeAll(() => {
    units = mkdtempSync(`${tmpdir()}/logwarden-systemd-`);
    for (const name of ours) {
      // Where Node is differs from machine to machine, and systemd looks.
      const unit = readFileSync(`${here}${name}`, "utf8").replaceAll("/usr/bin/node", process.execPath);
      writeFileSync(`${units}/${name}`, unit);
    }
    for (const name of dropIns) cpSync(`${here}${name}`, `${units}/${name}`, { recursive: true });
    for (const [option, unit] of [
      ["parser-low-ports.conf", "logwarden-parser@.service.d"],
      ["responder-postgresql.conf", "logwarden-responder@.service.d"],
    ] as const) {
      mkdirSync(`${units}/${unit}`);
      cpSync(`${here}optional/${option}`, `${units}/${unit}/${option}`);
    }
  });
  afterAll(() => rmSync(units, { recursive: true, force: true }));

  /** What systemd-analyze says; nothing when all is well. */
  function analyze(...args: string[]): { status: number | null; said: string } {
    // The colon behind it: and where it looks otherwise.
    const env = { ...process.env, SYSTEMD_UNIT_PATH: `${units}:`, SYSTEMD_COLORS: "0" };
    const { status, stdout, stderr } = spawnSync("systemd-analyze", args, { env, encoding: "utf8" });
    return { status, said: `${stdout}${stderr}` };
  }
  const verify = (unit: string) => analyze("verify", "--man=no", "--recursive-errors=no", unit);

  withSystemd.each(ours.map((name) => name.replace("@.", "@1.")))("accepts %s", (unit) => {
    expect(verify(unit)).toEqual({ status: 0, said: "" });
  });

  for (const unit of dropIns.map((name) => name.slice(0, -".d".length))) {
    const isThere = isInstalled && existsSync(`/lib/systemd/system/${unit}`);
    (isThere ? test : test.skip)(`accepts ${unit} of the system with our drop-in`, () => {
      expect(verify(unit)).toEqual({ status: 0, said: "" });
    });
  }

  withSystemd("refuses a directive that it does not know, so that a typo is no hardening", () => {
    const unit = readFileSync(`${units}/logwarden-parser@.service`, "utf8");
    writeFileSync(`${units}/typo@.service`, unit.replace("NoNewPrivileges", "NoNewPriviledges"));
    expect(verify("typo@1.service").said).toContain("NoNewPriviledges");
  });

  withSystemd.each(["logwarden-parser@1.service", "logwarden-responder@1.service"])(
    "finds %s exposed by no more than 2.5 of 10",
    (unit) => {
      const { status, said } = analyze("security", "--offline=true", "--threshold=25", unit);
      expect(said).toContain("Overall exposure level");
      expect(status).toBe(0);
    },
  );
});
