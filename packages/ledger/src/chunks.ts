/** Long lists, cut so that each statement stays below what the engines take. */

/**
 * SQLite takes 32 766 parameters in a statement and PostgreSQL 65 535. Far below both is as fast per row, and bounds how
 * long one statement holds SQLite, and with it this process.
 */
const parametersMax = 8000;

/** Items in chunks of which each fits one statement, where an item takes so many parameters. */
export function chunksOf<Item>(items: readonly Item[], parametersEach = 1): Item[][] {
  const size = Math.floor(parametersMax / parametersEach);
  const chunks: Item[][] = [];
  for (let at = 0; at < items.length; at += size) chunks.push(items.slice(at, at + size));
  return chunks;
}

/** Groups of items under the same key, in the order of their first. */
export function groupBy<Item, Key>(items: Iterable<Item>, keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
