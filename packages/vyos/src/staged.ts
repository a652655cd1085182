/**
 * Does a tree read from a router show a commit that is still open? Pure.
 *
 * Reads are not isolated: /retrieve shares the session in which /configure stages its operations. Meanwhile the engine prints
 * its tree with a mark before the node's name (`+address 192.0.2.61`), and the API's parser takes the mark for a part of the
 * name: `{"+address": "192.0.2.61", "address": [...]}`. Such a tree is half of two truths.
 */

/**
 * The rule:
 * - a key beginning with `+` is a mark at any depth: no name of a group, rule set or interface may begin with it;
 * - a key beginning with `-` is a mark, except directly below a node whose name ends in `-group`. Those keys are names that
 *   people chose, and `firewall.xml.in` lets the name of a group begin with `-`. No mark can be lost there: the engine marks the
 *   word of the tree (`-address-group FOO`), never the chosen name.
 *
 * @param tree the data of a showConfig answer
 */
export function stagedMarks(tree: Record<string, unknown>): boolean {
  return marked(tree, "");
}

function marked(node: unknown, parent: string): boolean {
  if (typeof node !== "object" || node === null || Array.isArray(node)) return false;
  return Object.entries(node).some(
    ([key, child]) => key.startsWith("+") || (key.startsWith("-") && !parent.endsWith("-group")) || marked(child, key),
  );
}
