// What becomes of a line that is no task: counted by name, and the lines around it are not lost.

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { attack, frames, type Framing } from "./balancer.ts";
import { edge, type Rig, startRig, type TaskSeen } from "./rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig({ inventory: { rules: { disabled: ["netplugd-state-down"] } } });
});
afterAll(() => rig.close());

const before = attack("203.0.113.1", "before");
const after = attack("203.0.113.2", "after");

/** Sends the lines between two that become tasks, on one connection. @returns the tasks of the lines between */
async function sendBetween(bytes: Buffer, tasks: number, framing: Framing = "lf"): Promise<TaskSeen[]> {
  const balancer = await rig.dial();
  await balancer.send(Buffer.concat([frames([before], framing), bytes, frames([after], framing)]));
  const all = await rig.take(tasks + 2);
  expect(all[0]).toMatchObject({ user: "before" });
  expect(all.at(-1)).toMatchObject({ user: "after" });
  expect(await rig.ready()).toBe(0);
  await balancer.destroy();
  return all.slice(1, -1);
}

async function expectCounted(metric: string, times: number, act: () => Promise<unknown>): Promise<void> {
  const counted = await rig.metric(metric);
  await act();
  expect(await rig.metric(metric)).toBe(counted + times);
}

describe.each<Framing>(["lf", "octet-counted"])("in %s framing", (framing) => {
  test("a frame over the limit is skipped and counted", async () => {
    const huge = frames([attack("203.0.113.9", "x".repeat(70_000)), "y".repeat(8193)], framing);
    await expectCounted('line_refused_total{reason="frame-too-long"}', 2, () => sendBetween(huge, 0, framing));
  });

  test("a frame of exactly the limit is read", async () => {
    const short = attack("203.0.113.9", "").length;
    const longest = attack("203.0.113.9", "x".repeat(8192 - short));
    await expectCounted('line_mended_total{reason="too-long"}', 1, async () => {
      const [task] = await sendBetween(frames([longest], framing), 1, framing);
      expect(task).toMatchObject({ from: "203.0.113.9", user: "x".repeat(256) });
    });
  });

  test.each([
    ["one byte each", "x"],
    ["two bytes each", "\u00fc"],
    ["three bytes each", "\u65e5"],
    ["two characters of UTF-16 each", "\u{1f600}"],
    ["two, and one in front of the next", "\u{1f600}x"],
    ["one byte and then three each", "x\u65e5\u65e5\u65e5"],
    ["three bytes each, and a last of four", `${"\u65e5".repeat(255)}\u{1f600}`],
  ])("a name of characters of %s is cut to what a task holds, in no character's middle", async (_, characters) => {
    for (const length of [255, 256, 257, 1500]) {
      const name = characters
        .repeat(length)
        .slice(0, length)
        .replace(/[\ud800-\udbff]$/, "");
      const [task] = await sendBetween(frames([attack("203.0.113.9", name)], framing), 1, framing);
      expect(task).toMatchObject({ from: "203.0.113.9", user: name.slice(0, 256).replace(/[\ud800-\udbff]$/, "") });
    }
  });

  test("a name that is no UTF-8 does not hide the attack, and is counted", async () => {
    const line = Buffer.from(attack("203.0.113.9", "r\xff\xfet"), "latin1");
    await expectCounted('line_mended_total{reason="invalid-utf8"}', 1, async () => {
      const [task] = await sendBetween(frames([line], framing), 1, framing);
      expect(task).toMatchObject({ from: "203.0.113.9", user: "r\ufffd\ufffdt" });
    });
  });

  test("a name that holds U+FFFD itself, because its sender cleaned it, is not counted so", async () => {
    await expectCounted('line_mended_total{reason="invalid-utf8"}', 0, async () => {
      for (const name of ["r\ufffdt", "\ufffd".repeat(256)]) {
        const [task] = await sendBetween(frames([attack("203.0.113.9", name)], framing), 1, framing);
        expect(task).toMatchObject({ from: "203.0.113.9", user: name });
      }
    });
  });

  test("a NUL inside a name does not hide the attack, and is counted", async () => {
    await expectCounted('line_mended_total{reason="control-character"}', 1, async () => {
      const [task] = await sendBetween(frames([attack("203.0.113.9", "ro\0ot")], framing), 1, framing);
      expect(task).toMatchObject({ from: "203.0.113.9", user: "ro\ufffdot" });
    });
  });

  test("NULs at the end of a line are no part of it", async () => {
    const [task] = await sendBetween(frames([`${attack("203.0.113.9")}\0\0`], framing), 1, framing);
    expect(task).toMatchObject({ from: "203.0.113.9" });
  });

  test("bytes without a syslog header are counted", async () => {
    const noise = frames([Buffer.from([0xff, 0, 1, 2, 0x1b]), "hello", "<999>x", "<38>"], framing);
    await expectCounted('line_refused_total{reason="no-syslog-header"}', 4, () => sendBetween(noise, 0, framing));
  });

  test("a line that no rule claims is counted", async () => {
    const line = "<30>Nov 21 04:44:40 gw1 ntpd[1]: kernel reports TIME_ERROR: 0x41";
    await expectCounted("line_unrecognized_total", 1, () => sendBetween(frames([line], framing), 0, framing));
  });
});

