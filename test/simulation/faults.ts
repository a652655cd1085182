/** What goes wrong: each fault has a beginning, and an end of its own or the end of all faults. */

import type { Fleet, Process } from "./fleet.ts";
import type { Host } from "./host.ts";
import { handMade } from "./crowd.ts";
import type { QueueNode } from "./queue-node.ts";
import type { Ills, SimRouter } from "./router.ts";
import type { World } from "./world.ts";

export interface FaultOptions {
  world: World;
  fleet: Fleet;
  nodes: readonly QueueNode[];
  routers: readonly SimRouter[];
  tubes: readonly string[];
  /** Somebody edits `allow`. */
  editAllow: () => void;
  /** The clock on the wall is set. */
  onStep: () => void;
}

const responders = { min: 1, max: 4 };

export class Faults {
  readonly #options: FaultOptions;
  readonly #healers = new Set<() => void>();
  /** Falls upon the next responder that writes to a router: the worst moments are short, and chance seldom meets them. */
  #trap: "pause" | "kill" | undefined;

  constructor(options: FaultOptions) {
    this.#options = options;
  }

  one(): void {
    const { world } = this.#options;
    const fault = world.random.weighted<readonly [string, () => void]>([
      [8, ["a router falls ill", () => this.#ill()]],
      [2, ["a router reboots", () => this.#reboot(false)]],
      [1, ["a router gets an old backup", () => this.#reboot(true)]],
      [1, ["a router is backed up", () => this.#router().backUp()]],
      [3, ["somebody edits a router", () => this.#edit()]],
      [3, ["a responder is killed", () => this.#kill(this.#any())]],
      [3, ["the next that writes is killed", () => void (this.#trap = "kill")]],
      [3, ["the next that writes is paused", () => void (this.#trap = "pause")]],
      [3, ["a responder is paused", () => this.#pause(this.#any()?.host)]],
      [2, ["a responder is stopped", () => this.#stop()]],
      [2, ["a responder is added", () => this.#add()]],
      [3, ["the ledger is away", () => this.#cutOff()]],
      [3, ["a queue node is away", () => this.#nodeDown()]],
      [1, ["the clock on the wall is set", () => this.#step()]],
      [2, ["the allow list is edited", () => this.#options.editAllow()]],
      [1, ["buried jobs are kicked", () => this.#kick()]],
    ]);
    world.say("fault", fault[0]);
    fault[1]();
  }

  /** Everything is well from now on. */
  healAll(): void {
    this.#trap = undefined;
    // One that has only begun to fall has an end of its own by now.
    while (this.#healers.size > 0) for (const heal of this.#healers) heal();
    const { fleet } = this.#options;
    if (fleet.processes.every(({ isStopping }) => isStopping)) fleet.start();
  }

  onConfigure(host: Host): void {
    const trap = this.#trap;
    this.#trap = undefined;
    if (trap === undefined) return;
    const { world, fleet } = this.#options;
    const process = fleet.processes.find((one) => one.host === host);
    if (process === undefined) return;
    this.#until(0, world.random.chance(0.5) ? 5 : 500, () => {
      if (trap === "pause") this.#pause(host);
      else if (!host.isDead) this.#kill(process);
    });
  }

  #until(msMin: number, msMax: number, heal: () => void): void {
    const { world } = this.#options;
    const once = (): void => {
      if (!this.#healers.delete(once)) return;
      cancel();
      heal();
    };
    this.#healers.add(once);
    const cancel = world.after(world.random.between(msMin, msMax), once);
  }

  #router(): SimRouter {
    return this.#options.world.random.pick(this.#options.routers);
  }

  #ill(): void {
    const { random } = this.#options.world;
    const router = this.#router();
    const [ill] = random.pick<readonly [Partial<Ills>]>([
      [{ away: "refuses" }],
      [{ away: "silent" }],
      [{ hangs: true }],
      [{ wrongKey: true }],
      [{ gatewayBefore: 0.5 }],
      [{ gatewayAfter: 0.5 }],
      [{ timeoutAfter: 0.5 }],
      [{ gatewayOnRead: 0.3 }],
      [{ unwritable: true }],
      [{ failsFirewall: true }],
      [{ failsInterfaces: true }],
      [{ locked: true }],
      [{ slowness: random.between(2, 30) }],
    ]);
    this.#options.world.say(router.key, `falls ill: ${JSON.stringify(ill)}`);
    router.fall(ill);
    this.#until(1000, 60_000, () => {
      this.#options.world.say(router.key, "is well again");
      router.heal();
    });
  }

  #reboot(fromBackup: boolean): void {
    const router = this.#router();
    if (fromBackup ? !router.restore() : (router.reboot(), false)) return;
    router.fall({ away: "refuses" });
    this.#until(5000, 40_000, () => router.heal());
  }

  #edit(): void {
    const { world } = this.#options;
    const { random } = world;
    const router = this.#router();
    const member = random.pick(handMade);
    const saves = random.chance(0.7);
    const what = random.weighted([
      [3, "adds"],
      [2, "takes out"],
      [2, "takes out one of ours"],
      [1, "enables"],
    ] as const);
    router.edit(({ members, interfaces }) => {
      const own = [...members].filter((one) => router.setByUs.has(one));
      // What was ours once is ours again when it comes back: people ban that through us.
      if (what === "adds" && !router.setByUs.has(member)) members.add(member);
      if (what === "takes out") members.delete(member);
      if (what === "takes out one of ours" && own.length > 0) members.delete(random.pick(own));
      if (what === "enables") interfaces.set("eth1", false);
    }, saves);
    world.say(router.key, `somebody ${what} (${member}), ${saves ? "saved" : "not saved"}`);
  }

  #kill(process: Process | undefined): void {
    if (process === undefined) return;
    this.#options.fleet.kill(process);
    this.#startLater();
  }

  #any(): Process | undefined {
    const { world, fleet } = this.#options;
    return fleet.processes.length === 0 ? undefined : world.random.pick(fleet.processes);
  }

  #startLater(): void {
    this.#until(500, 15_000, () => this.#options.fleet.start());
  }

  #pause(host: Host | undefined): void {
    const { world } = this.#options;
    if (host === undefined || host.isPaused || host.isDead) return;
    world.say(host.name, "is paused");
    host.pause();
    this.#until(500, 150_000, () => {
      world.say(host.name, "goes on");
      host.proceed();
    });
  }

  #stop(): void {
    const { world, fleet } = this.#options;
    const working = fleet.processes.filter(({ isStopping }) => !isStopping);
    if (working.length === 0) return;
    fleet.stop(world.random.pick(working));
    this.#startLater();
  }

  #add(): void {
    const { fleet } = this.#options;
    const working = fleet.processes.filter(({ isStopping }) => !isStopping);
    if (working.length < responders.max) fleet.start();
    else fleet.stop(this.#options.world.random.pick(working));
  }

  #cutOff(): void {
    const { world, fleet } = this.#options;
    if (fleet.processes.length === 0) return;
    const hosts = world.random.chance(0.5)
      ? fleet.processes.map(({ host }) => host)
      : [world.random.pick(fleet.processes).host];
    for (const host of hosts) {
      host.isCutOff = true;
      world.say(host.name, "has no ledger");
    }
    this.#until(500, 30_000, () => {
      for (const host of hosts) {
        host.isCutOff = false;
        host.trouble();
      }
    });
  }

  #nodeDown(): void {
    const { world, nodes } = this.#options;
    const node = world.random.pick(nodes);
    if (!node.isUp) return;
    world.say(node.name, "is away");
    node.down();
    // Sometimes it only was started anew.
    this.#until(50, world.random.chance(0.5) ? 500 : 30_000, () => {
      world.say(node.name, "is back");
      node.up();
    });
  }

  #step(): void {
    const { world, onStep } = this.#options;
    const ms = world.random.pick([-1, 1]) * world.random.between(1000, 120_000);
    world.say("wall clock", `steps by ${ms} ms`);
    world.stepWall(ms);
    onStep();
  }

  #kick(): void {
    const { nodes, tubes, world } = this.#options;
    world.random.pick(nodes).kick(world.random.pick(tubes));
  }
}
