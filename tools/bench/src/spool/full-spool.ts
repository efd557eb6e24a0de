/** A spool with as many reports as it may hold, found at an opening: what its index costs. */
import { mkdirSync, writeFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  encodeFrame,
  openSpool,
  SEGMENT_MAX_RECORDS,
  SPOOL_MAX_RECORDS,
  type Spool,
  segmentPath,
} from "@lifeline/agent";
import { type Clock, NS_PER_MS, NS_PER_US } from "@lifeline/measure";
import { distributionOf } from "../distribution.ts";

/** What a full spool costs. */
export interface FullSpool {
  readonly records: number;
  readonly openMs: number;
  /** Heap for each record that is held, bytes: its place in the index, not its report. */
  readonly indexBytesPerRecord: number;
  /** Mean time to find the record behind any other, µs. */
  readonly nextAfterUs: number;
  /** Mean time of the figures, µs. */
  readonly statsUs: number;
  /** Median time of an append, with fdatasync, µs. */
  readonly appendP50Us: number;
}

const BOOT_ID_BYTES = 16;
const ROUNDS = 20_000;
const APPENDS = 300;

/** Fills `directory` and opens it. One segment below the bound, so that appending drops nothing. */
export async function measureFullSpool(clock: Clock, directory: string): Promise<FullSpool> {
  const records = SPOOL_MAX_RECORDS - SEGMENT_MAX_RECORDS;
  fill(directory, records);
  const before = heapBytes();
  const startedNs = clock.monotonicNs();
  const bootId = new Uint8Array(BOOT_ID_BYTES).fill(1);
  const spool = await openSpool({ directory, clock, bootId, onEvent: () => undefined });
  const openMs = (clock.monotonicNs() - startedNs) / NS_PER_MS;
  const indexBytesPerRecord = (heapBytes() - before) / spool.stats().heldReports;
  // A stride that is prime to the number of records visits all of them in an order without order.
  const nextAfterUs = meanUs(clock, (round) => spool.nextAfter((round * 7_919) % records));
  const statsUs = meanUs(clock, () => spool.stats());
  const appendP50Us = await appendUs(clock, spool);
  const held = spool.stats().heldReports;
  await spool.close();
  return { records: held, openMs, indexBytesPerRecord, nextAfterUs, statsUs, appendP50Us };
}

function fill(directory: string, records: number): void {
  mkdirSync(directory);
  const bootId = new Uint8Array(BOOT_ID_BYTES);
  for (let first = 0; first < records; first += SEGMENT_MAX_RECORDS) {
    const frames = Array.from({ length: SEGMENT_MAX_RECORDS }, (_, at) =>
      encodeFrame(bootId, first + at + 1, Buffer.from(`report ${first + at}`)),
    );
    writeFileSync(segmentPath(directory, 1 + first / SEGMENT_MAX_RECORDS), Buffer.concat(frames));
  }
}

async function appendUs(clock: Clock, spool: Spool): Promise<number> {
  const tookUs: number[] = [];
  for (let at = 0; at < APPENDS; at++) {
    const startedNs = clock.monotonicNs();
    await spool.append(Buffer.from(`report ${at}`));
    tookUs.push((clock.monotonicNs() - startedNs) / NS_PER_US);
  }
  return distributionOf(tookUs).p50;
}

function meanUs(clock: Clock, work: (round: number) => unknown): number {
  const startedNs = clock.monotonicNs();
  for (let round = 0; round < ROUNDS; round++) work(round);
  return (clock.monotonicNs() - startedNs) / NS_PER_US / ROUNDS;
}

/** Live heap, after garbage collection. */
function heapBytes(): number {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect === "function") collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
