/**
 * HAProxy's runtime API, as far as `logwarden nodes` needs it: one question, one connection, one answer, which HAProxy ends by
 * closing (management.txt §9.3).
 *
 * The answers are read strictly: what is not exactly as the manual says is an error with its text, never a guess. Names of
 * nodes go into commands only after HAProxy itself has listed them, so no command can be smuggled in by a name.
 */

import { connect } from "node:net";
import { parseEndpoint } from "@logwarden/shared/ip";
import { CommandError, UsageError } from "../verb.ts";

export type RuntimeAddress = { path: string } | { host: string; port: number };

/** A row has some 500 bytes; 400 nodes in three backends are 600 kB. HAProxy answers from memory; a person is waiting. */
const usualLimits = { answerBytesMax: 4 * 1024 * 1024, answerMsMax: 5000 };

/** @throws UsageError for what is neither a path nor an address */
export function parseRuntimeAddress(text: string): RuntimeAddress {
  if (text.startsWith("/")) return { path: text };
  const endpoint = parseEndpoint(text);
  if (endpoint !== undefined && endpoint.port > 0) return endpoint;
  throw new UsageError(`expected a path from / or ADDRESS:PORT for --socket, got "${text}"`);
}

/**
 * Asks one question.
 * @throws CommandError when nobody answers, or not in time, or with more than any answer has
 */
export function askHaproxy(
  address: RuntimeAddress,
  command: string,
  { answerBytesMax, answerMsMax } = usualLimits,
): Promise<string> {
  const name = "path" in address ? address.path : `${address.host}:${address.port}`;
  return new Promise((resolve, reject) => {
    const socket = connect(address);
    const fail = (why: string): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(new CommandError(`HAProxy's runtime socket ${name}: ${why}`));
    };
    const timer = setTimeout(() => fail(`no complete answer to "${command}" within ${answerMsMax} ms`), answerMsMax);
    const chunks: Buffer[] = [];
    let length = 0;
    socket.once("connect", () => socket.write(`${command}\n`));
    socket.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > answerBytesMax) fail(`the answer to "${command}" is longer than ${answerBytesMax} bytes`);
      else chunks.push(chunk);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      const hint = { ENOENT: ": is HAProxy running here?", EACCES: ": you may not use it; root may" }[error.code ?? ""];
      fail(`${error.message}${hint ?? ""}`);
    });
    socket.once("end", () => {
      clearTimeout(timer);
      socket.destroy();
      const bytes = Buffer.concat(chunks);
      const text = bytes.toString("utf8");
      if (Buffer.from(text).equals(bytes)) resolve(text);
      else fail(`the answer to "${command}" is no text`);
    });
  });
}

/**
 * Orders something.
 * @throws CommandError with HAProxy's own words when it does not obey: to an order that is obeyed it says nothing
 */
export async function orderHaproxy(address: RuntimeAddress, command: string): Promise<void> {
  const answer = (await askHaproxy(address, command)).trim();
  if (answer !== "") throw new CommandError(`HAProxy refused "${command}": ${answer.split("\n")[0]}`);
}

/** A server of HAProxy, from both of its tables. */
export interface Server {
  backend: string;
  name: string;
  address: string;
  /** HAProxy's word: UP, DOWN, NOLB, DRAIN, MAINT; "UP 1/2" while it changes. */
  state: string;
  /** What the last check said. */
  check: string;
  weight: number;
  connections: number;
  /** What a person has ordered, whatever the checks say. */
  set: "drain" | "maintenance" | null;
}

export async function readServers(address: RuntimeAddress): Promise<Server[]> {
  // No proxy in particular; 4: servers; no server in particular.
  const statistics = parseStatistics(await askHaproxy(address, "show stat -1 4 -1"));
  const orders = parseServersState(await askHaproxy(address, "show servers state"));
  return statistics.map((row) => ({ ...row, set: orders.get(`${row.backend}/${row.name}`) ?? null }));
}

/**
 * `show stat` as CSV: "# pxname,svname,…" and a row for each server (management.txt §9.1).
 * @throws CommandError for anything else
 */
export function parseStatistics(text: string): Omit<Server, "set">[] {
  const [head = "", ...lines] = text.trimEnd().split("\n");
  if (!head.startsWith("# ")) throw unreadable("show stat", head);
  const names = head.slice(2).split(",");
  const column = (name: string): number => {
    const at = names.indexOf(name);
    if (at === -1) throw unreadable("show stat", `no column ${name}`);
    return at;
  };
  const at = {
    backend: column("pxname"),
    name: column("svname"),
    state: column("status"),
    weight: column("uweight"),
    connections: column("scur"),
    address: column("addr"),
    verdict: column("check_desc"),
    words: column("last_chk"),
  };
  return lines.map((line) => {
    const cells = splitCsv(line);
    if (cells?.length !== names.length) throw unreadable("show stat", line);
    const cell = (index: number): string => cells[index] ?? "";
    const count = (index: number): number => {
      if (!/^\d{1,15}$/.test(cell(index))) throw unreadable("show stat", line);
      return Number(cell(index));
    };
    return {
      backend: cell(at.backend),
      name: cell(at.name),
      address: cell(at.address),
      state: cell(at.state),
      check: [cell(at.verdict), cell(at.words)].filter((words) => words !== "").join(": "),
      weight: count(at.weight),
      connections: count(at.connections),
    };
  });
}

/** @returns the cells, unquoted; undefined when a quote has no end */
function splitCsv(line: string): string[] | undefined {
  const cells: string[] = [];
  // A cell is quoted, with "" for a quote, or has neither quotes nor commas.
  const cell = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y;
  for (;;) {
    const match = cell.exec(line);
    if (match === null) return undefined;
    cells.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? "");
    if (match[3] === "") return cells;
  }
}

/** Bits of srv_admin_state (management.txt, `show servers state`): by order, by the configuration, from a tracked server. */
const maintenanceBits = 0x01 | 0x02 | 0x04 | 0x20;
const drainBits = 0x08 | 0x10;

/**
 * `show servers state`: a version, "# be_id be_name …", and a row for each server.
 * @returns by backend/server, those about which something was ordered
 * @throws CommandError for anything else
 */
export function parseServersState(text: string): Map<string, "drain" | "maintenance"> {
  const [version, head = "", ...lines] = text.trimEnd().split("\n");
  const names = head.replace(/^# /, "").trim().split(" ");
  const [backend, server, order] = ["be_name", "srv_name", "srv_admin_state"].map((name) => names.indexOf(name));
  if (version !== "1" || [backend, server, order].some((at) => at === undefined || at === -1)) {
    throw unreadable("show servers state", text.slice(0, 200));
  }
  const orders = new Map<string, "drain" | "maintenance">();
  for (const line of lines) {
    const cells = line.trim().split(" ");
    const bits = cells[order as number] ?? "";
    if (cells.length !== names.length || !/^\d{1,4}$/.test(bits)) throw unreadable("show servers state", line);
    const key = `${cells[backend as number]}/${cells[server as number]}`;
    if ((Number(bits) & maintenanceBits) !== 0) orders.set(key, "maintenance");
    else if ((Number(bits) & drainBits) !== 0) orders.set(key, "drain");
  }
  return orders;
}

function unreadable(question: string, answer: string): CommandError {
  return new CommandError(`HAProxy answered "${question}" in a way that cannot be read: ${answer.slice(0, 200)}`);
}
