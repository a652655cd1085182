/**
 * beanstalkd with nothing between: bytes on a socket, answers counted. What the server takes at most, and how to look at
 * many jobs fast.
 */

import { connect, type Socket } from "node:net";

/** As many puts in one write: beyond 16 the server gains nothing, and few writes leave it the processor. */
const putsPerWrite = 64;

export interface BarePuts {
  host: string;
  port: number;
  tube: string;
  /** ASCII, as tasks are. */
  bodies: readonly string[];
  /** Puts in all; bodies are taken in turn. */
  count: number;
  /** Puts sent and not yet answered, at most. */
  window: number;
}

/** Puts as fast as the server answers. Resolves with the last answer. @throws when an answer is not INSERTED */
export async function putMany({ host, port, tube, bodies, count, window }: BarePuts): Promise<void> {
  const socket = await open(host, port);
  const { promise: done, resolve, reject } = Promise.withResolvers<void>();
  const puts = Array.from({ length: Math.max(bodies.length, putsPerWrite) }, (_, number) => {
    const body = bodies[number % bodies.length] ?? "";
    return Buffer.from(`put 1000 0 60 ${body.length}\r\n${body}\r\n`, "latin1");
  });
  const groups = Array.from({ length: Math.floor(puts.length / putsPerWrite) }, (_, group) =>
    Buffer.concat(puts.slice(group * putsPerWrite, (group + 1) * putsPerWrite)),
  );
  let [sent, answered, turn] = [0, 0, 0];

  function fill(): void {
    while (sent < count && sent - answered + putsPerWrite <= window) {
      if (count - sent >= putsPerWrite) {
        socket.write(groups[turn++ % groups.length] as Buffer);
        sent += putsPerWrite;
      } else {
        socket.write(puts[sent++ % puts.length] as Buffer);
      }
    }
  }
  socket.on("data", (chunk: Buffer) => {
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) answered++;
    if (answered === count) resolve();
    else fill();
  });
  socket.once("close", () => reject(new Error("beanstalkd closed the connection")));
  try {
    // The answer to `use` is the first line; it is no put's.
    answered = -1;
    socket.write(`use ${tube}\r\n`);
    fill();
    await done;
  } finally {
    socket.removeAllListeners("close").destroy();
  }
}

/** As many peeks are on their way at once. */
const peeksAtOnce = 1024;

/**
 * Looks at the jobs with the ids 1, 2, …, count, in order; a server that was just started has no others.
 * @throws when one of them is not there
 */
export async function peekMany(
  { host, port }: { host: string; port: number },
  count: number,
  onBody: (body: string) => void,
): Promise<void> {
  const socket = await open(host, port);
  const { promise: done, resolve, reject } = Promise.withResolvers<void>();
  let [asked, answered] = [0, 0];
  let rest = "";

  function fill(): void {
    // In halves of the window, so that a write holds many.
    if (asked - answered > peeksAtOnce / 2) return;
    const commands: string[] = [];
    while (asked < count && asked - answered < peeksAtOnce) commands.push(`peek ${++asked}\r\n`);
    if (commands.length > 0) socket.write(commands.join(""));
  }
  socket.on("data", (chunk: Buffer) => {
    const text = rest + chunk.toString("latin1");
    let at = 0;
    for (;;) {
      const lineEnd = text.indexOf("\r\n", at);
      if (lineEnd === -1) break;
      const header = /^FOUND \d+ (\d+)$/.exec(text.slice(at, lineEnd));
      if (header === null) {
        return reject(new Error(`expected job ${answered + 1}, beanstalkd said ${text.slice(at, lineEnd)}`));
      }
      const bodyFrom = lineEnd + 2;
      const bodyTo = bodyFrom + Number(header[1]);
      if (bodyTo + 2 > text.length) break;
      onBody(text.slice(bodyFrom, bodyTo));
      answered++;
      at = bodyTo + 2;
    }
    rest = text.slice(at);
    if (answered === count) resolve();
    else fill();
  });
  socket.once("close", () => reject(new Error("beanstalkd closed the connection")));
  try {
    if (count > 0) {
      fill();
      await done;
    }
  } finally {
    socket.removeAllListeners("close").destroy();
  }
}

async function open(host: string, port: number): Promise<Socket> {
  const socket = connect({ host, port, noDelay: true });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  // What is lost shows as a close.
  socket.on("error", () => undefined);
  return socket;
}
