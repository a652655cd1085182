/**
 * A real VyOS router in the place of edge-1: who it is, and leaving it as it was.
 */

import { existsSync, readFileSync } from "node:fs";
import { isIP } from "node:net";
import { connect } from "node:tls";
import { addressOp, createClient, groupPath, type Outcome, type VyosClient } from "@logwarden/vyos";
import type { RealRouter } from "./network.ts";

/** How long a router may take to show its certificate. */
const connectMsMax = 10_000;

/**
 * Reads what is needed to trust the router.
 * Without a fingerprint the certificate that it shows now is taken, and said, so that the person can compare.
 * @throws an Error with what is wrong and what would be right
 */
export async function meetRealRouter(
  url: string,
  keyFile: string | undefined,
  fingerprint: string | undefined,
  say: (text: string) => void,
): Promise<RealRouter> {
  if (!URL.canParse(url) || new URL(url).protocol !== "https:") {
    throw new Error(`--router: expected a URL like https://192.0.2.1, got ${JSON.stringify(url)}`);
  }
  if (keyFile === undefined || !existsSync(keyFile)) {
    throw new Error(`--router needs --key-file FILE with the API key (set service https api keys id lab key …)`);
  }
  if (readFileSync(keyFile, "utf8").trim() === "") throw new Error(`--key-file: ${keyFile} is empty`);
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  const pinned = fingerprint ?? (await certificateOf(host, Number(port || 443)));
  if (fingerprint === undefined) say(`The router shows the certificate ${pinned}; it is pinned for this run.`);
  return { url, keyFile, fingerprint: pinned, address: isIP(host) === 0 || host.startsWith("127.") ? undefined : host };
}

/** What the lab must put back: the members that the groups had before it began. */
export async function rememberGroup(router: RealRouter): Promise<{ restore: () => Promise<string> }> {
  const client = createClient({
    url: router.url,
    key: readFileSync(router.keyFile, "utf8").trim(),
    trust: { fingerprint: router.fingerprint },
  });
  const before = await readGroups(client);
  if (Array.isArray(before)) {
    const restore = async (): Promise<string> => {
      const after = await readGroups(client);
      const added = Array.isArray(after)
        ? after.filter(({ member }) => !before.some((one) => one.member === member))
        : [];
      const ops = added.map(({ member, family }) => addressOp("delete", family, "BAD_GUYS", member));
      let failure = Array.isArray(after) ? undefined : after;
      if (ops.length > 0) {
        failure = failureIn(await client.configure(ops)) ?? failureIn(await client.save());
      }
      client.close();
      if (failure === undefined)
        return `${added.length} address(es) of the lab taken out of BAD_GUYS again, and saved.`;
      const left = added.map(({ member }) => member).join(", ");
      return `BAD_GUYS could NOT be put back (${failure}); take out by hand: ${left}`;
    };
    return { restore };
  }
  client.close();
  throw new Error(`the router cannot be read: ${before}`);
}

interface Member {
  family: 4 | 6;
  member: string;
}

/** The members of both groups; or, in words, why they cannot be read. */
async function readGroups(client: VyosClient): Promise<Member[] | string> {
  const members: Member[] = [];
  for (const family of [4, 6] as const) {
    const outcome = await client.returnValues(groupPath(family, "BAD_GUYS"));
    if (outcome.kind !== "done") return `${outcome.kind}: ${outcome.text}`;
    members.push(...outcome.data.map((member) => ({ family, member })));
  }
  return members;
}

function failureIn(outcome: Outcome<unknown>): string | undefined {
  return outcome.kind === "done" ? undefined : `${outcome.kind}: ${outcome.text}`;
}

function certificateOf(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    // Nothing is sent: the certificate is read, and the connection closed.
    const socket = connect({ host, port, rejectUnauthorized: false, timeout: connectMsMax }, () => {
      const { fingerprint256 } = socket.getPeerCertificate();
      socket.destroy();
      resolve(`sha256:${fingerprint256.replaceAll(":", "").toLowerCase()}`);
    });
    const fail = (reason: string): void => {
      socket.destroy();
      reject(new Error(`the router at ${host}:${port} cannot be reached: ${reason}`));
    };
    socket.once("timeout", () => fail(`no TLS within ${connectMsMax} ms`));
    socket.once("error", ({ message }) => fail(message));
  });
}
