import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "@jest/globals";
import { type Rig, startRig } from "./rig.ts";

let rig: Rig;
afterEach(() => rig.close());

test("every key that cannot be read stops the start, all of them in one message", async () => {
  rig = await startRig({ routers: ["1.4", "1.4"] });
  for (const index of [0, 1]) writeFileSync(rig.keyFile(index), "\n");
  await expect(rig.startResponder()).rejects.toThrow(
    /devices\.edge-1\.api: .*edge-1\.key is empty[^]*devices\.edge-2\.api: .*edge-2\.key is empty/,
  );
});

test("more tasks at once than a queue connection can settle at once are refused, with the bounds", async () => {
  rig = await startRig();
  await expect(rig.startResponder({ LOGWARDEN_BATCH_TASKS_MAX: "2001" })).rejects.toThrow(
    /LOGWARDEN_BATCH_TASKS_MAX: expected a whole number from 1 to 2000, got "2001"/,
  );
});

test("--dry-run is the variable by another name, and --check shows it", async () => {
  rig = await startRig();
  const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
  const env = {
    PATH: process.env["PATH"],
    LOGWARDEN_CONFIG: `${rig.directory}/logwarden.yaml`,
    LOGWARDEN_QUEUES: "q:1",
  };
  const check = (...args: string[]) =>
    spawnSync(process.execPath, [main, "--check", ...args], { env, encoding: "utf8" });
  expect(check().stdout).toContain('"dryRun": false');
  expect(check("--dry-run").stdout).toContain('"dryRun": true');
  expect(check("--dryrun")).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("known are --help, --check, --dry-run"),
  });
});
