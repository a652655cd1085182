// Tests run the very modules that ship: ES modules, types stripped by Node itself (scripts/strip-types.mjs).
// Run through `npm test`, which passes --experimental-vm-modules and provides the system's programs.
const compose = process.env.TEST_COMPOSE === "yes";

export default {
  testEnvironment: "node",
  extensionsToTreatAsEsm: [".ts"],
  transform: { "\\.ts$": "<rootDir>/scripts/strip-types.mjs" },
  testMatch: compose ? ["<rootDir>/test/compose/**/*.test.ts"] : ["**/*.test.ts"],
  testPathIgnorePatterns: ["/node_modules/", ...(compose ? [] : ["<rootDir>/test/compose/"])],
  // A test waits for facts, so its own limit is only a stop for hangs: the slowest builds images or starts a dozen
  // processes on a busy machine.
  testTimeout: compose ? 900_000 : 60_000,
};
