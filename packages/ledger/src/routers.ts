/** Routers and their interfaces, as their worker saw them last. */

import type { Kysely } from "kysely";
import { writeAudit } from "./audit.ts";
import { interfaceColumns, routerColumns, type Schema } from "./schema.ts";
import type { InterfaceState, RouterState } from "./types.ts";

export async function setInterface(db: Kysely<Schema>, now: InterfaceState): Promise<void> {
  const rest = {
    ...{ state: now.state, changed_at_ms: now.changedAtMs, by_whom: now.by },
    ...{ reason: now.reason, enable_at_ms: now.enableAtMs },
  };
  const before = await db
    .selectFrom("interfaces")
    .select(["state", "changed_at_ms"])
    .where("router", "=", now.router)
    .where("name", "=", now.name)
    .executeTakeFirst();
  await db
    .insertInto("interfaces")
    .values({ router: now.router, name: now.name, ...rest })
    .onConflict((conflict) => conflict.columns(["router", "name"]).doUpdateSet(rest))
    .execute();
  // Told once more, it is the same change.
  if (before?.state === now.state && before.changed_at_ms === now.changedAtMs) return;
  const action = now.state === "disabled" ? "disable" : "enable";
  const entry = { atMs: now.changedAtMs, actor: now.by, action, subject: "", router: now.router } as const;
  await writeAudit(db, [{ ...entry, reason: `${now.name}: ${now.reason}`, source: "" }]);
}

export function interfacesOn(db: Kysely<Schema>, router: string): Promise<InterfaceState[]> {
  return db.selectFrom("interfaces").select(interfaceColumns).where("router", "=", router).orderBy("name").execute();
}

export async function setRouter(db: Kysely<Schema>, now: RouterState): Promise<void> {
  const rest = {
    ...{ state: now.state, error: now.error, error_detail: now.errorDetail, since_ms: now.sinceMs },
    ...{ reconciled_at_ms: now.reconciledAtMs, members: now.members, foreign_members: now.foreign, mended: now.mended },
  };
  await db
    .insertInto("routers")
    .values({ router: now.router, ...rest })
    .onConflict((conflict) => conflict.column("router").doUpdateSet(rest))
    .execute();
}

export function readRouters(db: Kysely<Schema>): Promise<RouterState[]> {
  return db.selectFrom("routers").select(routerColumns).orderBy("router").execute();
}
