// The reference is made from the source, so that it cannot say something else.

import { expect, test } from "@jest/globals";
import { spawnSync } from "node:child_process";

test("docs/reference is what the source says", () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["scripts/docs.ts", "--check"], { encoding: "utf8" });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "", stderr: "" });
});
