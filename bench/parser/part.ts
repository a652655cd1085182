/** What every part of `bench -- parser` is told. */

export interface PartOptions {
  /** Of a corpus. */
  lines: number;
  rounds: number;
  seed: number;
  /** Keys of the peers that are compared; all of them when absent. */
  chosenPeers: readonly string[] | undefined;
  soakSeconds: number;
  /** For corpora and whatever the parts write; removed at the end. */
  directory: string;
  say: (line: string) => void;
  signal: AbortSignal;
}
