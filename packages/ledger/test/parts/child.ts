/**
 * A process with a ledger of its own. Prints a line for each thing it did.
 *
 *   child.ts ADDRESS open                              opens and closes
 *   child.ts ADDRESS judge NAME TASKS SUBJECT RETRIES  judges so many tasks of its own, and one that all share
 *   child.ts ADDRESS die SUBJECT                       writes in a transaction that never ends; waits to be killed
 *   child.ts ADDRESS claim ID DEVICE...                claims the leases as nobody's, prints those it got
 *   child.ts ADDRESS audit NAME TIMES                  writes so many entries, each in a transaction
 */

import { openLedger } from "../../src/index.ts";
import { judge } from "./judge.ts";
import { newBan, newSighting, noon } from "./values.ts";

const [address = "", verb = "", ...rest] = process.argv.slice(2);
const ledger = await openLedger(JSON.parse(address));
const say = (line: string): void => void process.stdout.write(`${line}\n`);

switch (verb) {
  case "open":
    say("opened");
    break;
  case "judge": {
    const [name, tasks, subject = "", retries] = rest;
    for (let task = 0; task < Number(tasks); task += 1) {
      say(await judge(ledger, `${name}-${task}`, subject, Number(retries)));
      say(await judge(ledger, "shared", subject, Number(retries)));
    }
    break;
  }
  case "die": {
    const [subject = ""] = rest;
    await ledger.decide(async (deciding) => {
      await deciding.lock([subject]);
      await deciding.addSightings([newSighting({ subject, taskId: "of-the-dead" })], noon);
      await deciding.addBans([newBan({ subject, taskId: "of-the-dead" })]);
      await deciding.audit([
        { atMs: noon, actor: "policy", action: "refuse", subject, router: "", reason: "", source: "" },
      ]);
      say("written");
      await new Promise((resolve) => setTimeout(resolve, 600_000));
    });
    break;
  }
  case "claim": {
    const [id = "", ...devices] = rest;
    const seen = devices.map((device) => ({ device, owner: null, renewals: 0, claims: 0 }));
    for (const { device } of await ledger.claim(id, seen)) say(device);
    break;
  }
  case "audit": {
    const [name = "", times] = rest;
    for (let time = 0; time < Number(times); time += 1) {
      const entry = {
        atMs: noon,
        actor: name,
        action: "mend",
        subject: "",
        router: "",
        reason: "",
        source: "",
      } as const;
      await ledger.decide((transaction) => transaction.audit([entry]));
    }
    say("written");
    break;
  }
  default:
    throw new Error(`expected a verb, got ${verb}`);
}
await ledger.close();
