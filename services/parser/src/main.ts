/**
 * The parser's first process. With LOGWARDEN_KEEP_CONNECTIONS=yes it keeps the connections of a second one, which does the work
 * (keep/keeper.ts); without, it does the work itself (parser.ts).
 *
 * Looked up here and not read with the other variables: what reads them would make the keeper twice as big. The worker reads it
 * again, and says what is wrong with it.
 */

const keeps = process.env["LOGWARDEN_KEEP_CONNECTIONS"] === "yes" && process.argv.length === 2;

if (keeps) (await import("./keep/keeper.ts")).keep(new URL("parser.ts", import.meta.url));
else await import("./parser.ts");
