import { describe, expect, test } from "@jest/globals";
import { buryPriority, Failure } from "@logwarden/shared/failure";
import { type Outcome, settlementFor } from "./settle.ts";

const failed = (code: ConstructorParameters<typeof Failure>[0]): Outcome => ({
  kind: "failed",
  failure: new Failure(code, "detail"),
});

describe("a task is settled", () => {
  test("by deleting it when its change is on the router, or when nothing may be done", () => {
    expect(settlementFor({ kind: "done" }, 1)).toEqual({ verb: "delete", reason: "done" });
    expect(settlementFor({ kind: "nothing", reason: "never-ban", detail: "" }, 1)).toEqual({
      verb: "delete",
      reason: "never-ban",
    });
  });

  test("by releasing it when waiting may help, later each time, up to ten minutes, and never by giving up", () => {
    const delays = [1, 2, 3, 10, 11, 1000].map((failures) => settlementFor(failed("device-busy"), failures));
    expect(delays.map((settlement) => ("delaySeconds" in settlement ? settlement.delaySeconds : settlement))).toEqual([
      1, 2, 4, 512, 600, 600,
    ]);
  });

  test("by releasing it at once when its device is away: the pause of the tube is the delay", () => {
    expect(settlementFor(failed("device-unreachable"), 9)).toEqual({
      verb: "release",
      delaySeconds: 0,
      reason: "device-unreachable",
    });
  });

  test("by burying it when waiting cannot help, with the reason in its priority", () => {
    expect(settlementFor(failed("change-rejected"), 1)).toEqual({
      verb: "bury",
      priority: buryPriority("change-rejected"),
      reason: "change-rejected",
    });
  });
});
