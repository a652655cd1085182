import { describe, expect, test } from "@jest/globals";
import { parseInventory } from "@logwarden/shared/inventory";
import type { Task } from "@logwarden/shared/task";
import { plan } from "./plan.ts";

const fingerprint = `sha256:${"0f".repeat(32)}`;
const inventory = parseInventory(
  `
devices:
  edge-1:
    address: 10.10.10.201
    api: { url: https://10.10.10.201, keyFile: /k, fingerprint: "${fingerprint}" }
    protect: [eth0]
  web-1: { address: 10.10.10.50 }
allow: [192.0.2.0/24]
`,
  "test",
);
const [edge, web] = inventory.devices;

const failed = (from: string): Task => ({ host: "10.10.10.201", type: "password_failed", from });
const down = (name: string): Task => ({ host: "10.10.10.201", type: "interface_down", interface: name });

function planFor(tasks: readonly Task[], device = edge, opsPerRequestMax = 100) {
  if (device === undefined) throw new Error("the inventory has two devices");
  const wanted = tasks.map((task, index) => ({ task, askedBy: index }));
  return plan({ ...inventory, device, opsPerRequestMax, wanted });
}

describe("a plan", () => {
  test("of no tasks is no request", () => {
    expect(planFor([])).toEqual({ requests: [], empty: [], failed: [] });
  });

  test("makes one change of many tasks for one address, and each task keeps its place in it", () => {
    const { requests } = planFor([failed("10.0.0.1"), failed("10.0.0.2"), failed("10.0.0.1")]);
    expect(requests.map(({ changes }) => changes.map(({ askedBy }) => askedBy))).toEqual([[[0, 2], [1]]]);
  });

  test("never mixes firewall and interfaces, and gives each interface its own request", () => {
    const { requests } = planFor([down("eth1"), failed("10.0.0.1"), down("eth2"), down("eth1.10")]);
    expect(requests.map(({ kind, changes }) => [kind, changes.length])).toEqual([
      ["firewall", 1],
      ["interface", 1],
      ["interface", 1],
      ["interface", 1],
    ]);
  });

  test("every task has exactly one place: in a change, empty, or failed", () => {
    const tasks = [
      ...[failed("10.0.0.1"), failed("192.0.2.9"), failed("10.10.10.50"), failed("2001:db8::1"), failed("fe80::1")],
      ...[down("eth0"), down("eth1"), down("lo"), down("-x"), down("eth1 disable")],
    ];
    const { requests, empty, failed: cannot } = planFor(tasks, edge, 1);
    const places = [
      ...requests.flatMap(({ changes }) => changes.flatMap(({ askedBy }) => askedBy)),
      ...empty.map(({ askedBy }) => askedBy),
      ...cannot.map(({ askedBy }) => askedBy),
    ];
    expect(places.sort((a, b) => a - b)).toEqual(tasks.map((_, index) => index));
    expect(empty.map(({ reason }) => reason)).toEqual(["never-ban", "never-ban", "never-ban", "protected"]);
    expect(cannot.map(({ failure }) => failure.code)).toEqual([
      "interface-invalid",
      "interface-invalid",
      "interface-invalid",
    ]);
  });

  test("asks for nothing where a policy would have to count or combine first", () => {
    const from = "203.0.113.9";
    const kinds = ["pam_failed", "preauth_failed", "login_succeeded", "http_error"] as const;
    const host = "10.10.10.201";
    const tasks: Task[] = kinds.map((type) => ({ host, type, from }));
    tasks.push({ host, type: "peer_ban", from, action: "ban" });
    for (const device of inventory.devices) {
      const { requests, empty, failed: cannot } = planFor(tasks, device);
      expect([requests, cannot]).toEqual([[], []]);
      expect(empty.map(({ reason }) => reason)).toEqual(tasks.map(() => "no-policy"));
    }
  });

  test("for a device without an API is nothing but failures", () => {
    const { requests, failed: cannot } = planFor([failed("10.0.0.1"), down("eth1")], web);
    expect(requests).toEqual([]);
    expect(cannot.map(({ failure }) => failure.code)).toEqual(["device-without-api", "device-without-api"]);
  });
});
