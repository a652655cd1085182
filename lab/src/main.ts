/**
 * npm run lab: the main job, for real, on this machine.
 *
 * Starts the network (network.ts), plays the scenarios one after the other, shows what happens, and stays for lines of one's own until Ctrl-C.
 */

import { once } from "node:events";
import { parseArgs } from "node:util";
import { attackAndLinkLoss } from "../scenarios/attack-and-link-loss.ts";
import { bans } from "../scenarios/bans.ts";
import { type Network, type NetworkOptions, type RealRouter, startNetwork } from "./network.ts";
import { meetRealRouter, rememberGroup } from "./real-router.ts";
import { type Finding, openPlay, playScenario } from "./scenario.ts";
import { type Show, showForMachines, showForPeople } from "./show.ts";
import { ensureSystemPackages } from "./system-packages.ts";

const usage = `npm run lab [-- OPTIONS]

A network on this machine: two routers (simulated VyOS 1.3 and 1.4, with a real rsyslogd each), HAProxy, two parsers,
two beanstalkds, two responders and their ledger. Plays an attack, a link loss, and bans that begin, spread and end;
shows each step, then waits for lines of yours.

  --once              play, judge, print a verdict, end: exit 0 when everything holds, 1 when not
  --json              JSON lines instead of text
  --router URL        a real VyOS router in the place of edge-1 (its BAD_GUYS is put back as it was when the lab ends)
  --key-file FILE     with --router: the file that holds its API key
  --fingerprint FP    with --router: its certificate, sha256:…; without it the one that it shows now is pinned
  --syslog ADDR:PORT  also listen for syslog there, so that the real router's own lines act on it
  --help              this text

Everything runs on loopback and ends with Ctrl-C.`;

/** The exit codes: what was judged, and what could not even begin. */
const [passed, failed, misused] = [0, 1, 2];

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        once: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        router: { type: "string" },
        "key-file": { type: "string" },
        fingerprint: { type: "string" },
        syslog: { type: "string" },
        help: { type: "boolean", default: false },
      },
    });
    return values;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${usage}\n`);
    process.exit(misused);
  }
}

const options = readArguments();
if (options.help) {
  process.stdout.write(`${usage}\n`);
} else {
  const show = options.json ? showForMachines(process.stdout) : showForPeople(process.stdout);
  // Ctrl-C while parts start must end those that have started: the network is awaited first, then closed.
  const ending = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => ending.abort());
  // A reader that went away (| head) is an end like Ctrl-C, not a crash that leaves a network behind.
  process.stdout.on("error", () => ending.abort());
  process.exitCode = await run(show, ending.signal).catch((error: unknown) => {
    process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`);
    return misused;
  });
}

async function run(show: Show, ending: AbortSignal): Promise<number> {
  ensureSystemPackages((line) => process.stderr.write(`${line}\n`));
  const realRouter =
    options.router === undefined
      ? undefined
      : await meetRealRouter(options.router, options["key-file"], options.fingerprint, show.plain);
  const group = realRouter === undefined ? undefined : await rememberGroup(realRouter);

  show.heading("The network");
  const network = await startNetworkOr(() => group?.restore(), {
    commitScale: 1,
    ...(realRouter === undefined ? {} : { realRouter }),
    ...(options.syslog === undefined ? {} : { syslogListen: options.syslog }),
    onPart: show.part,
    onLog: show.log,
    onRequest: show.request,
  });
  const { play, close } = await openPlay(network, show.line);
  try {
    let steps = 0;
    const findings: Finding[] = [];
    for (const scenario of [attackAndLinkLoss, bans]) {
      const found = await playScenario(scenario, play, ({ says }) => show.step(++steps, says), ending);
      if (found === undefined) return failed;
      findings.push(...found);
    }
    const everythingHolds = findings.every(({ holds }) => holds);
    show.verdict(findings, everythingHolds);
    if (!options.once) {
      invite(show, network, realRouter);
      if (!ending.aborted) await once(ending, "abort");
    }
    return everythingHolds ? passed : failed;
  } finally {
    show.heading("Ending everything that was started ...");
    await close();
    await network.close();
    if (group !== undefined) show.plain(await group.restore());
    show.plain("Ended.");
  }
}

/** A network that does not start leaves nothing behind: what was done before it is undone. */
async function startNetworkOr(undo: () => Promise<unknown> | undefined, options: NetworkOptions): Promise<Network> {
  try {
    return await startNetwork(options);
  } catch (error) {
    await undo();
    throw error;
  }
}

function invite(show: Show, { rsyslogds, pages, directory }: Network, realRouter: RealRouter | undefined): void {
  const [first, second] = rsyslogds;
  show.heading("Now you. In another terminal:");
  show.plain(`
  lines of your own on edge-1 (any address, any line of sshd or netplugd); the third of these is a ban on both routers:
    logger --socket ${first?.socket} -p auth.info -t 'sshd[4242]' 'Failed password for root from 203.0.113.50 port 2222 ssh2'

  on edge-2:
    logger --socket ${second?.socket} -p daemon.info -t 'netplugd[703]' 'eth2: state ACTIVE flags 0x00011043 UP,BROADCAST,RUNNING,MULTICAST,10000 -> 0x00001003 UP,BROADCAST,MULTICAST'

  HAProxy's own view:    ${pages.haproxy}
  metrics of parser-1:   ${pages.metrics}
  the configuration:     ${directory}/logwarden.yaml
  the ledger:            ${directory}/ledger.db`);
  if (realRouter === undefined) {
    show.plain(
      "\n  a real router in the place of edge-1:\n    npm run lab -- --router https://192.0.2.1 --key-file FILE",
    );
  }
  show.plain("\nCtrl-C ends the lab and everything it started.\n");
}
