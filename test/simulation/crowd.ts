/** Who puts tasks into the tubes: attackers, their victims who log in at last, cables that fall, and people with orders. */

import { encodeTask, type Task } from "@logwarden/shared/task";
import { deviceTube, intakeTubes } from "@logwarden/shared/tubes";
import type { QueueNode } from "./queue-node.ts";
import { hosts, routerKeys, strangers } from "./setting.ts";
import type { World } from "./world.ts";

/** A few, so that they come again. Some lie where `allow` may come to. */
const attackers: readonly string[] = [
  ...Array.from({ length: 8 }, (_, index) => `203.0.113.${index + 1}`),
  ...["2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:2::1"],
  // People ban these by hand on the router, too.
  ...["198.51.100.1", "198.51.100.2"],
];

export const handMade = ["198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4"] as const;

const deviceKeys = Object.keys(hosts) as (keyof typeof hosts)[];
const users = ["root", "admin", "alice"];
const personPriority = 100;

export class Crowd {
  readonly #world: World;
  readonly #nodes: readonly QueueNode[];
  readonly #accepts: boolean;
  /** Every task that was ever put, by its id. */
  readonly tasks: Map<string, Task>;
  #count = 0;

  constructor(world: World, nodes: readonly QueueNode[], tasks: Map<string, Task>, acceptsUnknown: boolean) {
    this.#world = world;
    this.#nodes = nodes;
    this.tasks = tasks;
    this.#accepts = acceptsUnknown;
  }

  /** One attacker tries several times, mostly on one device. */
  attack(): void {
    const { random } = this.#world;
    const from = random.pick(attackers);
    const key = random.pick(deviceKeys);
    const type = random.weighted([
      [6, "password_failed"],
      [2, "user_invalid"],
      [2, "attempts_exceeded"],
      [2, "pam_failed"],
      [3, "http_error"],
      [2, "peer_ban"],
    ] as const);
    const isUnknown = random.chance(0.05);
    const host = isUnknown ? random.pick(strangers) : hosts[key];
    for (let left = random.between(1, 6); left > 0; left--) {
      const task = {
        ...{ host, type, from, ...this.#birth() },
        ...(type === "peer_ban" ? { action: random.pick(["ban", "ban", "unban", "restore"] as const) } : {}),
        ...(random.chance(0.7) ? { user: random.pick(users) } : {}),
        ...(random.chance(0.1) ? { count: random.between(2, 4) } : {}),
      } as Task;
      this.#put(this.#tubeOf(isUnknown ? undefined : key), task);
    }
  }

  login(): void {
    const { random } = this.#world;
    const key = random.pick(deviceKeys);
    const user = random.chance(0.8) ? { user: random.pick(users) } : {};
    const from = random.pick(attackers);
    this.#put(this.#tubeOf(key), { host: hosts[key], type: "login_succeeded", from, ...this.#birth(), ...user });
  }

  fall(): void {
    const { random } = this.#world;
    const key = random.pick(routerKeys);
    const name = random.pick(["eth0", "eth1", "eth2", "eth7", "lo"]);
    this.#put(this.#tubeOf(key), { host: hosts[key], type: "interface_down", interface: name, ...this.#birth() });
  }

  /** What people ask for. */
  order(): void {
    const { random } = this.#world;
    const address = random.pick(attackers);
    const key = random.pick(routerKeys);
    const place = random.chance(0.4) ? { host: hosts[key] } : {};
    const birth = { ...this.#birth(), by: "alice" };
    const tube = "host" in place ? this.#tubeOf(key) : intakeTubes[0];
    const task = random.weighted<() => Task>([
      [
        4,
        () => ({
          ...{ type: "ban", address, ...place, ...birth, for: random.pick([20, 60, 300, -1]) },
          ...(random.chance(0.3) ? { targets: [random.pick(["all", "tag:edge", `device:${key}`])] } : {}),
        }),
      ],
      [3, () => ({ type: "unban", address, ...place, ...birth })],
      [1, () => ({ type: "interface_enable", interface: random.pick(["eth1", "eth2"]), host: hosts[key], ...birth })],
      [1, () => ({ type: "reconcile", host: hosts[key], ...birth })],
    ])();
    const isOfDevice = task.type === "interface_enable" || task.type === "reconcile";
    this.#put(isOfDevice ? this.#tubeOf(key) : tube, task, personPriority);
  }

  /** What no responder can read. */
  nonsense(): void {
    const { random } = this.#world;
    const up = this.#nodes.filter(({ isUp }) => isUp);
    if (up.length === 0) return;
    const node = random.pick(up);
    const body = random.pick([
      "",
      "{}",
      '{"type":"nonsense"}',
      '{"host":"10.10.10.201","type":"password_failed","from":"x"}',
    ]);
    node.put(random.pick([intakeTubes[0], deviceTube("edge-1")]), Buffer.from(body), 65_536, 0, 120_000);
  }

  #birth(): { id: string; v: 1; at: string } {
    const { random } = this.#world;
    // Some lines waited for a while on their way.
    const lateMs = random.chance(0.2) ? random.between(0, 90_000) : random.between(0, 500);
    return { id: `t${++this.#count}`, v: 1, at: new Date(this.#world.wallMs - lateMs).toISOString() };
  }

  #tubeOf(key: keyof typeof hosts | undefined): string {
    if (key === undefined || this.#world.random.chance(0.1)) return this.#world.random.pick(intakeTubes);
    return deviceTube(key);
  }

  #put(tube: string, task: Task, priority = 65_536): void {
    const { random } = this.#world;
    if (task.host !== undefined && strangers.some((one) => one === task.host) && !this.#accepts) return;
    this.tasks.set(task.id ?? "", task);
    this.#world.say("crowd", `${tube}: ${JSON.stringify(task)}`);
    const body = Buffer.from(encodeTask(task));
    // Tasks come twice, late, and in another order than they were put.
    for (let times = random.chance(0.1) ? 2 : 1; times > 0; times--) {
      const delayMs = random.chance(0.15) ? random.between(1, 60) * 1000 : 0;
      this.#store(tube, body, priority, delayMs);
    }
  }

  #store(tube: string, body: Buffer, priority: number, delayMs: number): void {
    const up = this.#nodes.filter(({ isUp }) => isUp);
    if (up.length > 0) this.#world.random.pick(up).put(tube, body, priority, delayMs, 120_000);
    else this.#world.after(500, () => this.#store(tube, body, priority, delayMs));
  }
}
