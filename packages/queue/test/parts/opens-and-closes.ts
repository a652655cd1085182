/** A process for the test "leaves nothing open": it closes producers and consumers in many states, and must then end by itself. */

import { Consumer, Producer, parseNodeAddress } from "../../src/index.ts";

const server = parseNodeAddress(process.argv[2] ?? "");
const nobody = parseNodeAddress("127.0.0.1:1");
const nodes = [server, nobody];
const tubes = ["work"];

// Up, with one node that is waiting for its next dial; one job held, one reserve waiting.
const producer = new Producer({ nodes });
const consumer = new Consumer({ nodes, tubes, reserveSeconds: 10_000 });
await producer.put("work", Buffer.from("x"));
await consumer.next();
const waiting = consumer.next().catch((error: { code: string }) => error.code);
await consumer.close();
if ((await waiting) !== "closed") throw new Error("expected the waiting next() to be rejected as closed");
await producer.close(60_000);

// Dialing, and in the turn of its birth.
const dialing = new Consumer({ nodes, tubes });
await new Promise((resolve) => setImmediate(resolve));
await dialing.close();
await new Consumer({ nodes, tubes }).close();
await new Producer({ nodes }).close(0);

// With a put that nobody takes.
const stuck = new Producer({ nodes: [nobody] });
const put = stuck.put("work", Buffer.from("x")).catch((error: { code: string }) => error.code);
if ((await stuck.close(1)) !== 1 || (await put) !== "closed") throw new Error("expected one put to be left");
process.stdout.write("closed\n");
