/**
 * One VyOS router, in memory: what it runs, what it has saved, and how it fails (vyos.md §0–§4 of the design's notes, in short:
 * commits take time and are serial; reads meanwhile see what is staged; a failed commit keeps the subtrees that succeeded;
 * a save is another request; a reboot goes back to what was saved).
 */

import type { Op, Outcome } from "@logwarden/vyos";
import type { World } from "./world.ts";

export interface Config {
  /** Members of both families, in the order of their insertion. */
  members: Set<string>;
  /** By name: whether it is disabled. */
  interfaces: Map<string, boolean>;
}

/** What is wrong with it now. */
export interface Ills {
  away: "no" | "refuses" | "silent";
  /** Requests are taken and never answered; writes wait for the end of it. */
  hangs: boolean;
  wrongKey: boolean;
  /** Of the writes, this share. */
  gatewayBefore: number;
  gatewayAfter: number;
  timeoutAfter: number;
  gatewayOnRead: number;
  unwritable: boolean;
  failsFirewall: boolean;
  failsInterfaces: boolean;
  /** Somebody's own commit runs. */
  locked: boolean;
  slowness: number;
}

const well: Ills = {
  ...{
    away: "no",
    hangs: false,
    wrongKey: false,
    gatewayBefore: 0,
    gatewayAfter: 0,
    timeoutAfter: 0,
    gatewayOnRead: 0,
  },
  ...{ unwritable: false, failsFirewall: false, failsInterfaces: false, locked: false, slowness: 1 },
};

type Answer<T> = Outcome<T> | "no answer";

/** A request that writes, as long as the router is at it. */
export interface Write {
  who: string;
  what: "configure" | "save";
  /** When it was sent; the router may come to it much later. */
  sentAtMs: number;
  sinceMs: number;
}

const copy = ({ members, interfaces }: Config): Config => ({
  members: new Set(members),
  interfaces: new Map(interfaces),
});

export class SimRouter {
  readonly key: string;
  readonly #world: World;
  running: Config = {
    members: new Set(),
    interfaces: new Map([
      ["eth0", false],
      ["eth1", false],
      ["eth2", false],
    ]),
  };
  saved: Config;
  #staged: Config | undefined;
  readonly #backups: Config[] = [];
  ills: Ills = { ...well };
  /** A member that it refuses, whoever asks. */
  dislikes: string | undefined;
  /** Counts its starts: what was under way before a start is lost. */
  #life = 0;
  #writing: Promise<unknown> = Promise.resolve();
  readonly writes = new Set<Write>();
  /** Since it began to be well. */
  wellSinceMs = 0;
  /** Members that we have ever asked it to take: what was never in here is somebody else's. */
  readonly setByUs = new Set<string>();
  /** Members of a backup that was restored: nobody can tell whether we put them there, or people. */
  readonly doubtful = new Set<string>();
  /** When a save last held the member; when one last did not. */
  readonly savedWithMs = new Map<string, number>();
  readonly savedWithoutMs = new Map<string, number>();
  /** When something other than our requests changed it. */
  disturbedAtMs = Number.NEGATIVE_INFINITY;
  onWrite: (write: Write) => void = () => undefined;

  constructor(key: string, world: World) {
    this.key = key;
    this.#world = world;
    this.saved = copy(this.running);
  }

  get isReachable(): boolean {
    return this.ills.away === "no" && !this.ills.hangs && !this.ills.wrongKey;
  }

  fall(ill: Partial<Ills>): void {
    Object.assign(this.ills, ill);
  }

  heal(): void {
    this.ills = { ...well };
    this.wellSinceMs = this.#world.nowMs;
  }

  /** Ends what is under way and goes back to what was saved. */
  reboot(from: Config = this.saved): void {
    this.#life++;
    this.disturbedAtMs = this.#world.nowMs;
    this.#staged = undefined;
    this.#writing = Promise.resolve();
    this.writes.clear();
    this.running = copy(from);
    this.saved = copy(from);
  }

  backUp(): void {
    this.#backups.push(copy(this.saved));
  }

  /** @returns false when there is no backup */
  restore(): boolean {
    const backup = this.#backups.at(0);
    if (backup === undefined) return false;
    this.reboot(backup);
    for (const member of backup.members) this.doubtful.add(member);
    return true;
  }

