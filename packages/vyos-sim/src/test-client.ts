/** A bare HTTPS client for the tests of this room. It pins the router's certificate and keeps no connection. */
import { request } from "node:https";
import type { Router } from "./index.ts";

export interface Reply {
  status: number;
  contentType: string;
  body: string;
}

export interface Sent {
  method?: string;
  path: string;
  contentType?: string;
  body?: string | Buffer;
}

export const testKey = "lab-key";

export async function send(router: Router, sent: Sent): Promise<Reply> {
  const done = Promise.withResolvers<Reply>();
  const outgoing = request(
    `${router.url}${sent.path}`,
    {
      method: sent.method ?? "POST",
      agent: false,
      ca: router.certificatePem,
      checkServerIdentity: () => undefined,
      headers: sent.contentType === undefined ? {} : { "content-type": sent.contentType },
    },
    (incoming) => {
      let body = "";
      incoming.setEncoding("utf8");
      incoming.on("data", (chunk: string) => {
        body += chunk;
      });
      incoming.on("error", done.reject);
      incoming.on("end", () =>
        done.resolve({ status: incoming.statusCode ?? 0, contentType: incoming.headers["content-type"] ?? "", body }),
      );
    },
  );
  outgoing.on("error", done.reject);
  outgoing.end(sent.body);
  return done.promise;
}

/** A multipart form, as curl -F and most clients send it. */
export function multipart(path: string, fields: Record<string, string>): Sent {
  const boundary = "----a-boundary-that-is-in-no-value";
  const parts = Object.entries(fields).map(
    ([name, value]) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  );
  return {
    path,
    contentType: `multipart/form-data; boundary=${boundary}`,
    body: `${parts.join("")}--${boundary}--\r\n`,
  };
}

export function form(path: string, data: unknown, key: string = testKey): Sent {
  return multipart(path, { data: JSON.stringify(data), key });
}

export const groupPath = ["firewall", "group", "address-group", "BAD_GUYS"];
export const memberPath = (address: string): string[] => [...groupPath, "address", address];
export const set = (...path: string[]): unknown => ({ op: "set", path });
export const remove = (...path: string[]): unknown => ({ op: "delete", path });
export const configure = (...ops: unknown[]): Sent => form("/configure", ops);
export const ban = (...addresses: string[]): Sent => configure(...addresses.map((each) => set(...memberPath(each))));
export const returnValues = (): Sent => form("/retrieve", { op: "returnValues", path: [...groupPath, "address"] });
export const save = (): Sent => form("/config-file", { op: "save" });

/** Asks until the fact is there; the test's own limit is the stop. */
export async function until<T>(ask: () => T | Promise<T>, isThere: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await ask();
    if (isThere(value)) return value;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Settles when the router has fully received its next request to this endpoint. */
export async function nextRequest(router: Router, endpoint: string): Promise<void> {
  const seen = Promise.withResolvers<void>();
  const stop = router.onRequest((record) => {
    if (record.endpoint === endpoint) seen.resolve();
  });
  await seen.promise;
  stop();
}
