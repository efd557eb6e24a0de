/** What the processes hold, as Linux tells it under /proc, and the size of the database. */
import { readdir, stat } from "node:fs/promises";
import { readUsage } from "@lifeline/bench";

/** One process at one moment. MB are 10^6 bytes. */
export interface ProcessReading {
  readonly rssMb: number;
  readonly pssMb: number;
  readonly anonymousMb: number;
  readonly descriptors: number;
  readonly threads: number;
}

/** Everything at one moment. */
export interface Sample {
  /** Since the soak began. */
  readonly seconds: number;
  readonly agent: ProcessReading;
  readonly collector: ProcessReading;
  /** The database with its log (SQLite's -wal). */
  readonly databaseMb: number;
}

const BYTES_PER_MB = 1e6;

/** Reads a living process. Rejects when it is gone. */
export async function readProcess(pid: number): Promise<ProcessReading> {
  const [usage, descriptors, threads] = await Promise.all([
    readUsage(pid),
    readdir(`/proc/${pid}/fd`),
    readdir(`/proc/${pid}/task`),
  ]);
  return {
    rssMb: usage.rssBytes / BYTES_PER_MB,
    pssMb: usage.pssBytes / BYTES_PER_MB,
    anonymousMb: usage.anonymousBytes / BYTES_PER_MB,
    descriptors: descriptors.length,
    threads: threads.length,
  };
}

/** Size of the database at `path` and what SQLite keeps beside it. */
export async function readDatabaseMb(path: string): Promise<number> {
  const sizes = await Promise.all(
    [path, `${path}-wal`].map((file) =>
      // There is no -wal while nothing is written.
      stat(file).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0) / BYTES_PER_MB;
}
