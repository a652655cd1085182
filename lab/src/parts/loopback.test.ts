// Ports for parts that are told theirs before any of them listens.

import { expect, test } from "@jest/globals";
import { freePort } from "./loopback.ts";

test("no port is given twice, although nobody listens on those that were given", async () => {
  const ports: number[] = [];
  // Of 12 000, so many at random would hold the same one twice in 97 of 100 runs.
  for (let count = 0; count < 300; count++) ports.push(await freePort());
  expect(new Set(ports).size).toBe(ports.length);
});
