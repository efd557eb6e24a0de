/**
 * What a process uses, as Linux reports it under /proc (proc_pid_smaps_rollup(5);
 * Documentation/scheduler/sched-stats.rst).
 */
import { readdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { HarnessError } from "./harness-error.ts";

/** Memory and processor time of one process. */
export interface ProcessUsage {
  /** Time on a processor since the start, of all its living threads, ns. */
  readonly cpuNs: number;
  /** Resident: everything mapped and in memory, shared pages counted whole. */
  readonly rssBytes: number;
  /** Proportional: shared pages divided by the processes that share them. */
  readonly pssBytes: number;
  /** Pages that this process alone holds, clean or dirty. */
  readonly privateBytes: number;
  /** Pages of no file: heap and stacks. */
  readonly anonymousBytes: number;
  readonly threads: number;
  /** Open descriptors. */
  readonly descriptors: number;
}

const BYTES_PER_KB = 1_024;

/**
 * Reads the usage of a living process. Throws `process-gone` when it is gone, `cannot-run` when this kernel does not
 * report it.
 */
export async function readUsage(pid: number): Promise<ProcessUsage> {
  const [cpuNs, rollup, threads, descriptors] = await Promise.all([
    readCpuNs(pid),
    read(`/proc/${pid}/smaps_rollup`),
    list(`/proc/${pid}/task`),
    list(`/proc/${pid}/fd`),
  ]);
  return { cpuNs, ...parseSmapsRollup(rollup), threads: threads.length, descriptors: descriptors.length };
}

/**
 * Processor time of all living threads, ns. A thread that ends takes its time along: for processes of steady threads.
 */
export async function readCpuNs(pid: number): Promise<number> {
  const threads = await list(`/proc/${pid}/task`);
  const texts = await Promise.all(threads.map((thread) => read(`/proc/${pid}/task/${thread}/schedstat`)));
  return texts.reduce((sumNs, text) => sumNs + parseSchedstat(text).ranNs, 0);
}

/** Time that a thread ran, and time that it could have run and had no processor. */
export interface Schedstat {
  readonly ranNs: number;
  readonly waitedNs: number;
}

/** The first two of a schedstat's three numbers. Throws `cannot-run`. */
export function parseSchedstat(text: string): Schedstat {
  const match = /^(\d+) (\d+) \d+\n?$/.exec(text);
  if (match === null) throw new HarnessError("cannot-run", `schedstat: "${text.trim()}"; expected three numbers`);
  return { ranNs: Number(match[1]), waitedNs: Number(match[2]) };
}

/** The sums of a smaps_rollup. Throws `cannot-run` when one is missing. */
export function parseSmapsRollup(text: string): Omit<ProcessUsage, "cpuNs" | "threads" | "descriptors"> {
  const bytesOf = (name: string) => {
    const match = new RegExp(`^${name}: +(\\d+) kB$`, "m").exec(text);
    if (match === null) throw new HarnessError("cannot-run", `smaps_rollup: no ${name}`);
    return Number(match[1]) * BYTES_PER_KB;
  };
  return {
    rssBytes: bytesOf("Rss"),
    pssBytes: bytesOf("Pss"),
    privateBytes: bytesOf("Private_Clean") + bytesOf("Private_Dirty"),
    anonymousBytes: bytesOf("Anonymous"),
  };
}

/** What a folder of a process holds. Throws `process-gone` when the process is gone. */
async function list(path: string): Promise<readonly string[]> {
  return readdir(path).catch(() => {
    throw new HarnessError("process-gone", `${path} is gone: the process has ended`);
  });
}

/** Throws `process-gone` when the process is gone, `cannot-run` when this kernel has no such file of a living one. */
async function read(path: string): Promise<string> {
  return readFile(path, "utf8").catch(async (error: unknown) => {
    await list(dirname(path));
    throw new HarnessError("cannot-run", `${path} cannot be read`, { cause: error });
  });
}
