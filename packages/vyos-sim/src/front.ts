/**
 * The road of one request: nginx's door, the API's door, the handler, and back. Faults stand along it.
 *
 *   receive ──▶ nginx: size, path, faults ──▶ admit: form, key, model ──▶ session ──▶ answer, or what a fault makes of it
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { admit, type Command, type Endpoint } from "./admit.ts";
import { type Answer, frameworkDetail, internalErrorText, failure, type Release } from "./answer.ts";
import { valuesAt } from "./config-tree.ts";
import { type Fault, type Faults, frontKinds } from "./faults.ts";
import { apiOff, badGateway, bodyBytesMax, isPassedToApi, nginxPage } from "./nginx.ts";
import { isObject, parseJson } from "./json.ts";
import { readForm } from "./form.ts";
import { nowMs, type RequestLog, type RequestRecord } from "./request-log.ts";
import { ServiceRestarted } from "./server-lock.ts";
import type { Session } from "./session.ts";
import type { Wait } from "./wait.ts";

export interface FrontOptions {
  release: Release;
  key: string;
  session: Session;
  faults: Faults;
  log: RequestLog;
  wait: Wait;
  /** Breaks the TCP connection below TLS with a reset. */
  reset: (request: IncomingMessage) => void;
}

const endpoints: readonly string[] = ["/configure", "/retrieve", "/config-file"] satisfies Endpoint[];
type FrontFault = Extract<Fault, { kind: (typeof frontKinds)[number] }>;

export async function serve(front: FrontOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { release, faults, log } = front;
  const record: RequestRecord = {
    seq: log.nextSeq(),
    peer: `${request.socket.remoteAddress} ${request.socket.remotePort}`,
    startedAtMs: nowMs(),
    receivedAtMs: 0,
    endpoint: (request.url ?? "/").split("?")[0] ?? "/",
    ops: [],
  };
  const body = await readBody(front, request);
  if (body === "gone") return;
  record.receivedAtMs = nowMs();
  if (body !== "too large") record.ops = await peekCommands(request.headers["content-type"], body);
  log.received(record);

  let work: (() => Promise<void>) | undefined;
  const perform = async (): Promise<Answer> => {
    if (body === "too large") return nginxPage(release, 413);
    return answerRequest(front, request, record, body, (later) => {
      work = later;
    });
  };
  const fault = faults.take(frontKinds, record.endpoint);
  const answer = fault === undefined ? await perform() : await meet(fault, front, request, perform);
  if (answer === "none") {
    log.answered(record);
    return;
  }
  if (body === "too large") response.setHeader("connection", "close");
  record.status = answer.status;
  if (answer.error !== undefined) record.error = answer.error;
  if (fault?.kind === "reset") await sendHalf(response, answer).then(() => front.reset(request));
  else await send(response, answer);
  log.answered(record);
  if (work !== undefined) await work();
}

/** What a fault at the door makes of a request. "none" leaves the client without an answer. */
async function meet(
  fault: FrontFault,
  front: FrontOptions,
  request: IncomingMessage,
  perform: () => Promise<Answer>,
): Promise<Answer | "none"> {
  const { release } = front;
  switch (fault.kind) {
    case "502":
      return badGateway(release);
    case "503":
    case "api-off":
      return apiOff(release);
    case "403":
      return nginxPage(release, 403);
    case "html-200":
      return { status: 200, contentType: "text/html", body: "<html><body><h1>It works!</h1></body></html>\n" };
    case "504":
      if (fault.apply !== false) await perform();
      return nginxPage(release, 504);
    case "hang": {
      const released = front.faults.released; // Taken before the work, which may outlast the fault.
      if (fault.apply === true) await perform();
      await front.wait(foreverMs, released);
      request.socket.destroy();
      return "none";
    }
    case "reset":
      if (fault.when === "after-commit") return perform();
      front.reset(request);
      return "none";
  }
}