  /** Somebody edits the router on its command line. */
  edit(change: (config: Config) => void, saves: boolean): boolean {
    if (this.#staged !== undefined || this.ills.away !== "no") return false;
    this.disturbedAtMs = this.#world.nowMs;
    change(this.running);
    if (saves) this.#keep();
    return true;
  }

  async configure(ops: readonly Op[], who: string): Promise<Answer<string | null>> {
    return this.#send({ who, what: "configure" }, () => this.#serially(() => this.#commit(ops)));
  }

  async save(who: string): Promise<Answer<string | null>> {
    return this.#send({ who, what: "save" }, () => this.#save());
  }

  /** A read sees what is staged. */
  async read<T>(look: (now: Config, staged: Config | undefined) => T): Promise<Answer<T>> {
    const refused = await this.#arrive(this.#world.random.chance(this.ills.gatewayOnRead));
    if (refused !== undefined) return refused;
    if (this.ills.hangs) return "no answer";
    const life = this.#life;
    await this.#world.wait(20 * this.ills.slowness);
    return life === this.#life ? { kind: "done", data: look(this.running, this.#staged) } : reset;
  }

  async #arrive(isLost: boolean): Promise<Answer<never> | undefined> {
    await this.#world.wait(this.#world.random.between(1, 3));
    if (this.ills.away === "silent") await this.#world.wait(10_000);
    if (this.ills.away !== "no") return { kind: "unreachable", reason: "connect", text: `${this.key} does not answer` };
    if (isLost) return gateway;
    return this.ills.wrongKey ? { kind: "refused-key", text: "Valid API key is required" } : undefined;
  }

  async #send<T>(what: Pick<Write, "who" | "what">, work: () => Promise<Answer<T>>): Promise<Answer<T>> {
    const sentAtMs = this.#world.nowMs;
    const refused = await this.#arrive(this.#world.random.chance(this.ills.gatewayBefore));
    if (refused !== undefined) return refused;
    const write: Write = { ...what, sentAtMs, sinceMs: this.#world.nowMs };
    this.onWrite(write);
    this.writes.add(write);
    try {
      return await work();
    } finally {
      this.writes.delete(write);
    }
  }

  /** The API's server does one /configure after the other. */
  #serially<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#writing.then(work);
    this.#writing = mine;
    return mine;
  }

  async #commit(ops: readonly Op[]): Promise<Answer<string | null>> {
    const { random } = this.#world;
    const life = this.#life;
    const isOver = (): boolean => life !== this.#life;
    if (isOver()) return reset;
    while (this.ills.hangs) {
      await this.#world.wait(500);
      if (isOver()) return reset;
    }
    if (this.ills.locked) {
      const text = "Configuration system temporarily locked due to another commit in progress\n";
      return { kind: "busy", text };
    }
    const bad = ops.find(({ op, path }) => op === "set" && path.at(-1) === this.dislikes);
    if (bad !== undefined) return { kind: "rejected", status: 400, text: "Value validation failed\nSet failed\n" };
    const staged = copy(this.running);
    for (const op of ops) carryOut(staged, op);
    this.#staged = staged;
    await this.#world.wait((100 + 33 * ops.length) * this.ills.slowness);
    if (isOver()) return reset;
    this.#staged = undefined;
    const { failsFirewall, failsInterfaces } = this.ills;
    // Subtree by subtree: those that succeed stay.
    const succeeded = ops.filter(({ path }) => !(path[0] === "firewall" ? failsFirewall : failsInterfaces));
    for (const op of succeeded) carryOut(this.running, op);
    if (succeeded.length < ops.length) {
      return { kind: "failed-commit", text: "[[firewall]] failed\nCommit failed\n" };
    }
    if (random.chance(this.ills.gatewayAfter)) return gateway;
    if (random.chance(this.ills.timeoutAfter)) return "no answer";
    return { kind: "done", data: null };
  }

  async #save(): Promise<Answer<string | null>> {
    const life = this.#life;
    await this.#world.wait(200 * this.ills.slowness);
    if (life !== this.#life) return reset;
    if (this.ills.hangs) return "no answer";
    if (this.ills.unwritable) {
      return { kind: "unknown", reason: "server-error", text: "Traceback (most recent call last): disk is full" };
    }
    this.#keep();
    if (this.#world.random.chance(this.ills.gatewayAfter)) return gateway;
    return { kind: "done", data: null };
  }

  /** What is running is saved; what is only staged is not. */
  #keep(): void {
    this.saved = copy(this.running);
    for (const member of this.saved.members) this.savedWithMs.set(member, this.#world.nowMs);
    for (const member of this.setByUs) {
      if (!this.saved.members.has(member)) this.savedWithoutMs.set(member, this.#world.nowMs);
    }
  }
}

const gateway = { kind: "unknown", reason: "gateway", text: "502 Bad Gateway" } as const;
const reset = { kind: "unknown", reason: "reset", text: "socket hang up" } as const;

function carryOut(config: Config, { op, path }: Op): void {
  const name = path.at(-1) ?? "";
  if (path[0] === "interfaces") config.interfaces.set(path[2] ?? "", op === "set");
  else if (op === "set") config.members.add(name);
  else config.members.delete(name);
}
