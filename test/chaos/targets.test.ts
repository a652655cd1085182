// What is promised of single faults, with numbers: each is played once on the whole system, under its stream of attacks.

import { beforeAll, describe, expect, test } from "@jest/globals";
import type { FaultRecord } from "./run.ts";
import { chaos, refused, type SuiteRun } from "./suite.ts";

const where = refused === undefined ? describe : describe.skip;

const kinds = [
  ...["balancer.kill", "balancer.cut", "haproxy.kill", "worker.kill", "keeper.kill", "parser.kill"],
  ...["queue.kill", "queues.down"],
  ...["responder.commit", "services.roll", "parsers.double"],
];

where(`of single faults${refused === undefined ? "" : ` (skipped: ${refused})`}`, () => {
  let run: SuiteRun;
  beforeAll(async () => {
    run = await chaos("--seed", "1", "--only", kinds.join(","), "--faults", String(kinds.length), "--hold", "2");
    process.stderr.write(run.said);
  }, 300_000);

  const of = (kind: string): FaultRecord => {
    const found = run.result.faults.find((fault) => fault.kind === kind);
    if (found === undefined) throw new Error(`${kind} was not played: ${run.said}`);
    return found;
  };

  test("every promise is kept, whichever it was", () => {
    expect(run.result.broken).toBeUndefined();
    expect(run.code).toBe(0);
  });

  test.each(["balancer.kill", "balancer.cut", "haproxy.kill"])(
    "%s: the virtual address answers again within a second",
    (kind) => {
      const { awayMs, stallMs } = of(kind);
      expect(awayMs).toBeLessThan(1000 + stallMs);
    },
  );

  test("a queue node killed: no line is lost, and the other node carries on at once", () => {
    const { lost, nextMs, awayMs } = of("queue.kill");
    expect(lost).toBe(0);
    // The responders see the other node all the time; a producer goes to it when its connection ends.
    expect(nextMs).toBeLessThan(2000 + awayMs);
  });

  test("both queue nodes down: no line is lost", () => {
    expect(of("queues.down").lost).toBe(0);
  });

  test.each(["worker.kill", "keeper.kill"])("a parser killed, by its %s: no line is lost", (kind) => {
    expect(of(kind).lost).toBe(0);
  });

  test("a parser and its keeper killed at once: lost is what is written to it before its sockets are closed, of this stream a few lines", () => {
    // faults.ts says why it is not 0 on a busy machine.
    expect(of("parser.kill").lost).toBeLessThanOrEqual(15);
  });

  test("a responder killed while a commit runs: another one has the change saved, within the lease's time", () => {
    const { lost, what } = of("responder.commit");
    expect(what).toMatch(/saved by another after \d+ ms/);
    expect(lost).toBe(0);
  });

  test("every parser and responder restarted under load, one after the other: no line is lost", () => {
    expect(of("services.roll").lost).toBe(0);
  });

  test("two parsers more: they have lines within a connection's age", () => {
    const { lost, what } = of("parsers.double");
    expect(what).toMatch(/at work after \d+ ms/);
    expect(lost).toBe(0);
  });
});
