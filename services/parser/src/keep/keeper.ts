/**
 * Keeps the connections of a parser that dies: lines that are sent to it meanwhile wait in the kernel, for the next one.
 *
 *   keeper ──starts──▶ worker ══ accepts, reads, parses, puts
 *      ▲ └──holds the same sockets, and never reads them     │
 *      └──────────── "hold", "drop", over their channel ─────┘
 *
 *   the worker dies (kill -9, out of memory, a bug) ──▶ another one is started, and gets the sockets
 *   the keeper is asked to end ──▶ so is the worker; the keeper ends when it has, as it did
 *   the keeper dies ──▶ the worker drains, as if it had been asked to end (packages/shared/src/process.ts)
 *
 * Without it the kernel closes a killed parser's sockets only after it has freed its memory, some milliseconds later, and what was
 * sent to them until then is lost: syslog has no acknowledgement. What the dead one had read is in the journal (journal.ts), until the
 * queue has answered for it.
 *
 * So small that nothing can happen to it: it reads no byte of a stranger, and imports nothing but Node.
 */

import { type ChildProcess, fork, type SendHandle } from "node:child_process";
import { randomUUID } from "node:crypto";
import { openSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { setImmediate as nextTurn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { KeptConnection, ToKeeper, ToWorker } from "./messages.ts";

/**
 * So many workers in a row that live no longer than this cannot live with what they inherit: whoever watches over us shall see it, and
 * start anew, without.
 */
const shortLivesMax = 5;
const shortLifeMs = 1000;

/** What Node is told for the worker. */
export const workerOptions: readonly string[] = [
  // V8's young generation is of its largest size (16 MiB) from the beginning. V8 lets it grow with what survives in it, and in a
  // parser next to nothing does: whether it grew was chance, and where it had not, lines cost a tenth more. Every 64 KiB that are
  // read become a string there, so that half the size is twice as many collections.
  "--min-semi-space-size=16",
  // What a line goes through is compiled as one: V8's bound for it is 920 bytes of bytecode, within which whether the header was
  // part of it depended on the rules. Lines cost 5 % less; more than this gains nothing where there are many rules.
  "--max-inlined-bytecode-size-cumulative=2500",
];

/** A socket that was handed over, as Node gives it: not reading. Not documented, as in receive/read-buffer.ts. */
interface Handle {
  close(): void;
}

interface Held {
  connection: KeptConnection;
  handle: Handle;
}

/** Starts the worker, and another one whenever it dies. The process ends with what the last one ended with. */
export function keep(program: URL): void {
  const held = new Map<number, Held>();
  const journal = openJournal();
  let hasBegun = false;
  let shortLives = 0;
  let stops = 0;
  let worker = start(undefined);

  function start(predecessor: string | undefined): Worker {
    const child = fork(fileURLToPath(program), {
      execArgv: [...process.execArgv, ...workerOptions],
      stdio: ["inherit", "inherit", "inherit", journal, "ipc"],
    });
    const kept = [...held.values()].map(({ connection }) => connection);
    const ready = new Promise<number | undefined>((resolve) => {
      child.on("message", (message: ToKeeper, handle: SendHandle) => {
        switch (message.kind) {
          case "ready":
            void Promise.all([...held.values()].map((one) => give(child, one))).then(() => resolve(performance.now()));
            return;
          case "hold":
            // Its peer may be gone by now: the worker finds that out by reading, and says "drop".
            if (handle !== undefined) hold(message.connection, handle as unknown as Handle);
            return;
          case "drop":
            drop(message.slot);
        }
      });
      child.once("exit", () => resolve(undefined));
    });
    child.once("error", (cause) => fail(`The parser could not be started: ${cause.message}`));
    child.once("exit", (code, signal) => void heard(child).then(async () => replace(code, signal, await ready)));
    void tell(child, { kind: "begin", kept, predecessor });
    return { child, ready };
  }

  function hold(connection: KeptConnection, handle: Handle): void {
    held.set(connection.slot, { connection, handle });
  }

  function drop(slot: number): void {
    held.get(slot)?.handle.close();
    held.delete(slot);
  }

  function replace(code: number | null, signal: NodeJS.Signals | null, readyAtMs: number | undefined): void {
    hasBegun ||= readyAtMs !== undefined;
    const hasDrained = stops > 0 && signal === null;
    // The first one cannot begin, and has said why; and one that was killed while it drained has left something.
    if (code === 0 || !hasBegun || hasDrained || stops > 1) process.exit(code ?? 1);
    shortLives = performance.now() - (readyAtMs ?? Number.POSITIVE_INFINITY) > shortLifeMs ? 0 : shortLives + 1;
    if (shortLives >= shortLivesMax)
      fail(`The parser died ${shortLives} times in a row as soon as it had begun: giving up.`);
    worker = start(signal ?? `exit code ${code}`);
    if (stops > 0) askToStop(worker);
  }

  const stop = (): void => {
    stops++;
    // As for a parser without a keeper: a second signal ends at once.
    if (stops > 1) worker.child.kill("SIGKILL");
    else askToStop(worker);
  };

  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}

interface Worker {
  child: ChildProcess;
  /** When (performance.now) it had every connection of the one before it; undefined: it died on the way. */
  ready: Promise<number | undefined>;
}

/** Not before it has what the last one left. */
function askToStop({ child, ready }: Worker): void {
  void ready.then((atMs) => (atMs === undefined ? undefined : tell(child, "stop")));
}

/**
 * Waits until all that a worker said before its end has been heard. Node says "disconnect" then, but not of a worker that died while a
 * socket was on its way to it (Node 24).
 */
async function heard(child: ChildProcess): Promise<void> {
  do await nextTurn();
  while (child.connected);
}

function give(child: ChildProcess, { connection, handle }: Held): Promise<void> {
  return tell(child, { kind: "take", connection }, handle);
}

/** A worker that dies while we speak to it is found out by its end. */
function tell(child: ChildProcess, message: ToWorker, handle?: Handle): Promise<void> {
  return new Promise((resolve) => child.send(message, handle as unknown as SendHandle, () => resolve()));
}

function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

/** In memory where the system has such a directory, and without a name: it ends with the last process that has it open. */
function openJournal(): number {
  const name = `logwarden-parser-${randomUUID()}`;
  const complaints: string[] = [];
  for (const directory of ["/dev/shm", tmpdir()]) {
    const path = `${directory}/${name}`;
    try {
      const fd = openSync(path, "wx+", 0o600);
      unlinkSync(path);
      return fd;
    } catch (error) {
      complaints.push(String(error));
    }
  }
  return fail(`The parser's journal cannot be opened: ${complaints.join("; ")}`);
}
