/** The responders of a run: started, killed, stopped, paused; each a process of its own over the same ledger, queue and routers. */

import type { Ledger } from "@logwarden/ledger";
import { type Responder, startResponder } from "@logwarden/responder/responder";
import type { Inventory } from "@logwarden/shared/inventory";
import type { Log } from "@logwarden/shared/log";
import type { Op } from "@logwarden/vyos";
import { Host } from "./host.ts";
import { leaseMs } from "./judge.ts";
import { type LedgerWatch, openLedgerDoor } from "./ledger-door.ts";
import { openProducer, openTube } from "./queue-door.ts";
import type { QueueNode } from "./queue-node.ts";
import type { SimRouter } from "./router.ts";
import { openClient } from "./router-client.ts";
import type { World } from "./world.ts";

export interface Process {
  host: Host;
  responder: Responder;
  isStopping: boolean;
}

export interface FleetOptions {
  world: World;
  ledger: Ledger;
  nodes: readonly QueueNode[];
  routers: readonly SimRouter[];
  /** As the file says now. */
  inventory: () => Inventory;
  watch: LedgerWatch;
  onConfigure: (host: Host, router: SimRouter, ops: readonly Op[]) => void;
  batchTasksMax: number;
  opsPerRequestMax: number;
  configureTimeoutMs: number;
  reconcileMs: number;
}

export class Fleet {
  readonly #options: FleetOptions;
  /** All that ever ran. */
  readonly hosts = new Map<string, Host>();
  processes: Process[] = [];
  #count = 0;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  start(): void {
    const { world, ledger, nodes, routers, inventory: read, watch, onConfigure, ...rest } = this.#options;
    const name = `responder-${++this.#count}`;
    const inventory = read();
    const host = new Host(name, world, inventory.neverBan);
    this.hosts.set(name, host);
    world.say(name, "starts");
    let bans = 0;
    const responder = startResponder({
      ...rest,
      ...{ id: name, name, inventory, leaseMs, dryRun: false, clock: host.clock },
      ledger: openLedgerDoor(host, ledger, watch),
      producer: openProducer(host, nodes),
      openTube: (tubes) => openTube(host, nodes, tubes),
      connect: ({ key }) => {
        const router = routers.find((one) => one.key === key);
        if (router === undefined) throw new Error(`${key} is no router`);
        return openClient(host, router, rest.configureTimeoutMs, (ops) => onConfigure(host, router, ops));
      },
      log: logOf(world, name),
      newId: () => `${name}.ban${++bans}`,
    });
    this.processes.push({ host, responder, isStopping: false });
  }

  kill(process: Process): void {
    this.#options.world.say(process.host.name, "is killed");
    process.host.kill();
    this.processes = this.processes.filter((one) => one !== process);
  }

  /** As SIGTERM: it ends its work, then itself; after its deadline it is cut off. */
  stop(process: Process): void {
    const { world } = this.#options;
    process.isStopping = true;
    world.say(process.host.name, "is told to stop");
    const end = (): void => {
      if (!process.host.isDead) this.kill(process);
    };
    process.host.inside(() => void process.responder.stop().then(end));
    world.after(30_000, end);
  }

  /** Each learns of an edited list when it looks at the file. */
  tellNeverBan(): void {
    const { world, inventory } = this.#options;
    for (const { host, responder } of this.processes) {
      world.after(world.random.between(0, 2000), () =>
        host.inside(() => {
          // As the file is by then: of two edits in a second the first is never taken for the last.
          const { neverBan } = inventory();
          host.neverBan = neverBan;
          host.neverBanSinceMs = world.nowMs;
          void responder.setNeverBan(neverBan);
        }),
      );
    }
  }
}

function logOf(world: World, name: string): Log {
  return {
    say: (event, fields) => world.say(name, `${event} ${JSON.stringify(fields)}`),
    tally: () => ({ count: 0 }),
    teller: () => () => undefined,
    watch: () => undefined,
    debug: false,
  };
}