test("empty lines are nothing", async () => {
  await expectCounted("line_received_total", 2, () => sendBetween(Buffer.from("\n\r\n\0\n\n"), 0));
});

test("a counted stream that can be followed no further is closed and counted; what came before is not lost", async () => {
  const balancer = await rig.dial();
  await expectCounted('line_refused_total{reason="octet-count-invalid"}', 1, async () => {
    await balancer.send(Buffer.concat([frames([before], "octet-counted"), Buffer.from("x"), frames([after])]));
    await balancer.closed;
  });
  expect(await rig.take(1)).toMatchObject([{ user: "before" }]);
});

test("half a frame at the end of a connection: counted where frames are counted, a line where they are not", async () => {
  await expectCounted('line_refused_total{reason="frame-truncated"}', 1, async () => {
    const counted = await rig.dial();
    await counted.send(frames([before], "octet-counted").subarray(0, 40));
    counted.finish();
    await counted.closed;
  });
  const plain = await rig.dial();
  await plain.send(before);
  plain.finish();
  expect(await rig.take(1)).toMatchObject([{ user: "before" }]);
});

describe("an address that is never banned becomes no task, and is counted", () => {
  test.each([
    ["on the allow list", "198.51.100.77"],
    ["the device's own", edge.address],
    ["another device's", "2001:DB8:0::201"],
    ["loopback", "127.0.0.1"],
    ["loopback behind IPv4-mapped IPv6", "::ffff:127.0.0.1"],
  ])("%s", async (_, address) => {
    const metric = 'event_refused_total{rule="sshd-failed-password",reason="never-ban"}';
    await expectCounted(metric, 1, () => sendBetween(frames([attack(address)]), 0));
  });
});

const flags = (state: string, from: string, to: string): string => `${state} flags ${from} -> ${to}`;
const up = "0x00011043 UP,BROADCAST,RUNNING,MULTICAST,10000";
const down = "0x00001002 BROADCAST,MULTICAST";
const noCarrier = "0x00001003 UP,BROADCAST,MULTICAST";
const netplugd = (text: string): Buffer => frames([`<30>Aug 26 16:07:59 vyos netplugd[703]: ${text}`]);

test("a rule that is switched off claims nothing; its neighbour still does", async () => {
  await expectCounted("line_unrecognized_total", 1, () =>
    sendBetween(netplugd(`eth1: state ${flags("DOWN", down, up)}`), 0),
  );
  const [task] = await sendBetween(netplugd(`eth1: state ${flags("ACTIVE", up, noCarrier)}`), 1);
  expect(task).toMatchObject({ type: "interface_down", interface: "eth1", rule: "netplugd-link-lost" });
});

test("a protected interface is never asked to go down, and that is counted", async () => {
  const metric = 'event_refused_total{rule="netplugd-link-lost",reason="protected"}';
  await expectCounted(metric, 1, () => sendBetween(netplugd(`eth0: state ${flags("ACTIVE", up, noCarrier)}`), 0));
});
