import { writeFileSync } from "node:fs";
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
