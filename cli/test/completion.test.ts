// What a shell offers when somebody presses Tab: asked of a real bash.

import { expect, test } from "@jest/globals";
import { spawnSync } from "node:child_process";
import { verbs } from "../src/verbs.ts";
import { here } from "./command.ts";

/** What bash would offer for this line, the cursor at its end. */
async function offered(line: string): Promise<string[]> {
  const { stdout: script } = await here(["completion", "bash"]);
  const words = line.split(" ");
  const ask = `COMP_WORDS=(${words.map((word) => `"${word}"`).join(" ")}); COMP_CWORD=${words.length - 1}
_logwarden; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync("bash", ["--norc", "-c", `${script}\n${ask}`], { encoding: "utf8" });
  expect(stderr).toBe("");
  return stdout.split("\n").filter((word) => word !== "");
}

test("verbs, and the words of other tools for them", async () => {
  expect(await offered("logwarden ba")).toEqual(["ban", "bans", "banned"]);
  expect(await offered("logwarden ")).toEqual(verbs.flatMap(({ name, aliases = [] }) => [name, ...aliases]));
});

test("the words of a verb, its options, and what these may be", async () => {
  expect(await offered("logwarden routers re")).toEqual(["reconcile"]);
  expect(await offered("logwarden bouncers ")).toEqual(["list", "check", "reconcile"]);
  expect(await offered("logwarden ban --d")).toEqual(["--duration", "--dry-run"]);
  expect(await offered("logwarden router-config --release ")).toEqual(["1.3", "1.4", "1.5", "rolling"]);
  expect(await offered("logwarden explain --type pre")).toEqual(["preauth_failed"]);
  expect(await offered("logwarden help router-")).toEqual(["router-config"]);
});

test("every option of every verb is offered by all three shells", async () => {
  const scripts = await Promise.all(
    ["bash", "zsh", "fish"].map(async (shell) => (await here(["completion", shell])).stdout),
  );
  for (const { name, options } of verbs) {
    const flags = await offered(`logwarden ${name} --`);
    for (const option of Object.keys(options)) {
      expect(flags).toContain(`--${option}`);
      for (const script of scripts) expect(script).toMatch(new RegExp(`(--|-l )${option}\\b`));
    }
  }
});

test("a file may be named where an option takes one", async () => {
  expect(await offered("logwarden check-config --config /etc/passw")).toContain("/etc/passwd");
  expect(await offered("logwarden ban --reason w")).toEqual([]);
});

test("another shell is refused", async () => {
  expect(await here(["completion", "powershell"])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("there are bash, zsh and fish"),
  });
});
