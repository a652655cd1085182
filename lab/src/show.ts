/**
 * How a person sees the lab: one line for each thing that happens, with its time and place; colours on a terminal.
 *
 * With --json the same events are JSON lines for machines, with the same words.
 */

import { styleText } from "node:util";
import type { RouterRequest } from "./parts/router.ts";
import type { LogLine } from "./parts/service.ts";
import type { Finding } from "./scenario.ts";

export interface Show {
  heading(text: string): void;
  plain(text: string): void;
  part(name: string, where: string): void;
  step(number: number, says: string): void;
  line(router: string, tag: string, text: string): void;
  log(part: string, line: LogLine): void;
  request(router: string, request: RouterRequest): void;
  verdict(findings: readonly Finding[], passed: boolean): void;
}

type Colour = Parameters<typeof styleText>[0];

const partWidth = 12;

/** For a person. Colours follow the terminal and NO_COLOR. */
export function showForPeople(out: NodeJS.WriteStream): Show {
  const startedAtMs = performance.now();
  const paint = (colour: Colour, text: string): string => styleText(colour, text, { stream: out });
  const plain = (text: string): void => void out.write(`${text}\n`);
  const happening = (part: string, colour: Colour, mark: string, text: string): void => {
    const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(3).padStart(8);
    plain(`${paint("dim", `${seconds}s`)}  ${paint(colour, part.padEnd(partWidth))} ${paint(colour, mark)} ${text}`);
  };
  return {
    plain,
    heading: (text) => plain(`\n${paint("bold", text)}`),
    part: (name, where) => plain(`  ${paint("green", "✓")} ${name.padEnd(18)} ${paint("dim", where)}`),
    step: (number, says) => plain(`\n${paint("bold", `${number}. ${says}`)}`),
    line: (router, tag, text) => happening(router, "yellow", "│", `${tag}: ${text}`),
    log: (part, line) => {
      const said = inWords(line);
      if (said !== undefined) happening(part, colourOf(part, line), said.mark, said.text);
    },
    request: (router, request) => {
      const text = requestInWords(request);
      if (text !== undefined) happening(router, "magenta", "◀", text);
    },
    verdict: (findings, passed) => {
      plain(`\n${paint("bold", "Verdict")}`);
      for (const { belief, holds } of findings) {
        plain(`  ${holds ? paint("green", "✓ holds") : paint("red", "✗ FAILS")}  ${belief}`);
      }
      plain(passed ? paint(["bold", "green"], "\nPASSED") : paint(["bold", "red"], "\nFAILED"));
    },
  };
}

/** For machines: one JSON object a line. */
export function showForMachines(out: NodeJS.WritableStream): Show {
  const write = (what: string, fields: object): void =>
    void out.write(`${JSON.stringify({ what, at: new Date().toISOString(), ...fields })}\n`);
  return {
    heading: () => undefined,
    plain: (text) => write("said", { text }),
    part: (name, where) => write("part.started", { part: name, where }),
    step: (number, says) => write("step.begun", { number, says }),
    line: (router, tag, text) => write("line.logged", { part: router, tag, text }),
    log: (part, line) => write("log", { part, line }),
    request: (router, request) => write("request.received", { part: router, request }),
    verdict: (findings, passed) => write("verdict", { passed, findings }),
  };
}

function colourOf(part: string, { level }: LogLine): Colour {
  if (level === "warn" || level === "error" || level === "fatal") return "red";
  return part.startsWith("parser") ? "cyan" : "blue";
}

/** What a service said, in a sentence; undefined for what a spectator need not see. */
function inWords(line: LogLine): { mark: string; text: string } | undefined {
  const field = (name: string): string => textOf(line[name]);
  switch (line.event) {
    case "event.recognized":
      return { mark: "?", text: `rule ${field("rule")} recognizes ${field("type")}${times(line["count"])}` };
    case "event.refused":
      return { mark: "✗", text: `no task: ${field("reason")} (${field("detail")})` };
    case "task.submitted":
      return { mark: "▶", text: `task ${short(line)} into ${field("tube")} on ${field("node")}` };
    case "task.reserved":
      return { mark: "▷", text: `task ${short(line)} reserved: ${field("type")} for ${field("device")}` };
    case "plan.made":
      return { mark: "=", text: `plan for ${field("device")}: ${field("ops")} change(s)` };
    case "ban.started":
      return {
        mark: "●",
        text: `ban: ${field("address")}, by ${field("by")}, until ${field("until")} (${field("reason")}), on ${listed(line["targets"])}`,
      };
    case "ban.ended":
      return { mark: "○", text: `ban of ${field("address")} ended: ${field("reason")}, by ${field("by")}` };
    case "lease.taken":
      return { mark: "⇥", text: `works for ${field("device")} from now on` };
    case "lease.given":
      return { mark: "⇤", text: `works for ${field("device")} no longer: ${field("reason")}` };
    case "drift.found":
      return {
        mark: "≠",
        text: `${field("device")} is not as it was left: ${field("missing")} missing, ${field("returned")} are back`,
      };
    case "device.resumed":
      return { mark: "✓", text: `${field("device")} answers again` };
    case "plan.empty":
      if (line["reason"] === "counted") return { mark: "+", text: `counted: ${field("detail")}` };
      return { mark: "✗", text: `nothing to do: ${field("reason")} (${field("detail")})` };
    case "change.applied":
      return { mark: "✓", text: `${field("device")} committed in ${field("durationMs")} ms` };
    case "change.saved":
      return { mark: "✓", text: `${field("device")} saved in ${field("durationMs")} ms` };
    case "change.verified":
      return { mark: "✓", text: `${field("device")} shows it` };
    case "task.settled":
      return { mark: "■", text: `task ${short(line)} ${field("verb")}: ${field("reason")}` };
    case "service.started":
    case "service.draining":
    case "service.stopped":
    case "queue.connected":
      return undefined;
    default:
      if (line["level"] !== "warn" && line["level"] !== "error" && line["level"] !== "fatal") return undefined;
      return { mark: "!", text: `${line.event} ${field("reason")} ${field("detail")}`.trim() };
  }
}

/** Reads are how the responder verifies; only what changes the router is shown. */
function requestInWords({ endpoint, ops }: RouterRequest): string | undefined {
  if (endpoint === "/retrieve") return undefined;
  return `${endpoint}  ${ops.map(({ op, path }) => [op, ...(path ?? [])].join(" ")).join("; ")}`;
}

function listed(words: unknown): string {
  return Array.isArray(words) ? words.join(", ") : "";
}

function times(count: unknown): string {
  return typeof count === "number" && count > 1 ? `, ${count} times` : "";
}

function short(line: LogLine): string {
  return textOf(line["taskId"]).slice(0, 8);
}

/** A field of a log line as text: services write only strings and numbers into those that are shown. */
function textOf(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}
