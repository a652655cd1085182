/**
 * Who is speaking: a verified certificate's name or an address → the device.
 *
 * The certificate comes first: its name stays when a device's address changes. An address that is no device's is nobody,
 * or, when the inventory accepts unknown devices, a host that only sends logs and is called by its address.
 *
 * A load balancer is never made a device by being accepted: its health checks are connections like any other. It is one
 * when the inventory lists it.
 */

import type { X509Certificate } from "node:crypto";
import { type Address, contains, type Prefix, parseAddress } from "@logwarden/shared/ip";
import type { Device, Inventory } from "@logwarden/shared/inventory";
import type { Log } from "@logwarden/shared/log";

/** Why nobody is a device: a closed list, because it is a metric label. */
export type IdentityFault = "unknown-device" | "too-many-unknown-devices" | "certificate-ambiguous";

export interface DevicesOptions {
  inventory: Pick<Inventory, "byAddress" | "byCertificate" | "unknownDevices">;
  trustedProxies: readonly Prefix[];
  /** Addresses that are accepted without being in the inventory. */
  unknownDevicesMax: number;
  log: Log;
}

export class Devices {
  readonly #options: DevicesOptions;
  /** By canonical address. Never forgotten: an address that could come back as a new one would make the bound none. */
  readonly #accepted = new Map<string, Device>();

  constructor(options: DevicesOptions) {
    this.#options = options;
  }

  get accepted(): number {
    return this.#accepted.size;
  }

  isBalancer(address: Address): boolean {
    return this.#options.trustedProxies.some((prefix) => contains(prefix, address));
  }

  /** @param certificate verified: an authority of ours vouches for its names */
  identify(address: Address | undefined, certificate?: X509Certificate): Device | IdentityFault {
    const named = certificate === undefined ? [] : this.#named(certificate);
    if (named.length > 1) return "certificate-ambiguous";
    if (named[0] !== undefined || address === undefined) return named[0] ?? "unknown-device";
    return this.#options.inventory.byAddress.get(address.text) ?? this.#accept(address);
  }

  /** As identify, for an address as the kernel writes it: once for each datagram, and mostly a device's. */
  identifyText(text: string): Device | IdentityFault {
    const known = this.#options.inventory.byAddress.get(text) ?? this.#accepted.get(text);
    if (known !== undefined) return known;
    const address = parseAddress(text);
    return address === undefined ? "unknown-device" : this.identify(address);
  }

  /**
   * The names of type DNS, or the common name of a certificate that has no alternative names (RFC 5425 §5.2, RFC 6125).
   * Names are looked for loosely in the text, where a strange certificate may show more than it has; OpenSSL then says
   * which of them it really has.
   */
  #named(certificate: X509Certificate): Device[] {
    const { subject, subjectAltName } = certificate;
    const text = subjectAltName ?? subject;
    const candidates = text.matchAll(subjectAltName === undefined ? /^CN=(.+)$/gm : /DNS:([^\s,"]+)/g);
    const found = new Set<Device>();
    for (const [, name = ""] of candidates) {
      const device = this.#options.inventory.byCertificate.get(name.toLowerCase());
      if (device?.certificate === undefined) continue;
      const isOwn = certificate.checkHost(device.certificate, {
        subject: subjectAltName === undefined ? "always" : "never",
        wildcards: false,
      });
      if (isOwn !== undefined) found.add(device);
    }
    return [...found];
  }

  #accept(address: Address): Device | IdentityFault {
    const known = this.#accepted.get(address.text);
    if (known !== undefined) return known;
    const { inventory, unknownDevicesMax, log } = this.#options;
    if (inventory.unknownDevices === "refuse" || this.isBalancer(address)) return "unknown-device";
    if (this.#accepted.size >= unknownDevicesMax) return "too-many-unknown-devices";
    // beanstalkd takes no colon in the name of a tube. No key of the inventory can look like this: those have neither dots
    // nor underscores.
    const device: Device = { key: address.text.replaceAll(":", "_"), address, tags: [], protect: [] };
    this.#accepted.set(address.text, device);
    log.say("device.accepted", { device: device.key, address: address.text });
    return device;
  }
}
