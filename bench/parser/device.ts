/** The devices whose lines the corpora are: the router of the original design, and as many like it as are asked for. */

export interface BenchDevice {
  key: string;
  address: string;
}

/** @param number from 0: the router of the original design */
export function deviceAt(number: number): BenchDevice {
  const [high, low] = [Math.floor((number + 201) / 256), (number + 201) % 256];
  return { key: `edge-${number + 1}`, address: `10.10.${10 + high}.${low}` };
}

export const device = deviceAt(0);
