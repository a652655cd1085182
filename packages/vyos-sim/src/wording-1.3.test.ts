/** What 1.3 says otherwise than the later releases. Taken from the source of its API server, not from a running one. */
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type Router, startRouter } from "./index.ts";
import { ban, form, multipart, save, send, type Sent, testKey } from "./test-client.ts";

let router: Router;
beforeAll(async () => {
  router = await startRouter({ key: testKey, release: "1.3" });
});
afterAll(() => router.close());

const command = (data: unknown): Sent => form("/configure", data);
const listed = JSON.stringify([{ key: testKey, op: "set", path: ["a"] }]);

const refusals: [name: string, sent: Sent, status: number, text: string][] = [
  ["no key", multipart("/configure", { data: '{"op": "set", "path": ["a"]}' }), 422, "Valid API key is required"],
  ["no key to read", multipart("/retrieve", { data: '{"op": "x", "path": []}' }), 422, "Valid API key is required"],
  ["a key inside the list", multipart("/configure", { data: listed }), 422, "Valid API key is required"],
  ["a wrong key", form("/configure", { op: "set", path: ["a"] }, "wrong"), 401, "Valid API key is required"],
  ["no op", command({ path: ["a"] }), 400, 'Malformed command "{"path": ["a"]}": missing "op" field'],
  ["no path", command({ op: "set" }), 400, 'Malformed command "{"op": "set"}": missing "path" field'],
  ["an empty path", command({ op: "set", path: [] }), 400, 'Malformed command "{"op": "set", "path": []}": empty path'],
  ["an unknown op", command({ op: "frobnicate", path: ["a"] }), 400, '"frobnicate" is not a valid operation'],
  [
    "a question without a path",
    form("/retrieve", { op: "showConfig" }),
    400,
    'Missing required field. "op" and "path" fields are required',
  ],
];

test.each(refusals)("%s", async (_name, sent, status, text) => {
  const body = `{"success": false, "error": ${JSON.stringify(text)}, "data": null}`;
  expect(await send(router, sent)).toEqual({ status, contentType: "text/html; charset=utf-8", body });
});

test("a change succeeds with the same body as later", async () => {
  expect((await send(router, ban("192.0.2.1"))).body).toBe('{"success": true, "data": null, "error": null}');
});

test("a save tells where it went", async () => {
  const data = "Saving configuration to '/config/config.boot'...\\nDone\\n";
  expect((await send(router, save())).body).toBe(`{"success": true, "data": "${data}", "error": null}`);
});
