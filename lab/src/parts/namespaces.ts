/**
 * A small network of its own, of network namespaces: machines on one bridge, each with an eth0, that nobody else can see.
 *
 *   machine ─eth0─┐
 *   machine ─eth0─┴─ bridge, in a namespace too: nothing on the host changes but the names in `ip netns list`
 */

import { spawnSync } from "node:child_process";
import { programPath } from "../system-packages.ts";

/** Whether such a network may be made here; if not, why. Asked by making one: root alone is not enough in a container. */
export function namespacesRefused(): string | undefined {
  if (process.getuid?.() !== 0) return "only root may make network namespaces";
  let network: Namespaces | undefined;
  try {
    network = new Namespaces("probe");
    network.addMachine("one", []);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  } finally {
    network?.close();
  }
}

export class Namespaces {
  readonly #prefix: string;
  readonly #made: string[] = [];
  /** This process is one of the machines. */
  #isJoined = false;

  /** @param name of the network, to tell several of one process apart */
  constructor(name: string) {
    this.#prefix = `lw-${process.pid}-${name}`;
    this.#add("net");
    try {
      this.#ip("-n", this.#name("net"), "link", "add", "br0", "type", "bridge");
      this.#ip("-n", this.#name("net"), "link", "set", "br0", "up");
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** A machine with these addresses on its eth0. */
  addMachine(machine: string, addresses: readonly string[]): void {
    this.#add(machine);
    const name = this.#name(machine);
    this.#ip("-n", name, "link", "set", "lo", "up");
    // As on a balancer: HAProxy binds addresses that are elsewhere now.
    this.#ip("netns", "exec", name, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_nonlocal_bind");
    this.plugIn(machine, addresses);
  }

  plugIn(machine: string, addresses: readonly string[]): void {
    const [net, name] = [this.#name("net"), this.#name(machine)];
    this.#ip("link", "add", "name", machine, "netns", net, "type", "veth", "peer", "name", "eth0", "netns", name);
    for (const address of addresses) this.#ip("-n", name, "address", "add", address, "dev", "eth0");
    this.#ip("-n", name, "link", "set", "eth0", "up");
    this.#ip("-n", net, "link", "set", machine, "master", "br0", "up");
  }

  /** Its card and its cable are gone, and nobody on either side is told so by a packet. */
  pullOut(machine: string): void {
    this.#ip("-n", this.#name("net"), "link", "del", machine);
  }

  /** The cable is out: the card stays, without a link, and keeps its addresses. */
  unlink(machine: string): void {
    this.#ip("-n", this.#name("net"), "link", "set", machine, "down");
  }

  link(machine: string): void {
    this.#ip("-n", this.#name("net"), "link", "set", machine, "up");
  }

  /** The cable stays where it is and carries nothing any more: no card loses its link, nobody is told. */
  deafen(machine: string): void {
    this.#ip("-n", this.#name("net"), "link", "set", machine, "nomaster");
  }

  hear(machine: string): void {
    this.#ip("-n", this.#name("net"), "link", "set", machine, "master", "br0");
  }

  /** This process becomes one of the machines. It must have a namespace of its own (unshare --net): its eth0 is made here. */
  join(addresses: readonly string[]): void {
    const [net, pid] = [this.#name("net"), String(process.pid)];
    this.#ip(..."link add name here netns".split(" "), net, ..."type veth peer name eth0 netns".split(" "), pid);
    this.#isJoined = true;
    for (const address of addresses) this.#ip("address", "add", address, "dev", "eth0");
    this.#ip("link", "set", "lo", "up");
    this.#ip("link", "set", "eth0", "up");
    this.#ip("-n", net, "link", "set", "here", "master", "br0", "up");
  }

  /** Before a command, to run it on that machine. */
  on(machine: string): string[] {
    return ["netns", "exec", this.#name(machine)];
  }

  /** IPv4 addresses that the machine has now, on its eth0. */
  addressesOf(machine: string): string[] {
    const { stdout } = ip(["-n", this.#name(machine), "-4", "-o", "address", "show", "dev", "eth0"]);
    return [...stdout.matchAll(/inet ([\d.]+)\//g)].map(([, address]) => address ?? "");
  }

  close(): void {
    // The kernel ends a namespace, and the other ends of its cables, some time after it was deleted: ours is pulled out now.
    if (this.#isJoined) ip(["link", "del", "eth0"]);
    this.#isJoined = false;
    for (const name of this.#made.splice(0).reverse()) ip(["netns", "del", name]);
  }

  #add(machine: string): void {
    this.#ip("netns", "add", this.#name(machine));
    this.#made.push(this.#name(machine));
  }

  #name(machine: string): string {
    return `${this.#prefix}-${machine}`;
  }

  #ip(...args: string[]): void {
    const { status, stderr, error } = ip(args);
    if (status !== 0) throw new Error(`ip ${args.join(" ")}: ${error?.message ?? stderr.trim()}`);
  }
}

function ip(args: readonly string[]) {
  return spawnSync("ip", args, { encoding: "utf8", env: { ...process.env, PATH: programPath() } });
}
