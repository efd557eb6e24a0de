/** A file that may be replaced while a program runs. It is checked when it is used, and read again after a change. */
import { statSync } from "node:fs";
import { type Clock, NS_PER_MS } from "@lifeline/measure";

/** A file is checked at most this often, ms, and only when it is used. */
export const FILE_CHECK_MS = 5_000;

/** The value of a file, or its fault. `problem` quotes nothing of the file (S1). */
export type FileRead<T> =
  | { readonly kind: "read"; readonly value: T }
  | { readonly kind: "bad"; readonly problem: string };

/** What a {@link WatchedFile} needs. */
export interface WatchedFileOptions<T> {
  readonly path: string;
  /** The value that was read first. */
  readonly first: T;
  readonly read: (path: string) => FileRead<T>;
  readonly clock: Clock;
  /** The file has changed and can be read. */
  readonly onReread: (value: T) => void;
  /** The file cannot be read any more. Called once for each problem. */
  readonly onProblem: (problem: string) => void;
}

/** The current value. If the file cannot be read any more, that is the last good value. */
export interface WatchedFile<T> {
  current(): T;
}

/** Watches a file that has just been read. */
export function watchFile<T>(options: WatchedFileOptions<T>): WatchedFile<T> {
  const { path, read, clock, onReread, onProblem } = options;
  let value = options.first;
  let version = versionOf(path);
  let reported = "";
  let checkedNs = clock.monotonicNs();
  const check = () => {
    const now = versionOf(path);
    if (now === version && reported === "") return;
    const found = read(path);
    if (found.kind === "bad") {
      if (found.problem !== reported) onProblem(found.problem);
      reported = found.problem;
      return;
    }
    reported = "";
    if (now === version) return;
    version = now;
    value = found.value;
    onReread(value);
  };
  return {
    current() {
      const nowNs = clock.monotonicNs();
      if (nowNs - checkedNs >= FILE_CHECK_MS * NS_PER_MS) {
        checkedNs = nowNs;
        check();
      }
      return value;
    },
  };
}

/** Changes when the file is replaced or rewritten; empty if it cannot be read. */
function versionOf(path: string): string {
  try {
    const { ino, size, mtimeNs } = statSync(path, { bigint: true });
    return `${ino} ${size} ${mtimeNs}`;
  } catch {
    return "";
  }
}
