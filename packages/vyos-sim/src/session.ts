/**
 * The API's one configuration session and its three handlers.
 *
 *   /configure ──lock──▶ stage each op ──▶ commit ──▶ active
 *                          └ first bad op: discard all, 400
 *   /retrieve      reads staged (it takes no lock, so it sees a write that is still open)
 *   /config-file   saves active (it takes no lock, so it misses a commit that is still open)
 *
 * Always true outside an open write: staged equals active, but for a `load` whose commit failed (1.4 does not discard it).
 */
import {
  type Answer,
  backgroundCommitText,
  failure,
  internalErrorText,
  quoted,
  type Release,
  success,
} from "./answer.ts";
import type { Command } from "./admit.ts";
import { applyCommit, commitLockedText, commitMs, type CommitReport } from "./commit.ts";
import {
  commentPath,
  type ConfigNode,
  copyConfig,
  deletePath,
  equalConfig,
  find,
  setPath,
  valuesAt,
} from "./config-tree.ts";
import type { Faults } from "./faults.ts";
import { bootFile, hasDirectory, type SaveFile } from "./save-file.ts";
import { ServerLock } from "./server-lock.ts";
import { showConfig } from "./show.ts";
import type { Wait } from "./wait.ts";

export interface SessionOptions {
  release: Release;
  strict: boolean;
  commitScale: number;
  cards: ReadonlySet<string>;
  faults: Faults;
  saveFile: SaveFile;
  wait: Wait;
}

export class Session {
  readonly lock = new ServerLock();
  readonly #options: SessionOptions;
  #active: ConfigNode;
  #staged: ConfigNode;

  constructor(active: ConfigNode, options: SessionOptions) {
    this.#active = active;
    this.#staged = copyConfig(active);
    this.#options = options;
  }

  get active(): ConfigNode {
    return this.#active;
  }

  /** A restart of the service opens a new session: what was staged is gone. */
  restart(): void {
    this.#discard();
    this.lock.restart();
  }

  /** `afterAnswer` gets the work that VyOS does in the background, when there is any. */
  async configure(commands: Command[], afterAnswer: (work: () => Promise<void>) => void): Promise<Answer> {
    const { release, faults } = this.#options;
    await this.lock.take();
    // The server takes the lock before its `try`. A crash in between never gives the lock back.
    if (faults.take(["hang-after-lock"], "/configure") !== undefined) await this.lock.wedge();
    try {
      const refusal = this.#stage(commands);
      if (refusal !== undefined) {
        this.#discard();
        return failure(release, 400, refusal);
      }
      const touchesApi = !this.#isSame(["service", "https"]) && release !== "1.3";
      if (touchesApi || faults.take(["background"], "/configure") !== undefined) {
        afterAnswer(async () => {
          const report = await this.#commit(commands);
          if (report.failed) this.#discard();
        });
        return success(backgroundCommitText);
      }
      const report = await this.#commit(commands);
      if (report.failed) {
        this.#discard();
        return failure(release, 400, report.output);
      }
      return success(release === "current" && report.output !== "" ? report.output : null);
    } finally {
      this.lock.giveBack();
    }
  }

