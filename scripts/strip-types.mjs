// A Jest transformer: removes the types, keeps every line where it is, so that stack traces name real lines.
import { stripTypeScriptTypes } from "node:module";

export default {
  process: (source) => ({ code: stripTypeScriptTypes(source, { mode: "strip" }) }),
};
