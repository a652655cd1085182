/** How often a lease was claimed: what tells a writer's lease from a later one of the same responder. */

import type { Kysely } from "kysely";
import type { Dialect } from "../dialect.ts";
import type { Schema } from "../schema.ts";

export const name = "0002-claims";

export async function up(db: Kysely<Schema>, { number }: Dialect): Promise<void> {
  await db.schema
    .alterTable("leases")
    .addColumn("claims", number, (column) => column.notNull().defaultTo(0))
    .execute();
}
