/**
 * A commit: priority subtrees, one after the other, each applied or refused as a whole.
 *
 * VyOS walks the owners of changed nodes by priority (commit-algorithm.cpp). A subtree whose script fails is reported and
 * left out; the others stay applied, and the answer is still an error. So a commit is not atomic.
 */
import { copyConfig, type ConfigNode, emptyConfig, equalConfig, find, sorted } from "./config-tree.ts";
import type { Faults } from "./faults.ts";

export interface CommitReport {
  /** What the configuration scripts printed, in the form the CLI shows it. */
  output: string;
  failed: boolean;
}

export const commitLockedText = "Configuration system temporarily locked due to another commit in progress\n";

/** The paths of the subtrees that differ, in commit order. */
function changedSubtrees(active: ConfigNode, staged: ConfigNode): string[][] {
  const all = [...owners(active), ...owners(staged)].map((path) => path.join("\0"));
  const paths = [...new Set(all)].map((joined) => joined.split("\0"));
  return paths
    .filter((path) => !equalConfig(find(active, path), find(staged, path)))
    .sort((left, right) => priority(left) - priority(right));
}

/** Only the order matters: host name first, interfaces before the firewall (489), the API last. */
function priority(path: readonly string[]): number {
  const order = ["system", "interfaces", "firewall", "service"];
  return order.indexOf(path[0] ?? "");
}

function owners(root: ConfigNode): string[][] {
  const paths: string[][] = [];
  for (const [name, child] of root.children) {
    if (name === "firewall") paths.push([name]);
    else if (name === "interfaces")
      for (const [type, entries] of sorted(child.children))
        for (const [entry] of sorted(entries.children)) paths.push([name, type, entry]);
    else for (const inner of child.children.keys()) paths.push([name, inner]);
  }
  return paths;
}

/**
 * The commit curve, measured with the real engine on a machine with two cores: seconds by operations. Only the value for
 * no operation at all is a guess.
 */
const measured = [
  [0, 0.1],
  [1, 0.13],
  [100, 3.3],
  [500, 22.8],
] as const;
/** Between 100 and 500 operations the time grows with this power; beyond nothing was measured. */
const growth = Math.log(22.8 / 3.3) / Math.log(5);

export function commitMs(operations: number, scale: number): number {
  const [lastAt, lastSeconds] = measured[3];
  if (operations >= lastAt) return scale * 1000 * lastSeconds * (operations / lastAt) ** growth;
  const above = measured.findIndex(([at]) => at > operations);
  const [low, lowSeconds] = measured[above - 1] ?? measured[0];
  const [high, highSeconds] = measured[above] ?? measured[3];
  return scale * 1000 * (lowSeconds + ((operations - low) / (high - low)) * (highSeconds - lowSeconds));
}

export interface CommitCircumstances {
  faults: Faults;
  endpoint: string;
  /** Every component of every operation, for faults that look for a value. */
  words: ReadonlySet<string>;
  /** Network cards that exist. The script of an ethernet interface refuses a card that is not there. */
  cards: ReadonlySet<string>;
}

/** Applies what may be applied to `active`, in place. `staged` is only read. */
export function applyCommit(active: ConfigNode, staged: ConfigNode, given: CommitCircumstances): CommitReport {
  const subtrees = changedSubtrees(active, staged);
  if (subtrees.length === 0) return { output: "", failed: false };
  const refusals = chooseRefusals(subtrees, staged, given);
  let output = "";
  let failed = false;
  const warning = given.faults.take(["commit-warns"], given.endpoint);
  for (const [index, path] of subtrees.entries()) {
    const name = path.join(" ");
    const refusal = refusals.get(name);
    if (refusal !== undefined) {
      failed = true;
      output += `[ ${name} ]\n${refusal}\n\n[[${name}]] failed\n`;
      continue;
    }
    if (warning !== undefined && index === 0)
      output += `[ ${name} ]\n${warning.text ?? "WARNING: something non fatal"}\n\n`;
    graft(active, staged, path);
  }
  return { output: failed ? `${output}Commit failed\n` : output, failed };
}

function chooseRefusals(subtrees: string[][], staged: ConfigNode, given: CommitCircumstances): Map<string, string> {
  const refusals = new Map<string, string>();
  const names = subtrees.map((path) => path.join(" "));
  for (const path of subtrees) {
    const card = path[2] ?? "";
    const isAbsent = path[1] === "ethernet" && !given.cards.has(card) && find(staged, path) !== undefined;
    if (isAbsent) refusals.set(path.join(" "), `Interface "${card}" does not exist!`);
  }
  const fails = given.faults.take(
    ["commit-fails"],
    given.endpoint,
    ({ subtree, value }) =>
      (subtree === undefined || names.includes(subtree)) && (value === undefined || given.words.has(value)),
  );
  if (fails !== undefined)
    for (const name of fails.subtree === undefined ? names : [fails.subtree])
      refusals.set(name, fails.text ?? scriptSaysNo(name));
  const partial = given.faults.take(
    ["partial-commit"],
    given.endpoint,
    ({ subtree }) => subtree === undefined || names.includes(subtree),
  );
  const failing = partial?.subtree ?? names.at(-1) ?? "";
  if (partial !== undefined) refusals.set(failing, partial.text ?? scriptSaysNo(failing));
  return refusals;
}

function scriptSaysNo(name: string): string {
  const word = name.split(" ").at(-1) ?? name;
  return `${word.charAt(0).toUpperCase()}${word.slice(1)} said no`;
}

/** Makes the subtree of `active` equal to the staged one; parents come and go with it. */
function graft(active: ConfigNode, staged: ConfigNode, path: readonly string[]): void {
  const wanted = find(staged, path);
  const trail: ConfigNode[] = [active];
  for (const name of path.slice(0, -1)) {
    const at = trail.at(-1) ?? active;
    if (!at.children.has(name)) at.children.set(name, emptyConfig());
    trail.push(at.children.get(name) ?? emptyConfig());
  }
  const last = path.at(-1) ?? "";
  if (wanted === undefined) trail.at(-1)?.children.delete(last);
  else trail.at(-1)?.children.set(last, copyConfig(wanted));
  for (let depth = trail.length - 1; depth > 0; depth -= 1) {
    const isEmpty = trail[depth]?.children.size === 0 && find(staged, path.slice(0, depth)) === undefined;
    if (isEmpty) trail[depth - 1]?.children.delete(path[depth - 1] ?? "");
  }
}
