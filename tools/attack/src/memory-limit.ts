/** A memory cgroup of 2 GiB, as deploy/kubernetes gives the collector, where this machine lets one be made. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What the manifest's container may use, bytes. */
const LIMIT_BYTES = 2 * 1024 ** 3;

/** A limit, or the lack of one. */
export interface MemoryLimit {
  /** Shown beside every result. */
  readonly kind: "cgroup v2" | "cgroup v1" | "none, only watched";
  /** Starts a command inside it. Empty without a limit. */
  readonly launcher: readonly string[];
  /** Removes it; every process inside must have ended. */
  close(): void;
}

const NONE: MemoryLimit = { kind: "none, only watched", launcher: [], close() {} };

/** Makes a limit named `name`. Never throws: without root, or with a hierarchy that is read-only, there is none. */
export function makeMemoryLimit(name: string): MemoryLimit {
  for (const { kind, root, file } of hierarchies()) {
    const folder = join(root, name);
    try {
      mkdirSync(folder);
      if (kind === "cgroup v2") enableMemory(root);
      writeFileSync(join(folder, file), String(LIMIT_BYTES));
      // Written by the shell that becomes the program, so that every page of it is counted.
      const enter = ["sh", "-c", 'echo $$ > "$0" && exec "$@"', join(folder, "cgroup.procs")];
      return { kind, launcher: enter, close: () => removeIfThere(folder) };
    } catch {
      removeIfThere(folder);
    }
  }
  return NONE;
}

interface Hierarchy {
  readonly kind: "cgroup v2" | "cgroup v1";
  readonly root: string;
  readonly file: string;
}

/** Where memory cgroups are mounted (proc_pid_mounts(5), cgroups(7)). */
function hierarchies(): readonly Hierarchy[] {
  const lines = existsSync("/proc/self/mounts") ? readFileSync("/proc/self/mounts", "utf8").split("\n") : [];
  return lines.flatMap((line): Hierarchy[] => {
    const [, root = "", type, options = ""] = line.split(" ");
    if (type === "cgroup2") return [{ kind: "cgroup v2", root, file: "memory.max" }];
    if (type === "cgroup" && options.split(",").includes("memory"))
      return [{ kind: "cgroup v1", root, file: "memory.limit_in_bytes" }];
    return [];
  });
}

/** A child of a v2 hierarchy has the controllers that its parent hands down. */
function enableMemory(root: string): void {
  try {
    writeFileSync(join(root, "cgroup.subtree_control"), "+memory");
  } catch {
    // It may be handed down already: the limit's own file tells.
  }
}

function removeIfThere(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // It was not made, or a process that was killed has not ended yet; an empty cgroup costs nothing.
  }
}
