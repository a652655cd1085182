/** Many measured values → the few that a person reads. Pure. */

/** Of one round: how long, in milliseconds, by rank. */
export interface Quantiles {
  p50: number;
  p90: number;
  p99: number;
  max: number;
}

/** Of several rounds: the one in the middle, and how far the others were from it. */
export interface Spread {
  median: number;
  min: number;
  max: number;
}

/** By nearest rank, so that each figure is a value that was measured. @throws when there are no values */
export function quantiles(values: readonly number[]): Quantiles {
  const sorted = values.toSorted((left, right) => left - right);
  const rank = (share: number): number => at(sorted, Math.ceil(share * sorted.length) - 1);
  return { p50: rank(0.5), p90: rank(0.9), p99: rank(0.99), max: rank(1) };
}

/** @throws when there are no values */
export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = (sorted.length - 1) / 2;
  const median = (at(sorted, Math.floor(middle)) + at(sorted, Math.ceil(middle))) / 2;
  return { median, min: at(sorted, 0), max: at(sorted, sorted.length - 1) };
}

/** @throws when there are no values */
export function mean(values: readonly number[]): number {
  if (values.length === 0) throw new Error("expected values to take the mean of, got none");
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** `2.91 (2.80–3.10)`; one round has no spread. @param digits behind the point */
export function showSpread({ median, min, max }: Spread, digits: number): string {
  const [low, middle, high] = [min, median, max].map((value) => showNumber(value, digits));
  return low === high ? `${middle}` : `${middle} (${low}–${high})`;
}

/** Thousands are set apart by a space, as in the prose of our documents: 20 000. */
export function showNumber(value: number, digits = 0): string {
  const [whole = "", rest] = value.toFixed(digits).split(".");
  const grouped = whole.replaceAll(/\B(?=(\d{3})+$)/g, " ");
  return rest === undefined ? grouped : `${grouped}.${rest}`;
}

function at(sorted: readonly number[], index: number): number {
  const value = sorted[index];
  if (value === undefined) throw new Error(`expected at least one value, got ${sorted.length}`);
  return value;
}
