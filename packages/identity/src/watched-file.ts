/** A file with a secret in it, which may be replaced while a program runs: looked at when it is used, and read again when it has changed. */
import { statSync } from "node:fs";
import { type Clock, NS_PER_MS } from "@lifeline/measure";

/** How often a file is looked at, ms: at most, and only while it is in use. */
export const FILE_CHECK_MS = 5_000;

/** What was made of a file; `problem` says what is wrong with it and nothing of its content (S1). */
export type FileRead<T> =
  | { readonly kind: "read"; readonly value: T }
  | { readonly kind: "bad"; readonly problem: string };

/** What a {@link WatchedFile} needs. */
export interface WatchedFileOptions<T> {
  readonly path: string;
  /** What was read at first. */
  readonly first: T;
  readonly read: (path: string) => FileRead<T>;
  readonly clock: Clock;
  /** The file has changed and is good. */
  readonly onReread: (value: T) => void;
  /** The file has turned bad: told once for each problem. */
  readonly onProblem: (problem: string) => void;
}

/** The value as it is now. A file that turns bad leaves the last good value in use. */
export interface WatchedFile<T> {
  current(): T;
}

/** Watches a file that was read just now. */
export function watchFile<T>(options: WatchedFileOptions<T>): WatchedFile<T> {
  const { path, read, clock, onReread, onProblem } = options;
  let value = options.first;
  let version = versionOf(path);
  let told = "";
  let checkedNs = clock.monotonicNs();
  const check = () => {
    const now = versionOf(path);
    if (now === version && told === "") return;
    const found = read(path);
    if (found.kind === "bad") {
      if (found.problem !== told) onProblem(found.problem);
      told = found.problem;
      return;
    }
    told = "";
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

/** Tells a file replaced or rewritten from one that was not; empty when it cannot be told. */
function versionOf(path: string): string {
  try {
    const { ino, size, mtimeNs } = statSync(path, { bigint: true });
    return `${ino} ${size} ${mtimeNs}`;
  } catch {
    return "";
  }
}
