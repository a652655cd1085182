export async function fuzzSockets(
  _s: number,
  _f: number,
  _n: number,
  _p?: (n: number) => void,
): Promise<{ connections: number }> {
  return { connections: 0 };
}
