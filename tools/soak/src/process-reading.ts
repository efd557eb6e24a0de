/** Memory, descriptors and threads of a process (Linux /proc), and the size of the database. */
import { stat } from "node:fs/promises";
import { readUsage } from "@lifeline/harness";

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
  /** The database with its write-ahead log. */
  readonly databaseMb: number;
}

const BYTES_PER_MB = 1e6;

/** Reads a process. Rejects with a HarnessError when it has ended. */
export async function readProcess(pid: number): Promise<ProcessReading> {
  const usage = await readUsage(pid);
  return {
    rssMb: usage.rssBytes / BYTES_PER_MB,
    pssMb: usage.pssBytes / BYTES_PER_MB,
    anonymousMb: usage.anonymousBytes / BYTES_PER_MB,
    descriptors: usage.descriptors,
    threads: usage.threads,
  };
}

/** Size of the database at `path` and of its write-ahead log. */
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
