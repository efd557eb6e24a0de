/**
 * The store as the collector sees it: operations go in one by one, and are committed together.
 *
 * 1. An operation's promise resolves only after its transaction is on disk (U1).
 * 2. While one batch commits the next one gathers: fewer, larger commits under load (group commit), no delay at rest. A batch is bounded
 *    in rows, and the next one takes the nodes first that had fewest rows written lately (fair-queue.ts).
 * 3. The queue is bounded in operations and bytes. What does not fit is refused at once and counted (S2). A caller that can wait calls
 *    `room` first. Large payloads may fill three quarters of the queue, so that small ones find room.
 * 4. When the thread ends without being closed, `onStoreCrash` is called once: the collector ends, and starts again from the disk.
 */
import { Worker } from "node:worker_threads";
import type { Clock } from "@lifeline/measure";
import { FairQueue } from "../streams/fair-queue.ts";
import type { Batch, BatchResult, OpenResult, Operation, OperationName, StoreOperations } from "./store-operations.ts";

/** Most operations waiting, and most payload bytes among them; 64 MiB is sixteen reports of the largest size. */
export const MAX_QUEUED_OPERATIONS = 8_192;
export const MAX_QUEUED_BYTES = 64 * 1024 * 1024;

/** Payloads of more bytes are large. A report of 96 windows has 10 to 100 KiB. */
const LARGE_BYTES = 128 * 1024;

/** Share of the queue that large ones may fill: a little more than what makes late reports wait (backlog-limiter.ts). */
const LARGE_SHARE = 3 / 4;

/** Most operations in one transaction: 1,000 rows a commit is where node:sqlite stops gaining. */
const MAX_BATCH_OPERATIONS = 1_024;

/** Rows after which a transaction takes no more operations: at 7 µs a row the next one waits for some 15 ms. */
const MAX_BATCH_ROWS = 2_048;

/** Bytes of a payload that take as long as a row. */
const BYTES_PER_ROW = 2_048;

/** Rows so few that no other node waits for them: a few reports of 96 windows. */
const FEW_ROWS = 512;

/** Why an operation was not done. `code`: `queue-full`, `closed`, `crashed`, or the database's own. */
export class StoreError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.name = "StoreError";
    this.code = code;
  }
}

/** What the store reports. */
export interface StoreEvents {
  /** One transaction was committed, so long after it was handed over. */
  onCommit(durationNs: number, operations: number): void;
  /** One transaction failed; nothing of it happened. */
  onFailure(code: string, detail: string): void;
  /** The queue was full, and an operation refused. */
  onOverflow(): void;
  /** The thread ended without being closed. */
  onStoreCrash(error: Error): void;
}

/** An open store. */
export interface Store {
  /** Queues one operation; resolves once durable, rejects with {@link StoreError}. */
  submit<K extends OperationName>(name: K, input: StoreOperations[K]["input"]): Promise<StoreOperations[K]["output"]>;
  /** Resolves when there may be room for a payload of so many bytes; undefined: there is. The caller counts the wait, and calls again. */
  room(bytes: number): Promise<void> | undefined;
  /** Operations waiting or under way. */
  pending(): number;
  /** How full the queue is, of operations or of bytes, whichever is fuller: 0 to 1. */
  load(): number;
  /** Commits what was submitted, then closes the database. */
  close(): Promise<void>;
}

interface Waiting {
  readonly operation: Operation;
  readonly bytes: number;
  resolve(output: unknown): void;
  reject(error: StoreError): void;
}

