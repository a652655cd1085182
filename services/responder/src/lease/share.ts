/**
 * Which devices a responder should work for: its even share, and no more. Pure.
 *
 * Each responder works it out for itself from the same lists, and what it takes it takes only as it saw it (ledger.claim), so two
 * that disagree for a moment never hold the same device.
 */

import type { Lease } from "@logwarden/ledger";

export interface View {
  id: string;
  /** Devices of the inventory. */
  devices: readonly string[];
  leases: readonly Lease[];
  /** Responders that live, this one among them. */
  alive: ReadonlySet<string>;
}

export interface Moves {
  /** Ours, and more than our share. */
  give: string[];
  /** Nobody's, or of a responder that does not live any more: as they stand. */
  take: Lease[];
}

export function share({ id, devices, leases, alive }: View): Moves {
  const known = new Set(devices);
  const mine = leases.filter(({ device, owner }) => owner === id && known.has(device));
  const rank = [...alive].toSorted().indexOf(id);
  // The first few have one more when it does not come out even.
  const size = Math.floor(devices.length / alive.size) + (rank < devices.length % alive.size ? 1 : 0);
  const free = leases.filter(({ device, owner }) => known.has(device) && (owner === null || !alive.has(owner)));
  // Everybody begins at another place of the same list: two that start together seldom ask for the same lease.
  const from = Math.floor((rank * free.length) / alive.size);
  const turned = [...free.slice(from), ...free.slice(0, from)];
  return {
    give: mine.slice(size).map(({ device }) => device),
    take: turned.slice(0, Math.max(0, size - mine.length)),
  };
}
