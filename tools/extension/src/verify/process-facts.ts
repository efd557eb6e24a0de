/** Facts from /proc about a container's first process. */
import { readFileSync, readlinkSync } from "node:fs";

/** Its confinement (proc_pid_status(5), proc_pid_limits(5)). */
export interface Confinement {
  readonly noNewPrivileges: boolean;
  /** 0 none, 2 filtered. */
  readonly seccomp: number;
  readonly openFilesMax: string;
  readonly oomScoreAdj: number;
  /** Its namespaces that are not this process's. */
  readonly ownNamespaces: readonly string[];
}

const NAMESPACES = ["ipc", "mnt", "net", "pid", "uts"];

/** Reads it. Throws a system error when the process is gone. */
export function readConfinement(pid: number): Confinement {
  const read = (name: string) => readFileSync(`/proc/${pid}/${name}`, "utf8");
  const status = read("status");
  const inode = (of: number | string, name: string) => readlinkSync(`/proc/${of}/ns/${name}`);
  return {
    noNewPrivileges: /^NoNewPrivs:\s*1$/m.test(status),
    seccomp: Number(/^Seccomp:\s*(\d+)$/m.exec(status)?.[1]),
    openFilesMax: /^Max open files\s+(\S+)/m.exec(read("limits"))?.[1] ?? "",
    oomScoreAdj: Number(read("oom_score_adj")),
    ownNamespaces: NAMESPACES.filter((name) => inode(pid, name) !== inode("self", name)),
  };
}

/** Memory, from smaps_rollup (proc_pid_smaps_rollup(5)). */
export interface Memory {
  /** Proportional set size: what is mapped and in memory, shared pages divided among those that share them. */
  readonly pssBytes: number;
  /** Of it, pages of files: the kernel drops them first when memory is short, and reads them again. */
  readonly fileBytes: number;
}

/** Reads it. Throws a system error when the process is gone. */
export function readMemory(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, "m").exec(text)?.[1]) * 1_024;
  return { pssBytes: bytes("Pss"), fileBytes: bytes("Pss_File") };
}