/** Runs from source (Node strips types) and from the build alike. */
const workerUrl = new URL(`./store-worker${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

/** Opens the database at `path` in a thread of its own. Rejects with {@link StoreError} when it cannot be opened. */
export async function openStore(path: string, clock: Clock, events: StoreEvents): Promise<Store> {
  const worker = new Worker(workerUrl, { workerData: { path } });
  await opening(worker);
  return storeOn(worker, clock, events);
}

function opening(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.once("error", reject);
    worker.once("message", (result: OpenResult) => {
      worker.off("error", reject);
      if (result.opened) resolve();
      else reject(new StoreError(result.code, result.detail));
    });
  });
}

function storeOn(worker: Worker, clock: Clock, events: StoreEvents): Store {
  const queue = new FairQueue<Waiting>(clock, FEW_ROWS);
  let queuedBytes = 0;
  let underWay: readonly Waiting[] = [];
  let beganNs = 0;
  let ended: StoreError | undefined;
  const drained: (() => void)[] = [];
  let room = Promise.withResolvers<void>();
  const makeRoom = () => {
    room.resolve();
    room = Promise.withResolvers();
  };
  const hasRoom = (bytes: number, share: number) =>
    queue.size < MAX_QUEUED_OPERATIONS * share && queuedBytes + bytes <= MAX_QUEUED_BYTES * share;

  const nextBatch = (): readonly Waiting[] => {
    const batch: Waiting[] = [];
    let rows = 0;
    const take = (waiting: Waiting): number => {
      const own = rowsOf(waiting.operation);
      batch.push(waiting);
      rows += own;
      queuedBytes -= waiting.bytes;
      return own;
    };
    while (batch.length < MAX_BATCH_OPERATIONS && rows < MAX_BATCH_ROWS && queue.serve(take));
    return batch;
  };
  const next = () => {
    underWay = nextBatch();
    makeRoom();
    beganNs = clock.monotonicNs();
    if (underWay.length === 0) for (const wake of drained.splice(0)) wake();
    else worker.postMessage({ operations: underWay.map(({ operation }) => operation) } satisfies Batch);
  };
  worker.on("message", (result: BatchResult) => {
    const done = underWay;
    if (result.ok) events.onCommit(clock.monotonicNs() - beganNs, done.length);
    else events.onFailure(result.code, result.detail);
    for (const [at, waiting] of done.entries()) settle(waiting, result, at);
    next();
  });
  let death: Error | undefined;
  worker.on("error", (error) => {
    death = error instanceof Error ? error : new Error(String(error));
  });
  worker.once("exit", (exitCode) => {
    const asked = ended !== undefined;
    ended ??= new StoreError("crashed", "the store's thread has ended");
    for (const waiting of [...underWay, ...queue.clear()]) waiting.reject(ended);
    underWay = [];
    makeRoom();
    for (const wake of drained.splice(0)) wake();
    if (!asked) events.onStoreCrash(death ?? new Error(`the store's thread exited with ${exitCode}`));
  });
  return {
    submit(name, input) {
      const bytes = "payload" in input ? input.payload.byteLength : 0;
      if (ended !== undefined) return Promise.reject(ended);
      if (!hasRoom(bytes, 1)) {
        events.onOverflow();
        return Promise.reject(new StoreError("queue-full", `${queue.size} operations wait for the store`));
      }
      queuedBytes += bytes;
      return new Promise((resolve, reject) => {
        const operation = { name, input } as Operation;
        queue.push(ownerOf(operation), { operation, bytes, resolve: resolve as (output: unknown) => void, reject });
        // Waits for the end of this turn, so that what arrives together is committed together.
        if (underWay.length === 0 && queue.size === 1) queueMicrotask(() => underWay.length === 0 && next());
      });
    },
    room(bytes) {
      if (ended !== undefined || hasRoom(bytes, bytes > LARGE_BYTES ? LARGE_SHARE : 1)) return undefined;
      return room.promise;
    },
    pending: () => queue.size + underWay.length,
    load: () => Math.max(queue.size / MAX_QUEUED_OPERATIONS, queuedBytes / MAX_QUEUED_BYTES),
    async close() {
      if (ended !== undefined) return;
      if (queue.size + underWay.length > 0) await new Promise<void>((resolve) => drained.push(resolve));
      ended ??= new StoreError("closed", "the store is closed");
      const gone = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
      worker.postMessage("close");
      await gone;
    },
  };
}

/** The node whose turn an operation takes; empty: the collector's own. Operations of one node keep their order. */
function ownerOf({ input }: Operation): string {
  return "nodeId" in input ? input.nodeId : "";
}

/** What an operation costs, in rows: those it writes, its payload, and one for itself. */
function rowsOf({ name, input }: Operation): number {
  if (name === "saveReport") {
    return 1 + input.windows.length + input.payload.byteLength / BYTES_PER_ROW;
  }
  return name === "saveVerdicts" ? 1 + input.verdicts.length : 1;
}

function settle(waiting: Waiting, result: BatchResult, at: number): void {
  if (result.ok) waiting.resolve(result.outputs[at]);
  else waiting.reject(new StoreError(result.code, result.detail));
}
