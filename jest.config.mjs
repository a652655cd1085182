// Tests run the very modules that ship: ES modules, types stripped by Node itself (scripts/strip-types.mjs).
// Run through `npm test`, which passes --experimental-vm-modules and provides the system's programs.
export default {
  testEnvironment: "node",
  extensionsToTreatAsEsm: [".ts"],
  transform: { "\\.ts$": "<rootDir>/scripts/strip-types.mjs" },
  testMatch: ["**/*.test.ts"],
  testPathIgnorePatterns: ["/node_modules/", "<rootDir>/test/compose/"],
  // A test waits for facts, so its own limit is only a stop for hangs: the slowest starts a dozen processes on a busy machine.
  testTimeout: 60_000,
};
