/**
 * What can go wrong with a router, by name and on request. README.md holds the table for people.
 *
 * A fault waits until a request meets it: at nginx's door (`front`), around the answer (`answer`), or while a commit runs
 * (`commit`). It meets `times` requests, or all until it is cleared.
 */

interface Common {
  /** How many requests meet the fault; without it, all until clearFaults(). */
  times?: number;
  /** Only requests to this endpoint, for example "/configure". */
  endpoint?: string;
}

export type Fault = Common &
  (
    | { kind: "502" }
    | { kind: "503" | "api-off" }
    | { kind: "403" }
    | { kind: "html-200" }
    /** nginx gives up after 600 s; the commit does not, unless `apply` is false. */
    | { kind: "504"; apply?: boolean }
    /** Never answers; the work is done only if `apply` is true. */
    | { kind: "hang"; apply?: boolean }
    /** Breaks the TCP connection: before the work, or after it in the middle of the answer. */
    | { kind: "reset"; when: "before-commit" | "after-commit" }
    /** Takes this much longer; on /configure while the commit is open. clearFaults() ends the wait. */
    | { kind: "slow"; ms: number }
    | { kind: "commit-lock" }
    /** The subtree's script says no, e.g. "firewall" or "interfaces ethernet eth1"; without it, every changed subtree. */
    | { kind: "commit-fails"; subtree?: string; value?: string; text?: string }
    /** One subtree fails (the last in commit order, unless named) and the others stay applied. */
    | { kind: "partial-commit"; subtree?: string; text?: string }
    /** The script prints a warning: in `data` on current, thrown away by older releases. */
    | { kind: "commit-warns"; text?: string }
    /** Answers as for a change of `service https`: commits after the answer and without the lock. */
    | { kind: "background" }
    /** This request takes the server lock and crashes before it can give it back; every later /configure waits. */
    | { kind: "hang-after-lock" }
    | { kind: "save-unwritable" }
  );

export type FaultKind = Fault["kind"];
type FaultOf<Kind extends FaultKind> = Extract<Fault, { kind: Kind }>;

export const frontKinds = ["502", "503", "api-off", "403", "html-200", "504", "hang", "reset"] as const;

const fields: Record<FaultKind, readonly string[]> = {
  "502": [],
  "503": [],
  "api-off": [],
  "403": [],
  "html-200": [],
  "504": ["apply"],
  hang: ["apply"],
  reset: ["when"],
  slow: ["ms"],
  "commit-lock": [],
  "commit-fails": ["subtree", "value", "text"],
  "partial-commit": ["subtree", "text"],
  "commit-warns": ["text"],
  background: [],
  "hang-after-lock": [],
  "save-unwritable": [],
};

/** Reads a fault that came over the wire. Throws a sentence that says what was expected. */
export function parseFault(value: unknown): Fault {
  if (value === null || typeof value !== "object") throw new Error("expected a JSON object with a `kind`");
  const given = value as Record<string, unknown>;
  const kind = String(given["kind"]) as FaultKind;
  if (!Object.hasOwn(fields, kind))
    throw new Error(
      `expected \`kind\` to be one of ${Object.keys(fields).join(", ")}, got ${JSON.stringify(given["kind"])}`,
    );
  for (const [name, item] of Object.entries(given)) {
    const fits =
      name === "kind" ||
      (name === "times" && Number.isInteger(item) && (item as number) > 0) ||
      (name === "endpoint" && typeof item === "string") ||
      (fields[kind].includes(name) && fitsField(name, item));
    if (!fits) throw new Error(`expected no \`${name}\` of ${JSON.stringify(item)} in the fault "${kind}"`);
  }
  if (kind === "slow" && given["ms"] === undefined) throw new Error('expected a number `ms` in the fault "slow"');
  if (kind === "reset" && given["when"] === undefined)
    throw new Error('expected `when` to be "before-commit" or "after-commit" in the fault "reset"');
  return given as unknown as Fault;
}

function fitsField(name: string, item: unknown): boolean {
  if (name === "apply") return typeof item === "boolean";
  if (name === "ms") return typeof item === "number" && item >= 0;
  if (name === "when") return item === "before-commit" || item === "after-commit";
  return typeof item === "string";
}

export class Faults {
  #waiting: { fault: Fault; left: number }[] = [];
  #released = Promise.withResolvers<void>();

  inject(fault: Fault): void {
    this.#waiting.push({ fault: { ...fault }, left: fault.times ?? Number.POSITIVE_INFINITY });
  }

  /** Forgets every fault and wakes all who wait in one. */
  clear(): void {
    this.#waiting = [];
    this.#released.resolve();
    this.#released = Promise.withResolvers();
  }

  list(): Fault[] {
    return this.#waiting.map(({ fault, left }) => (Number.isFinite(left) ? { ...fault, times: left } : fault));
  }

  /** Settles when the faults are cleared. */
  get released(): Promise<void> {
    return this.#released.promise;
  }

  /** The first fault of these kinds that meets this request, counted as met. */
  take<Kind extends FaultKind>(
    kinds: readonly Kind[],
    endpoint: string,
    fits: (fault: FaultOf<Kind>) => boolean = () => true,
  ): FaultOf<Kind> | undefined {
    const found = this.#waiting.find(
      ({ fault }) =>
        (kinds as readonly string[]).includes(fault.kind) &&
        (fault.endpoint === undefined || fault.endpoint === endpoint) &&
        fits(fault as FaultOf<Kind>),
    );
    if (found === undefined) return undefined;
    found.left -= 1;
    if (found.left <= 0) this.#waiting = this.#waiting.filter((each) => each !== found);
    return found.fault as FaultOf<Kind>;
  }
}
