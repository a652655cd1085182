import { describe, expect, test } from "@jest/globals";
import { ConfigurationError } from "./environment.ts";
import { parseInventory } from "./inventory.ts";
import { banLengthMs, type BanPolicy, bannedTypes, type Policies } from "./policies.ts";

const inventory = (policies: string): string => `
devices:
  edge-1: { address: 10.10.10.201, tags: [edge] }
allow: []
${policies}`;
const read = (policies: string): Policies => parseInventory(inventory(policies), "logwarden.yaml").policies;

function complaints(policies: string): string {
  try {
    read(policies);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.complaints.join("\n");
  }
  return "";
}

const hour = 3_600_000;

describe("without policies", () => {
  test("the first attack bans for an hour on the router whose line it was", () => {
    const chosen = read("").forEvent("password_failed", "any");
    expect(chosen).toMatchObject({
      counter: "password_failed",
      policy: { maxRetry: 1, banTimeMs: hour, growth: 1, targets: ["self"], dryRun: false },
    });
    expect(read("").forInterface("any")?.policy).toMatchObject({ maxRetry: 1, enableAfterMs: null });
  });

  test("nothing is done about what says too little by itself", () => {
    const acting = bannedTypes.filter((type) => read("").forEvent(type, "any") !== undefined);
    expect(acting).toEqual(["password_failed", "user_invalid", "attempts_exceeded"]);
  });
});

describe("with policies", () => {
  const written = `
policies:
  password_failed:
    maxRetry: 5
    findTime: 10m
    banTime: 1h
    growth: 2
    banTimeMax: 7d
    targets: [edge, self]
    rules: { sshd-failed-publickey: { maxRetry: 20 } }
  http_error: { maxRetry: 30, findTime: 60, banTime: permanent, targets: [all] }
`;

  test("they are the whole list: what is not named is not acted on", () => {
    expect(read(written).forEvent("user_invalid", "any")).toBeUndefined();
    expect(read(written).forInterface("any")).toBeUndefined();
    expect(read(written).types).toEqual(["password_failed", "http_error"]);
  });

  test("a rule may have its own, which keeps the rest of its type's and counts by itself", () => {
    const special = read(written).forEvent("password_failed", "sshd-failed-publickey");
    expect(special).toMatchObject({
      counter: "password_failed/sshd-failed-publickey",
      policy: { maxRetry: 20, growth: 2 },
    });
    expect(read(written).forEvent("password_failed", "sshd-failed-password")?.policy.maxRetry).toBe(5);
  });

  test("durations are fail2ban's, and the longest findTime is known", () => {
    expect(read(written).forEvent("http_error", "any")?.policy).toMatchObject({ findTimeMs: 60_000, banTimeMs: null });
    expect(read(written).findTimeMsMax).toBe(600_000);
    expect(read(written).forEvent("password_failed", "any")?.policy.targets).toEqual([{ tag: "edge" }, "self"]);
  });
});

describe("a policy is refused, with path, value and an example:", () => {
  test.each([
    ["policies: { password_faild: { maxRetry: 5 } }", 'Unrecognized key: "password_faild"'],
    ["policies: { password_failed: { maxRetry: 0 } }", "policies.password_failed.maxRetry"],
    ["policies: { password_failed: { maxretry: 5 } }", 'Unrecognized key: "maxretry"'],
    ["policies: { password_failed: { findTime: permanent } }", "findTime: expected a duration such as"],
    ["policies: { password_failed: { findTime: 1y } }", 'got "1y", for example findTime: 10m'],
    ["policies: { password_failed: { banTime: 0 } }", "banTime: expected a duration"],
    ["policies: { password_failed: { growth: 0.5 } }", "growth"],
    ["policies: { password_failed: { targets: [] } }", "at least one of self, all and tags"],
    ["policies: { password_failed: { targets: [core] } }", "no device has the tag core"],
    [
      "policies: { password_failed: { rules: { x: { targets: [core] } } } }",
      "policies.password_failed.rules.x.targets",
    ],
    ["policies: { interface_down: { targets: [all] } }", "policies.interface_down.targets"],
    ["policies: { login_succeeded: { maxRetry: 1 } }", 'Unrecognized key: "login_succeeded"'],
    ["ipv6Prefix: 16", "ipv6Prefix"],
    ["unbanGrace: permanent", "unbanGrace: expected a duration"],
    ["groupMax: 0", "groupMax"],
  ])("%s", (text, complaint) => expect(complaints(text)).toContain(complaint));
});

describe("a ban is as long as its policy says:", () => {
  const policy = (given: Partial<BanPolicy>): BanPolicy => ({
    ...{ maxRetry: 5, findTimeMs: 1, banTimeMs: hour, growth: 2, banTimeMaxMs: 10 * hour },
    ...{ targets: ["self"], forgetOnSuccess: false, dryRun: false },
    ...given,
  });

  test("twice as long each time, up to its bound", () => {
    expect([0, 1, 2, 3, 4, 50].map((offences) => banLengthMs(policy({}), offences))).toEqual(
      [1, 2, 4, 8, 10, 10].map((hours) => hours * hour),
    );
  });

  test("for ever where it is permanent, or grew beyond all calendars", () => {
    expect(banLengthMs(policy({ banTimeMs: null }), 0)).toBeNull();
    expect(banLengthMs(policy({ banTimeMaxMs: null }), 1000)).toBeNull();
  });
});
