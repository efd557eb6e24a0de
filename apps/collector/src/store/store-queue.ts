/** The operations that wait for the store: bounded, fair between nodes, and taken in batches. */
import type { Clock } from "@lifeline/measure";
import { FairQueue } from "../streams/fair-queue.ts";
import type { Operation } from "./store-operations.ts";

/** Most operations waiting, and most payload bytes among them; 64 MiB is sixteen reports of the largest size. */
const MAX_QUEUED_OPERATIONS = 8_192;
const MAX_QUEUED_BYTES = 64 * 1024 * 1024;

/** Payloads of more bytes are large. A report of 96 windows has 10 to 100 KiB. */
const LARGE_BYTES = 128 * 1024;

/**
 * Share of the queue that large ones may fill: a little more than what makes late reports wait (backlog-limiter.ts).
 */
const LARGE_SHARE = 3 / 4;

/** Most operations in one transaction: 1,000 rows a commit is where node:sqlite stops gaining. */
const MAX_BATCH_OPERATIONS = 1_024;

/** Rows after which a transaction takes no more operations: at 7 µs a row the next one waits for some 15 ms. */
const MAX_BATCH_ROWS = 2_048;

/** Bytes of a payload that take as long as a row. */
const BYTES_PER_ROW = 2_048;

/** Rows so few that no other node waits for them: a few reports of 96 windows. */
const FEW_ROWS = 512;

/** An operation and its promise. */
export interface Waiting {
  readonly operation: Operation;
  resolve(output: unknown): void;
  reject(error: Error): void;
}

export class StoreQueue {
  readonly #waiting: FairQueue<Waiting>;
  #bytes = 0;
  #room = Promise.withResolvers<void>();

  constructor(clock: Clock) {
    this.#waiting = new FairQueue(clock, FEW_ROWS);
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** How full it is, of operations or of bytes, whichever is fuller: 0 to 1. */
  load(): number {
    return Math.max(this.size / MAX_QUEUED_OPERATIONS, this.#bytes / MAX_QUEUED_BYTES);
  }

  /** False: it has no room. Operations of one node keep their order. */
  push(waiting: Waiting): boolean {
    const bytes = payloadBytes(waiting.operation);
    if (!this.#hasRoom(bytes, 1)) return false;
    this.#bytes += bytes;
    this.#waiting.push(ownerOf(waiting.operation), waiting);
    return true;
  }

  /** Resolves when there may be room for a payload of so many bytes; undefined: there is. */
  room(bytes: number): Promise<void> | undefined {
    return this.#hasRoom(bytes, bytes > LARGE_BYTES ? LARGE_SHARE : 1) ? undefined : this.#room.promise;
  }

  /**
   * Takes the operations of the next transaction. The nodes with the fewest rows written lately come first
   * (fair-queue.ts).
   */
  takeBatch(): readonly Waiting[] {
    const batch: Waiting[] = [];
    let rows = 0;
    const take = (waiting: Waiting): number => {
      const cost = rowsOf(waiting.operation);
      batch.push(waiting);
      rows += cost;
      this.#bytes -= payloadBytes(waiting.operation);
      return cost;
    };
    while (batch.length < MAX_BATCH_OPERATIONS && rows < MAX_BATCH_ROWS && this.#waiting.serve(take));
    this.#wakeAll();
    return batch;
  }

  /** Takes everything that waits. */
  clear(): readonly Waiting[] {
    const all = this.#waiting.clear();
    this.#wakeAll();
    return all;
  }

  #hasRoom(bytes: number, share: number): boolean {
    return this.size < MAX_QUEUED_OPERATIONS * share && this.#bytes + bytes <= MAX_QUEUED_BYTES * share;
  }

  #wakeAll(): void {
    this.#room.resolve();
    this.#room = Promise.withResolvers();
  }
}

function payloadBytes({ input }: Operation): number {
  return "payload" in input ? input.payload.byteLength : 0;
}

/** The node whose turn an operation takes; empty: the collector's own. */
function ownerOf({ input }: Operation): string {
  return "nodeId" in input ? input.nodeId : "";
}

/** What an operation costs, in rows: those it writes, its payload, and one for itself. */
function rowsOf({ name, input }: Operation): number {
  if (name === "saveReport") return 1 + input.windows.length + input.payload.byteLength / BYTES_PER_ROW;
  return name === "saveVerdicts" ? 1 + input.verdicts.length : 1;
}