/** The longest time that a Node timer can hold, 24 days. */
const foreverMs = 2 ** 31 - 1;

async function answerRequest(
  front: FrontOptions,
  request: IncomingMessage,
  record: RequestRecord,
  body: Buffer,
  afterAnswer: (work: () => Promise<void>) => void,
): Promise<Answer> {
  const { release, session, faults } = front;
  if (!isPassedToApi(record.endpoint)) return nginxPage(release, 404);
  if (!endpoints.includes(record.endpoint)) return frameworkDetail(404, "Not Found");
  if (request.method !== "POST") return frameworkDetail(405, "Method Not Allowed");
  const endpoint = record.endpoint as Endpoint;
  const contentType = request.headers["content-type"];
  try {
    const admission = await admit({ release, endpoint, contentType, body, key: front.key });
    if (admission.kind === "refused") return admission.answer;
    const [first = {}] = admission.commands;
    const slow = endpoint === "/configure" ? undefined : faults.take(["slow"], endpoint);
    if (slow !== undefined) await front.wait(slow.ms, faults.released);
    if (endpoint === "/retrieve") return session.retrieve(first);
    if (endpoint === "/config-file") return await session.configFile(first);
    return await session.configure(admission.commands, afterAnswer);
  } catch (error) {
    if (error instanceof ServiceRestarted) return badGateway(release);
    // JSON nested deeper than the stack; Python gives up there too (RecursionError), while it reads the body.
    if (error instanceof RangeError) return frameworkDetail(400, "There was an error parsing the body");
    process.stderr.write(`${String(error instanceof Error ? error.stack : error)}\n`);
    return failure(release, 500, internalErrorText);
  }
}

/** For the log only: what the request asks for, also when it will be refused. Never the key. */
async function peekCommands(contentType: string | undefined, body: Buffer): Promise<Command[]> {
  const form = await readForm(contentType, body).catch(() => undefined);
  const value = parseJson(form === undefined ? body.toString("utf8") : (form.get("data") ?? ""));
  const listed = isObject(value) && Array.isArray(value["commands"]) ? (value["commands"] as unknown[]) : value;
  const commands = Array.isArray(listed) ? (listed as unknown[]) : [listed];
  return commands.filter(isObject).map(({ key: _key, ...rest }) => rest);
}

/** Past nginx's limit the rest is read and thrown away, so that the client can hear the answer; past this, it is cut. */
const drainedBytesMax = 64 * 1024 * 1024;

async function readBody(front: FrontOptions, request: IncomingMessage): Promise<Buffer | "too large" | "gone"> {
  const configured = valuesAt(front.session.active, ["service", "https", "request-body-size-limit"])[0];
  const limit = bodyBytesMax(front.release, configured);
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes <= limit) chunks.push(chunk);
      if (bytes > drainedBytesMax) {
        request.destroy();
        return "gone";
      }
    }
  } catch {
    return "gone";
  }
  return bytes > limit ? "too large" : Buffer.concat(chunks);
}

async function send(response: ServerResponse, answer: Answer): Promise<void> {
  if (response.destroyed) return;
  const done = Promise.withResolvers<void>();
  response.once("close", done.resolve);
  response.writeHead(answer.status, headersOf(answer));
  response.end(answer.body, () => done.resolve());
  await done.promise;
}

/** The head promises the whole answer; half of it goes out. */
async function sendHalf(response: ServerResponse, answer: Answer): Promise<void> {
  if (response.destroyed) return;
  const done = Promise.withResolvers<void>();
  response.once("close", done.resolve);
  response.writeHead(answer.status, headersOf(answer));
  response.write(answer.body.slice(0, Math.ceil(answer.body.length / 2)), () => done.resolve());
  await done.promise;
}

function headersOf(answer: Answer): Record<string, string | number> {
  return {
    server: "nginx",
    "content-type": answer.contentType,
    "content-length": Buffer.byteLength(answer.body),
  };
}