  /** The first operation that fails ends it; only its text tells which one it was. */
  #stage(commands: Command[]): string | undefined {
    const { release, strict } = this.#options;
    // Strict mode looks into a snapshot from the start: set X, delete X fails, and delete X twice passes.
    const snapshot = strict ? copyConfig(this.#staged) : this.#staged;
    for (const command of commands) {
      const value = typeof command["value"] === "string" && command["value"] !== "" ? [command["value"]] : [];
      const path = [...(command["path"] as string[]), ...value];
      let text: string | undefined;
      if (command["op"] === "set") text = setPath(this.#staged, path, release);
      else if (command["op"] === "delete" && strict && find(snapshot, path) === undefined)
        text = `Cannot delete [${path.join(" ")}]: path/value does not exist`;
      else if (command["op"] === "delete") text = deletePath(this.#staged, path);
      else if (command["op"] === "comment") text = commentPath(this.#staged, path);
      else text = `${quoted(release, String(command["op"]))} is not a valid operation`;
      if (text !== undefined) return text;
    }
    return undefined;
  }

  async #commit(commands: Command[]): Promise<CommitReport> {
    const { faults, commitScale, cards, wait } = this.#options;
    const endpoint = "/configure";
    if (faults.take(["commit-lock"], endpoint) !== undefined) return { output: commitLockedText, failed: true };
    const slow = faults.take(["slow"], endpoint);
    const ms = commitMs(commands.length, commitScale);
    if (ms > 0) await wait(ms);
    if (slow !== undefined) await wait(slow.ms, faults.released);
    const words = new Set(
      commands.flatMap((each) => [...((each["path"] as string[] | undefined) ?? []), String(each["value"])]),
    );
    const report = applyCommit(this.#active, this.#staged, { faults, endpoint, words, cards });
    if (!report.failed) this.#staged = copyConfig(this.#active);
    return report;
  }

  #discard(): void {
    this.#staged = copyConfig(this.#active);
  }

  #isSame(path: readonly string[]): boolean {
    return equalConfig(find(this.#active, path), find(this.#staged, path));
  }

  retrieve(command: Command): Answer {
    const { release } = this.#options;
    const path = command["path"] as string[];
    const spoken = path
      .join(" ")
      .split(" ")
      .filter((word) => word !== ""); // Names with spaces cannot be asked for.
    switch (command["op"]) {
      case "returnValue":
        return success(valuesAt(this.#staged, spoken)[0] ?? null);
      case "returnValues":
        return success(valuesAt(this.#staged, spoken));
      case "exists":
        return success(find(this.#staged, spoken) !== undefined);
      case "showConfig":
        return this.#show(path, typeof command["configFormat"] === "string" ? command["configFormat"] : "json");
      default:
        return failure(release, 400, `${quoted(release, String(command["op"]))} is not a valid operation`);
    }
  }

  #show(path: string[], format: string): Answer {
    const { release } = this.#options;
    const shown = showConfig(this.#active, this.#staged, path, format);
    if (shown.kind === "refused") return failure(release, 400, shown.text);
    if (format !== "json" && format !== "raw" && format !== "")
      return failure(release, 400, `${quoted(release, format)} is not a valid config format`);
    if (shown.kind === "crashed") return failure(release, 500, internalErrorText);
    return success(shown.kind === "raw" ? shown.text : shown.data);
  }

  async configFile(command: Command): Promise<Answer> {
    const { release } = this.#options;
    const file = typeof command["file"] === "string" && command["file"] !== "" ? command["file"] : undefined;
    if (command["op"] === "save") return this.#save(file ?? bootFile);
    if (command["op"] !== "load")
      return failure(release, 400, `${quoted(release, String(command["op"]))} is not a valid operation`);
    if (file === undefined) return failure(release, 400, 'Missing required field "file"');
    return this.#load(file);
  }

  #save(file: string): Answer {
    const { release, faults, saveFile } = this.#options;
    const scheme = /^([a-z][a-z0-9+.-]*):\/\//.exec(file)?.[1];
    if (scheme !== undefined) return failure(release, 400, `Unsupported URL scheme: "${scheme}"\n`);
    const isUnwritable = faults.take(["save-unwritable"], "/config-file") !== undefined;
    if (isUnwritable || !hasDirectory(file)) {
      // 1.5 and current swallow the error (VersionInfo.write): a 200 is no proof that anything was written.
      if (release === "current") return success("");
      return failure(release, 400, traceback(file, isUnwritable));
    }
    saveFile.write(this.#active, file);
    return success(release === "1.3" ? `Saving configuration to '${file}'...\nDone\n` : "");
  }

  /** 1.4 takes no lock here and does not discard after a failure, so the next /configure commits what was left staged. */
  async #load(file: string): Promise<Answer> {
    const { release, saveFile } = this.#options;
    const loaded = saveFile.read(file);
    if (loaded === undefined) return failure(release, 400, `Cannot open configuration file ${file}\n`);
    this.#staged = loaded;
    const report = await this.#commit([]);
    return report.failed ? failure(release, 400, report.output) : success(null);
  }
}

function traceback(file: string, isReadOnly: boolean): string {
  const error = isReadOnly
    ? `OSError: [Errno 30] Read-only file system: '${file}'`
    : `FileNotFoundError: [Errno 2] No such file or directory: '${file}'`;
  return [
    "Traceback (most recent call last):",
    '  File "/usr/libexec/vyos/vyos-save-config.py", line 54, in <module>',
    "    with open(write_file, 'w') as f:",
    "         ^^^^^^^^^^^^^^^^^^^^^",
    error,
    "",
  ].join("\n");
}
