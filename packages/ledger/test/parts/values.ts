/** Bans and sightings as tests need them: one of each kind, and what the test says differs. */

import type { Ledger, NewBan, NewSighting } from "../../src/index.ts";

/** A moment; every test lives there. */
export const noon = Date.UTC(2026, 10, 28, 12);
export const minute = 60_000;

export const edge = { key: "edge-1", tags: ["edge"] };

let made = 0;

export function newBan(differs: Partial<NewBan> & { subject: string }): NewBan {
  made += 1;
  return {
    ...{ id: `ban-${made}`, family: 4, origin: "policy", type: "password_failed", rule: "sshd-password" },
    ...{ reason: "5 password_failed in 10m", by: "policy", device: "edge-1", taskId: `task-of-ban-${made}` },
    ...{ startedAtMs: noon, endsAtMs: noon + 60 * minute, targets: ["all"], dryRun: false },
    ...differs,
  };
}

export function newSighting(differs: Partial<NewSighting> & { subject: string }): NewSighting {
  made += 1;
  return {
    ...{ taskId: `task-${made}`, counter: "password_failed", type: "password_failed", rule: "sshd-password" },
    ...{ device: "edge-1", user: "root", count: 1, atMs: noon },
    ...differs,
  };
}

/** Bans them as a responder does: locked first. */
export async function ban(ledger: Ledger, ...bans: NewBan[]): Promise<void> {
  await ledger.decide(async (deciding) => {
    await deciding.lock(bans.map(({ subject }) => subject));
    await deciding.addBans(bans);
  });
}

export async function see(ledger: Ledger, ...sightings: NewSighting[]): Promise<void> {
  await ledger.decide(async (deciding) => {
    await deciding.lock(sightings.map(({ subject }) => subject));
    await deciding.addSightings(sightings, noon);
  });
}

export async function unban(ledger: Ledger, subject: string, atMs: number): Promise<string[]> {
  const ended = await ledger.decide(async (deciding) => {
    await deciding.lock([subject]);
    return deciding.endBans({ subjects: [subject], because: "unban", by: "ada", reason: "it was me", atMs });
  });
  return ended.map(({ id }) => id);
}

/** `addressOf(258)` is 198.18.1.2: of the networks that RFC 2544 keeps for measuring. */
export function addressOf(index: number): string {
  return `198.${18 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
}
