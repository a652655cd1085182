/** What is taken from HAProxy's runtime socket, and what is not. A real HAProxy is asked in cli/test/pair.test.ts. */

import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "@jest/globals";
import { UsageError } from "../verb.ts";
import { askHaproxy, orderHaproxy, parseRuntimeAddress, parseServersState, parseStatistics } from "./runtime.ts";

/** The columns that are read among others, as HAProxy 2.6 writes them: the last one is empty. */
const head = "# pxname,svname,qcur,scur,status,last_chk,check_desc,addr,uweight,-,";

describe("show stat", () => {
  test("is read by the names of its columns", () => {
    expect(
      parseStatistics(
        `${head}\nparsers,parser-1,0,15,UP,,Layer7 check passed,192.0.2.111:10514,100,-,\nbeanstalkd,queue-1,0,0,DOWN,"a ""b"", c",,[2001:db8::1]:11300,0,-,\n\n`,
      ),
    ).toEqual([
      {
        ...{ backend: "parsers", name: "parser-1", address: "192.0.2.111:10514", state: "UP" },
        ...{ check: "Layer7 check passed", weight: 100, connections: 15 },
      },
      {
        ...{ backend: "beanstalkd", name: "queue-1", address: "[2001:db8::1]:11300", state: "DOWN" },
        ...{ check: 'a "b", c', weight: 0, connections: 0 },
      },
    ]);
  });

  test.each([
    ["nothing", ""],
    ["an error instead", "Permission denied\n\n"],
    ["a table without a column that we need", "# pxname,svname,status,\nparsers,p,UP,\n"],
    ["a row with a cell too few", `${head}\nparsers,parser-1,0,15,UP,,,192.0.2.111:10514,100,\n`],
    ["a row with a cell too many", `${head}\nparsers,parser-1,0,15,UP,,,192.0.2.111:10514,100,-,,\n`],
    ["a quote without an end", `${head}\nparsers,parser-1,0,15,UP,"a,,192.0.2.111:10514,100,-,\n`],
    ["a quote in the middle", `${head}\nparsers,parser-1,0,15,UP,a"b",,192.0.2.111:10514,100,-,\n`],
    ["a number that is none", `${head}\nparsers,parser-1,0,many,UP,,,192.0.2.111:10514,100,-,\n`],
    ["a number below zero", `${head}\nparsers,parser-1,0,-1,UP,,,192.0.2.111:10514,100,-,\n`],
  ])("%s is an error, never a guess", (_, text) => {
    expect(() => parseStatistics(text)).toThrow('HAProxy answered "show stat" in a way that cannot be read');
  });
});

describe("show servers state", () => {
  const columns = "# be_id be_name srv_id srv_name srv_admin_state srv_uweight";

  test("tells what people have ordered, by bits", () => {
    const rows = [
      "3 parsers 1 p1 0 100",
      "3 parsers 2 p2 8 100",
      "4 parsers_tls 2 p2 16 100",
      "3 parsers 3 p3 1 100",
      "3 parsers 4 p4 9 1",
    ];
    expect([...parseServersState(`1\n${columns}\n${rows.join("\n")}\n\n`)]).toEqual([
      ["parsers/p2", "drain"],
      ["parsers_tls/p2", "drain"],
      ["parsers/p3", "maintenance"],
      ["parsers/p4", "maintenance"],
    ]);
  });

  test.each([
    ["another version", `2\n${columns}\n3 parsers 1 p1 0 100\n`],
    ["no columns", "1\n"],
    ["a row that is too short", `1\n${columns}\n3 parsers 1 p1 0\n`],
    ["bits that are none", `1\n${columns}\n3 parsers 1 p1 x 100\n`],
  ])("%s is an error, never a guess", (_, text) => {
    expect(() => parseServersState(text)).toThrow('HAProxy answered "show servers state" in a way that cannot be read');
  });
});

describe("an answer", () => {
  let server: Server | undefined;
  const sockets: Socket[] = [];
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    server?.close();
  });

  /** Something behind a port that answers a question like this. */
  async function behind(answer: (socket: Socket, question: string) => void): Promise<{ host: string; port: number }> {
    server = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => undefined);
      socket.once("data", (chunk) => answer(socket, chunk.toString()));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    return { host: "127.0.0.1", port: (server.address() as AddressInfo).port };
  }

  test("is everything until the end, in as many pieces as it comes", async () => {
    const address = await behind((socket, question) => {
      socket.write("Grüße, ".slice(0, 4));
      setImmediate(() => socket.end(`you asked ${question}`));
    });
    expect(await askHaproxy(address, "show info")).toBe("Grüßyou asked show info\n");
  });

  test("to an order is silence; HAProxy's words are an error", async () => {
    const address = await behind((socket, question) =>
      socket.end(question.includes("drain") ? "\n" : "No such server.\n\n"),
    );
    await orderHaproxy(address, "set server parsers/p state drain");
    await expect(orderHaproxy(address, "set server parsers/q state ready")).rejects.toThrow(
      'HAProxy refused "set server parsers/q state ready": No such server.',
    );
  });

  test("that never ends is given up", async () => {
    const limits = { answerBytesMax: 1000, answerMsMax: 50 };
    const address = await behind((socket) => socket.write("# pxname"));
    await expect(askHaproxy(address, "show stat", limits)).rejects.toThrow(
      'no complete answer to "show stat" within 50 ms',
    );
  });

  test("that is longer than any is given up", async () => {
    const limits = { answerBytesMax: 1000, answerMsMax: 5000 };
    const address = await behind((socket) => socket.write("x".repeat(1001)));
    await expect(askHaproxy(address, "show stat", limits)).rejects.toThrow("is longer than 1000 bytes");
  });

  test("that is no text is an error", async () => {
    const address = await behind((socket) => socket.end(Buffer.from([0x23, 0xff, 0xfe])));
    await expect(askHaproxy(address, "show stat")).rejects.toThrow("is no text");
  });

  test("of nobody says what to look at", async () => {
    await expect(askHaproxy({ path: "/nowhere/admin.sock" }, "show stat")).rejects.toThrow("is HAProxy running here?");
  });
});

describe("--socket", () => {
  test("is a path, or an address and a port", () => {
    expect(parseRuntimeAddress("/run/haproxy/admin.sock")).toEqual({ path: "/run/haproxy/admin.sock" });
    expect(parseRuntimeAddress("127.0.0.1:9999")).toEqual({ host: "127.0.0.1", port: 9999 });
    expect(parseRuntimeAddress("[::1]:9999")).toEqual({ host: "::1", port: 9999 });
  });

  test.each(["", "admin.sock", "localhost:9999", "127.0.0.1", "127.0.0.1:0"])("is not %p", (text) => {
    expect(() => parseRuntimeAddress(text)).toThrow(UsageError);
  });
});
