/**
 * A queue whose ends cost the same at ten thousand items as at one: a ring that doubles when it is full, and never shrinks.
 * (An array is shifted as a whole once it is large.)
 */

export class Fifo<T> {
  /** A power of two long, so that `& (length - 1)` goes round. */
  #ring: (T | undefined)[] = Array.from({ length: 16 }, () => undefined);
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The oldest. */
  get first(): T | undefined {
    return this.#ring[this.#head];
  }

  push(item: T): void {
    if (this.#length === this.#ring.length) this.#double();
    this.#ring[(this.#head + this.#length) & (this.#ring.length - 1)] = item;
    this.#length += 1;
  }

  /** Adds an item in front of those at the end that belong behind it; costs as much as there are of these. */
  insert(item: T, belongsBehind: (other: T) => boolean): void {
    this.push(item);
    const ring = this.#ring;
    const mask = ring.length - 1;
    for (let at = this.#length - 1; at > 0; at -= 1) {
      const before = (this.#head + at - 1) & mask;
      const other = ring[before] as T;
      if (!belongsBehind(other)) return;
      ring[(before + 1) & mask] = other;
      ring[before] = item;
    }
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#ring[this.#head];
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.#length -= 1;
    return item;
  }

  /** Everything, oldest first. It is empty then. */
  takeAll(): T[] {
    return Array.from({ length: this.#length }, () => this.shift() as T);
  }

  #double(): void {
    const { length } = this.#ring;
    const ring: (T | undefined)[] = Array.from({ length: length * 2 }, () => undefined);
    for (let at = 0; at < length; at += 1) ring[at] = this.#ring[(this.#head + at) & (length - 1)];
    this.#ring = ring;
    this.#head = 0;
  }
}
