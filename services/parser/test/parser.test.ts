// The four lines of the acceptance, as a balancer would pass them on: each gives exactly its task in the device's tube,
// however the bytes arrive.

import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { attack, type Balancer, frames, type Framing, proxyHeader, type Version } from "./balancer.ts";
import { branch, edge, type Rig, startRig } from "./rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.close());

const lines = [
  {
    name: "a failed password that came through logger, four times",
    line: "<13>Aug 26 21:59:03 vyos vyos: message repeated 4 times: [  Aug 26 13:55:13 vyos sshd[2755]: Failed password for root from 10.10.10.132 port 47336 ssh2]",
    task: { host: "10.10.10.201", type: "password_failed", from: "10.10.10.132", count: 4 },
  },
  {
    name: "a failed password",
    line: "<38>Aug 26 16:07:33 vyos sshd[2779]: Failed password for root from 10.0.0.1 port 47364 ssh2",
    task: { host: "10.10.10.201", type: "password_failed", from: "10.0.0.1", count: 1 },
  },
  {
    name: "netplugd's state DOWN",
    line: "<30>Aug 26 16:07:59 vyos netplugd[703]: eth1: state DOWN flags 0x00001002 BROADCAST,MULTICAST -> 0x00011043 UP,BROADCAST,RUNNING,MULTICAST,10000",
    task: { host: "10.10.10.201", type: "interface_down", interface: "eth1", rule: "netplugd-state-down" },
  },
  {
    name: "a user name that holds another's address",
    line: "<38>Nov 21 04:44:40 gw1 sshd[2319]: Failed password for invalid user root from 192.0.2.1 port 1 ssh2 from 203.0.113.7 port 40024 ssh2",
    task: {
      host: "10.10.10.201",
      type: "password_failed",
      from: "203.0.113.7",
      user: "root from 192.0.2.1 port 1 ssh2",
    },
  },
] as const;

const ways: [Version, Framing][] = [
  ["v1", "lf"],
  ["v1", "octet-counted"],
  ["v2", "lf"],
  ["v2", "octet-counted"],
];

/** Sends the same line over `count` connections, and expects exactly one task and one line of each. */
async function expectTaskOfEach(
  count: number,
  task: object,
  send: (balancers: readonly Balancer[]) => Promise<void>,
): Promise<void> {
  const before = await rig.metric("line_received_total");
  const balancers = await Promise.all(Array.from({ length: count }, () => rig.dial({ silent: true })));
  await send(balancers);
  const tasks = await rig.take(count);
  for (const one of tasks) expect(one).toMatchObject(task);
  expect(JSON.stringify(tasks)).not.toContain('"from":"192.0.2.1"');
  expect(new Set(tasks.map(({ id }) => id)).size).toBe(count);
  expect(await rig.metric("line_received_total")).toBe(before + count);
  expect(await rig.ready()).toBe(0);
  await Promise.all(balancers.map((balancer) => balancer.destroy()));
}

describe.each(lines)("$name", ({ line, task }) => {
  describe.each(ways)("PROXY %s, %s framing", (version, framing) => {
    const bytes = Buffer.concat([proxyHeader({ source: edge.address, version }), frames([line], framing)]);

    test("gives its task when header and line share one segment", () =>
      expectTaskOfEach(1, task, async ([balancer]) => balancer?.send(bytes)));

    test("gives its task wherever the stream is split in two", () =>
      expectTaskOfEach(bytes.length - 1, task, async (balancers) => {
        await Promise.all(balancers.map((balancer, index) => balancer.send(bytes.subarray(0, index + 1))));
        await rig.settled();
        await Promise.all(balancers.map((balancer, index) => balancer.send(bytes.subarray(index + 1))));
      }));

    test("gives its task when every byte comes alone", () =>
      expectTaskOfEach(1, task, async ([balancer]) => {
        for (const byte of bytes) {
          await balancer?.send(Buffer.from([byte]));
          await rig.settled();
        }
      }));
  });
});

test("lines of several connections go to the tubes of their devices, whatever host name they claim", async () => {
  const [first, second] = await Promise.all([rig.dial(), rig.dial({ source: branch.address })]);
  await Promise.all([first.send(frames([attack("203.0.113.1")])), second.send(frames([attack("203.0.113.2")]))]);
  expect(await rig.take(1)).toMatchObject([{ host: edge.address, from: "203.0.113.1" }]);
  expect(await rig.take(1, branch.key)).toMatchObject([{ host: branch.address, from: "203.0.113.2" }]);
});

test("many lines of one segment become tasks in their order", async () => {
  const addresses = Array.from({ length: 250 }, (_, n) => `203.0.113.${n}`);
  const balancer = await rig.dial();
  await balancer.send(frames(addresses.map((address) => attack(address))));
  expect((await rig.take(250)).map(({ from }) => from)).toEqual(addresses);
});
