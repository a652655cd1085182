import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { inspect } from "node:util";
import { afterEach, beforeAll, describe, expect, test } from "@jest/globals";
import { addressOp, type ClientOptions, createClient, groupPath, type VyosClient } from "../src/index.ts";
import { http, type Identity, identity, type ReceivedRequest, SmallRouter, success } from "./small-router.ts";

const key = "k3y with/odd+signs&<é>";
const values = groupPath(4, "BAD_GUYS");

let ours: Identity;
let other: Identity;
let elsewhere: Identity;
beforeAll(async () => {
  [ours, other, elsewhere] = await Promise.all([identity(), identity(), identity("DNS:router.example.net")]);
});

/** Whatever a test opened is closed behind it. */
const open: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function router(answer: (request: ReceivedRequest) => void, id = ours): Promise<SmallRouter> {
  const started = await SmallRouter.start(id, answer);
  open.push(() => started.stop());
  return started;
}

function client(url: string, options: Partial<ClientOptions> = {}): VyosClient {
  const made = createClient({ url, key, trust: { fingerprint: ours.fingerprint }, ...options });
  open.push(() => made.close());
  return made;
}

const answering = (bytes: string) => (request: ReceivedRequest) => void request.socket.write(bytes);

/** A TCP server without TLS; resolves to its https URL. */
async function plain(onSocket: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("a request", () => {
  test("is a form of data and key, which every release takes", async () => {
    const small = await router(answering(success(null)));
    const outcome = await client(small.url).configure([
      addressOp("set", 4, "BAD_GUYS", "192.0.2.5"),
      addressOp("delete", 4, "BAD_GUYS", "192.0.2.9"),
    ]);
    expect(outcome).toEqual({ kind: "done", data: null });
    const [request] = small.requests;
    expect(request?.line).toBe("POST /configure HTTP/1.1");
    expect(request?.headers).toMatch(/^content-type: application\/x-www-form-urlencoded$/im);
    const form = new URLSearchParams(request?.body);
    expect([...form.keys()]).toEqual(["data", "key"]);
    expect(form.get("key")).toBe(key);
    expect(form.get("data")).toBe(
      '[{"op":"set","path":["firewall","group","address-group","BAD_GUYS","address","192.0.2.5"]},' +
        '{"op":"delete","path":["firewall","group","address-group","BAD_GUYS","address","192.0.2.9"]}]',
    );
  });

  test("goes to the route of its kind", async () => {
    const small = await router(({ body, socket }) => {
      const { op = "" } = JSON.parse(new URLSearchParams(body).get("data") ?? "") as { op?: string };
      const data = { save: "", returnValues: ["192.0.2.1"], exists: true, showConfig: { address: "192.0.2.1" } }[op];
      socket.write(success(data ?? null));
    });
    const vyos = client(small.url);
    expect(await vyos.configure([])).toEqual({ kind: "done", data: null });
    expect(await vyos.save()).toEqual({ kind: "done", data: null });
    expect(await vyos.returnValues(values)).toEqual({ kind: "done", data: ["192.0.2.1"] });
    expect(await vyos.exists(values)).toEqual({ kind: "done", data: true });
    expect(await vyos.showConfig(values.slice(0, -1))).toEqual({ kind: "done", data: { address: "192.0.2.1" } });
    expect(small.requests.map(({ line, body }) => [line.split(" ")[1], new URLSearchParams(body).get("data")])).toEqual(
      [
        ["/configure", "[]"],
        ["/config-file", '{"op":"save"}'],
        ["/retrieve", `{"op":"returnValues","path":${JSON.stringify(values)}}`],
        ["/retrieve", `{"op":"exists","path":${JSON.stringify(values)}}`],
        ["/retrieve", `{"op":"showConfig","path":${JSON.stringify(values.slice(0, -1))}}`],
      ],
    );
  });

  test("uses the connection of the one before", async () => {
    const small = await router(answering(success([])));
    const vyos = client(small.url);
    for (let i = 0; i < 5; i += 1) await vyos.returnValues(values);
    expect(small.requests).toHaveLength(5);
    expect(small.connections).toBe(1);
  });

  test("does not wait for another one", async () => {
    const held: ReceivedRequest[] = [];
    const small = await router((request) => {
      if (request.line.includes("/configure")) held.push(request);
      else request.socket.write(success(["192.0.2.1"]));
    });
    const vyos = client(small.url);
    const writing = vyos.configure([]);
    expect(await vyos.returnValues(values)).toEqual({ kind: "done", data: ["192.0.2.1"] });
    while (held.length === 0) await vyos.returnValues(values);
    held[0]?.socket.write(success(null));
    expect(await writing).toEqual({ kind: "done", data: null });
  });

  test("is not made for words that the router would join into other words", async () => {
    const small = await router(answering(success(true)));
    const vyos = client(small.url);
    await expect(vyos.exists(["firewall group"])).rejects.toThrow(/without spaces/);
    await expect(vyos.returnValues(["firewall", ""])).rejects.toThrow(/without spaces/);
    expect(small.connections).toBe(0);
  });
});

describe("the certificate", () => {
  test.each<[string, () => ClientOptions["trust"], () => Identity]>([
    [
      "pinned, in lower case without colons",
      () => ({
        fingerprint: ours.fingerprint
          .toLowerCase()
          .replaceAll(/:(?!.{64}$)/g, "")
          .replace("sha256", "sha256:"),
      }),
      () => ours,
    ],
    ["pinned, for another name", () => ({ fingerprint: elsewhere.fingerprint }), () => elsewhere],
    ["signed by our authority", () => ({ ca: ours.cert }), () => ours],
    ["anything, when verification is off", () => ({ verify: "off" }), () => other],
  ])("is believed when %s", async (_, trust, id) => {
    const small = await router(answering(success([])), id());
    expect(await client(small.url, { trust: trust() }).returnValues(values)).toEqual({ kind: "done", data: [] });
  });

  test.each<[string, () => ClientOptions["trust"], () => Identity]>([
    ["another than the pinned one", () => ({ fingerprint: ours.fingerprint }), () => other],
    ["of another authority", () => ({ ca: ours.cert }), () => other],
    ["of our authority for another name", () => ({ ca: elsewhere.cert }), () => elsewhere],
  ])("that is %s gets not one byte of HTTP", async (_, trust, id) => {
    const small = await router(answering(success(null)), id());
    const vyos = client(small.url, { trust: trust() });
    for (const outcome of [await vyos.configure([]), await vyos.save(), await vyos.exists(values)]) {
      expect(outcome).toMatchObject({ kind: "unreachable", reason: "certificate" });
    }
    expect(small.connections).toBe(3);
    expect(small.requests).toEqual([]);
    expect(small.bytes).toBe(0);
  });

  test("that was refused is described with both fingerprints", async () => {
    const small = await router(answering(success(null)), other);
    const outcome = await client(small.url).save();
    expect(outcome).toMatchObject({ text: expect.stringContaining(ours.fingerprint.slice(7)) });
    expect(outcome).toMatchObject({ text: expect.stringContaining(other.fingerprint.slice(7)) });
  });
});

describe("nothing was executed when", () => {
  test("the port is closed", async () => {
    const small = await SmallRouter.start(ours, () => {});
    await small.stop();
    expect(await client(small.url).configure([])).toMatchObject({
      kind: "unreachable",
      reason: "connect",
      text: expect.stringContaining("ECONNREFUSED"),
    });
  });

  test("the name does not exist", async () => {
    expect(await client("https://router.invalid").save()).toMatchObject({ kind: "unreachable", reason: "connect" });
  });

  test("the port accepts and never speaks TLS: the connect time limit", async () => {
    const url = await plain(() => {});
    expect(await client(url, { timeouts: { connectMs: 50 } }).configure([])).toEqual({
      kind: "unreachable",
      reason: "connect",
      text: expect.stringMatching(/no TLS connection to 127\.0\.0\.1:\d+ within 50 ms/),
    });
  });

  test("the peer does not speak TLS", async () => {
    const url = await plain((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    expect(await client(url).configure([])).toMatchObject({ kind: "unreachable", reason: "connect" });
  });

  test("the peer hangs up in the middle of the handshake", async () => {
    const url = await plain((socket) => socket.once("data", () => socket.resetAndDestroy()));
    expect(await client(url).configure([])).toMatchObject({ kind: "unreachable", reason: "connect" });
    const other = await plain((socket) => socket.once("data", () => socket.end()));
    expect(await client(other).configure([])).toMatchObject({ kind: "unreachable", reason: "connect" });
  });

  test("the client is closed, before or while it connects", async () => {
    let connected = (): void => {};
    const accepted = new Promise<void>((resolve) => {
      connected = resolve;
    });
    const vyos = client(await plain(connected));
    const calling = vyos.save();
    await accepted;
    vyos.close();
    expect(await calling).toMatchObject({ kind: "unreachable", reason: "closed" });
    expect(await vyos.save()).toMatchObject({ kind: "unreachable", reason: "closed" });
  });
});

describe("the request may have been executed when", () => {
  test("no answer comes: the time limit of its kind", async () => {
    const small = await router(() => {});
    const timeouts = { configureMs: 30, saveMs: 40, readMs: 50 };
    const vyos = client(small.url, { timeouts });
    const timeout = { kind: "unknown", reason: "timeout" };
    expect(await vyos.configure([])).toEqual({ ...timeout, text: "no complete answer to /configure within 30 ms" });
    expect(await vyos.save()).toEqual({ ...timeout, text: "no complete answer to /config-file within 40 ms" });
    expect(await vyos.returnValues(values)).toEqual({
      ...timeout,
      text: "no complete answer to /retrieve within 50 ms",
    });
  });

  test("the answer stops in the middle: the same time limit", async () => {
    const small = await router(answering(success(null).slice(0, -5)));
    const vyos = client(small.url, { timeouts: { configureMs: 30 } });
    expect(await vyos.configure([])).toMatchObject({ kind: "unknown", reason: "timeout" });
  });

  test("the connection breaks before the answer", async () => {
    const reset = await router((request) => request.reset());
    expect(await client(reset.url).configure([])).toMatchObject({ kind: "unknown", reason: "reset" });
    const ended = await router(({ socket }) => socket.end());
    expect(await client(ended.url).configure([])).toMatchObject({ kind: "unknown", reason: "reset" });
  });

  test.each([
    ["after half the head", 20],
    ["after the head", -53],
    ["inside the body", -5],
  ])("the connection breaks %s", async (_, length) => {
    const answer = success(null).slice(0, length);
    for (const how of ["end", "reset"]) {
      const small = await router(({ socket, reset }) => {
        socket.write(answer, () => (how === "end" ? socket.end() : reset()));
      });
      expect(await client(small.url).configure([])).toMatchObject({ kind: "unknown", reason: "reset" });
    }
  });

  test("a chunked answer lacks its last chunk", async () => {
    const chunked =
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2f\r\n{"success": true, "data": null, "error": null}\n\r\n';
    const whole = await router(answering(`${chunked}0\r\n\r\n`));
    expect(await client(whole.url).configure([])).toEqual({ kind: "done", data: null });
    const cut = await router(({ socket }) => socket.end(chunked));
    expect(await client(cut.url).configure([])).toMatchObject({ kind: "unknown", reason: "reset" });
  });

  test("a kept connection breaks under the second request", async () => {
    const small = await router(({ socket, reset }) => {
      if (small.requests.length === 1) socket.write(success([]));
      else reset();
    });
    const vyos = client(small.url);
    expect(await vyos.returnValues(values)).toEqual({ kind: "done", data: [] });
    expect(await vyos.configure([])).toMatchObject({ kind: "unknown", reason: "reset" });
    expect(small.connections).toBe(1);
    expect(small.requests).toHaveLength(2);
  });

  test("the client is closed while it waits", async () => {
    let received = (): void => {};
    const arrived = new Promise<void>((resolve) => {
      received = resolve;
    });
    const small = await router(() => received());
    const vyos = client(small.url);
    const calling = vyos.configure([]);
    await arrived;
    vyos.close();
    expect(await calling).toMatchObject({ kind: "unknown", reason: "reset" });
  });

  test("the answer is too long, is no HTTP, or is nothing we know", async () => {
    const long = await router(({ socket }) => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      const send = (): void => {
        while (!socket.destroyed && socket.write("x".repeat(65_536)));
        if (!socket.destroyed) socket.once("drain", send);
      };
      send();
    });
    expect(await client(long.url).configure([])).toMatchObject({
      kind: "unknown",
      reason: "odd-answer",
      text: expect.stringMatching(/answer too long: .* over limit: 8388608/),
    });
    const noise = await router(answering("220 smtp.example.net ESMTP\r\n"));
    expect(await client(noise.url).configure([])).toMatchObject({ kind: "unknown", reason: "odd-answer" });
    const teapot = await router(answering(http(418, "short and stout")));
    expect(await client(teapot.url).configure([])).toMatchObject({ kind: "unknown", reason: "odd-answer" });
  });

  test.each([
    [200, "<html>Welcome</html>", "not-json"],
    [502, "<html><h1>502 Bad Gateway</h1></html>", "gateway"],
    [504, "<html><h1>504 Gateway Time-out</h1></html>", "gateway"],
    [
      500,
      '{"success": false, "error": "An internal error occured. Check the logs for details.", "data": null}',
      "server-error",
    ],
  ])("the answer is %i %s", async (status, body, reason) => {
    const small = await router(answering(http(status, body)));
    const vyos = client(small.url);
    for (const outcome of [await vyos.configure([]), await vyos.save(), await vyos.showConfig([])]) {
      expect(outcome).toMatchObject({ kind: "unknown", reason });
    }
  });
});

test.each([301, 302, 303, 307, 308])(
  "a redirect with status %i is not followed: it would carry the key away",
  async (status) => {
    const target = await router(answering(success(null)));
    const small = await router(answering(http(status, "", `location: ${target.url}/configure`)));
    expect(await client(small.url).configure([])).toMatchObject({ kind: "unknown", reason: "odd-answer" });
    expect(target.connections).toBe(0);
  },
);

describe("the key", () => {
  test("is in no text, however it is echoed", async () => {
    const spellings = [key, encodeURIComponent(key), new URLSearchParams({ key }).toString(), JSON.stringify(key)];
    for (const echo of [...spellings, key.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")]) {
      for (const body of [JSON.stringify({ success: false, error: `Malformed ${echo}` }), `you sent ${echo}`]) {
        for (const status of [200, 400, 401, 403, 500, 502]) {
          const small = await router(answering(http(status, body)));
          const text = JSON.stringify(await client(small.url).configure([]));
          expect(text).not.toMatch(/k3y/);
          expect(text).toMatch(/\[key\]/);
        }
      }
    }
  });

  test("is not on the client", async () => {
    const vyos = client("https://127.0.0.1:1");
    expect(inspect(vyos, { depth: 9, showHidden: true })).not.toMatch(/k3y/);
    expect(JSON.stringify(vyos)).toBe("{}");
    expect(JSON.stringify(await vyos.save())).not.toMatch(/k3y/);
  });

  test("is not in the complaint about other options", () => {
    for (const url of ["http://192.0.2.1", `https://${encodeURIComponent(key)}@192.0.2.1`, key]) {
      expect(() => client(url)).toThrow(TypeError);
      expect(() => client(url)).not.toThrow(/k3y/);
    }
  });
});

test.each<[string, Partial<ClientOptions>, RegExp]>([
  ["http", { url: "http://192.0.2.1" }, /begins with https:, got http:/],
  ["no URL", { url: "192.0.2.1" }, /begins with https:, got no URL/],
  ["a path", { url: "https://192.0.2.1/api" }, /host and port only/],
  ["a user", { url: "https://vyos:vyos@192.0.2.1" }, /host and port only/],
  ["an empty key", { key: "" }, /expected an API key/],
  ["a bad fingerprint", { trust: { fingerprint: "sha256:00" } }, /expected a fingerprint/],
  ["no time", { timeouts: { readMs: 0 } }, /expected readMs between/],
  ["endless time", { timeouts: { configureMs: Number.POSITIVE_INFINITY } }, /expected configureMs between/],
  ["not a time", { timeouts: { saveMs: Number.NaN } }, /expected saveMs between/],
])("an option that cannot be right is refused at once: %s", (_, options, complaint) => {
  expect(() => client("https://192.0.2.1", options)).toThrow(complaint);
});

test("texts have a limit", async () => {
  const small = await router(answering(http(400, JSON.stringify({ error: "x".repeat(10_000) }))));
  const outcome = await client(small.url).configure([]);
  expect(outcome).toMatchObject({
    kind: "rejected",
    text: expect.stringMatching(/x … and 1808 more characters$/),
  });
});
