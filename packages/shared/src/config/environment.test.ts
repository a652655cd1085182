import { describe, expect, test } from "@jest/globals";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import {
  ConfigurationError,
  forms,
  ledgerAddress,
  ledgerVariables,
  readEnvironment,
  readOwnVariables,
  readPart,
  readTogether,
  variable,
} from "./environment.ts";

const variables = {
  listen: variable({ schema: forms.endpoint, about: "", example: "127.0.0.1:1", default: "127.0.0.1:10514" }),
  trustedProxies: variable({ schema: forms.prefixes, about: "", example: "10.0.0.1", default: "" }),
  queues: variable({ schema: forms.list, about: "", example: "q1,q2" }),
  framesMax: variable({ schema: forms.whole(1, 10), about: "", example: "5", default: "5" }),
};

test("defaults stand in for what is not set, and the values are of their types", () => {
  expect(readEnvironment(variables, { LOGWARDEN_QUEUES: "q1:1, q2:2", LOGWARDEN_FRAMES_MAX: "", HOME: "/" })).toEqual({
    listen: { host: "127.0.0.1", port: 10_514 },
    trustedProxies: [],
    queues: ["q1:1", "q2:2"],
    framesMax: 5,
  });
});

test("a door is an address or off, a path may be none, and a word is one of a few", () => {
  const doors = {
    listen: variable({ schema: forms.endpointOrOff, about: "", example: "[::1]:514", default: "off" }),
    keyFile: variable({ schema: forms.pathOrNone, about: "", example: "/key", default: "" }),
    clients: variable({
      schema: forms.oneOf("optional", "required"),
      about: "",
      example: "required",
      default: "optional",
    }),
  };
  expect(readEnvironment(doors, {})).toEqual({ listen: undefined, keyFile: undefined, clients: "optional" });
  const set = { LOGWARDEN_LISTEN: "[::1]:514", LOGWARDEN_KEY_FILE: "/key", LOGWARDEN_CLIENTS: "required" };
  expect(readEnvironment(doors, set)).toEqual({
    listen: { host: "::1", port: 514 },
    keyFile: "/key",
    clients: "required",
  });
  expect(() => readEnvironment(doors, { LOGWARDEN_LISTEN: "no", LOGWARDEN_CLIENTS: "some" })).toThrow(
    new ConfigurationError([
      'LOGWARDEN_LISTEN: expected ADDRESS:PORT or off, got "no", for example LOGWARDEN_LISTEN=[::1]:514',
      'LOGWARDEN_CLIENTS: expected optional or required, got "some", for example LOGWARDEN_CLIENTS=required',
    ]),
  );
});

test("all complaints come at once, each with the name, the value and an example; a typo is not a default", () => {
  const environment = { LOGWARDEN_LISTEN: "here", LOGWARDEN_FRAMES_MAX: "11", LOGWARDEN_FRAME_MAX: "3" };
  let complaints: readonly string[] = [];
  try {
    readEnvironment(variables, environment);
  } catch (error) {
    if (error instanceof ConfigurationError) complaints = error.complaints;
  }
  expect(complaints).toEqual([
    expect.stringContaining("LOGWARDEN_FRAME_MAX: no such variable; known are LOGWARDEN_LISTEN"),
    'LOGWARDEN_LISTEN: expected ADDRESS:PORT, got "here", for example LOGWARDEN_LISTEN=127.0.0.1:1',
    "LOGWARDEN_QUEUES: must be set, for example LOGWARDEN_QUEUES=q1,q2",
    'LOGWARDEN_FRAMES_MAX: expected a whole number from 1 to 10, got "11", for example LOGWARDEN_FRAMES_MAX=5',
  ]);
});

test("independent parts complain together, and whole parts come out as they were read", () => {
  expect(readTogether({ a: () => 1, b: () => "two" })).toEqual({ a: 1, b: "two" });
  const fails = (name: string) => (): never =>
    readPart(name, () => {
      throw new Error("is wrong");
    });
  expect(() => readTogether({ a: fails("A"), b: () => 1, c: fails("C") })).toThrow(
    new ConfigurationError(["A: is wrong", "C: is wrong"]),
  );
});

test("a program in a person's shell passes over variables that are a service's, and still complains about its own", () => {
  const environment = { LOGWARDEN_LISTEN: "127.0.0.1:1", LOGWARDEN_LEDGER: "/tmp/l.db" };
  expect(readOwnVariables(ledgerVariables, environment)).toEqual({ ledger: "/tmp/l.db", ledgerUrlFile: undefined });
  expect(() => readOwnVariables({ queues: variables.queues }, environment)).toThrow("LOGWARDEN_QUEUES: must be set");
});

describe("the ledger is", () => {
  const addressIn = (environment: Record<string, string>) =>
    ledgerAddress(readOwnVariables(ledgerVariables, environment));
  const withFile = (content: string, use: (path: string) => void): void => {
    const directory = mkdtempSync(`${tmpdir()}/logwarden-environment-`);
    writeFileSync(`${directory}/url`, content);
    try {
      use(`${directory}/url`);
    } finally {
      rmSync(directory, { recursive: true });
    }
  };

  test("a file unless told, or a database whose URL is in the open", () => {
    expect(addressIn({})).toEqual({ file: "/var/lib/logwarden/ledger.db" });
    expect(addressIn({ LOGWARDEN_LEDGER: "/tmp/a.db" })).toEqual({ file: "/tmp/a.db" });
    expect(addressIn({ LOGWARDEN_LEDGER: "postgres://jo@db/logwarden" })).toEqual({
      url: "postgres://jo@db/logwarden",
    });
  });

  test("a database whose URL is in a file, which comes first", () => {
    withFile("postgres://jo:secret@db/logwarden\n", (path) => {
      expect(addressIn({ LOGWARDEN_LEDGER: "/tmp/a.db", LOGWARDEN_LEDGER_URL_FILE: path })).toEqual({
        url: "postgres://jo:secret@db/logwarden",
      });
    });
  });

  test("refused with a password that every log would show, and the complaint does not show it either", () => {
    const read = () => addressIn({ LOGWARDEN_LEDGER: "postgres://jo:secret@db/logwarden" });
    expect(read).toThrow("LOGWARDEN_LEDGER: holds a password; write the whole URL into a file");
    expect(read).not.toThrow("secret");
  });

  test("refused when its file is missing or holds something else, which is not repeated", () => {
    expect(() => addressIn({ LOGWARDEN_LEDGER_URL_FILE: "/nowhere/url" })).toThrow(
      /^LOGWARDEN_LEDGER_URL_FILE: .*ENOENT/,
    );
    withFile("secret", (path) => {
      expect(() => addressIn({ LOGWARDEN_LEDGER_URL_FILE: path })).toThrow(`${path} holds no URL such as postgres://`);
      expect(() => addressIn({ LOGWARDEN_LEDGER_URL_FILE: path })).not.toThrow("secret");
    });
  });
});
