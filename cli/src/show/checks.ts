/** What is told of a router that was asked itself. */

import { z } from "zod";

export const checkShape = z.strictObject({
  router: z.string(),
  ok: z.boolean(),
  members: z.number().nullable(),
  missing: z.array(z.string()).nullable(),
  wrong: z.array(z.strictObject({ what: z.string(), detail: z.string(), advice: z.string() })),
});
export type Check = z.infer<typeof checkShape>;
