/**
 * The store as the collector sees it: operations go in one by one, and are committed together.
 *
 * 1. An operation's promise resolves only after its transaction is on disk (U1).
 * 2. While one batch commits the next gathers: under load fewer, larger commits (group commit), at rest no delay.
 * 3. The queue is bounded in operations and bytes; what does not fit is refused at once and counted (S2).
 * 4. When the thread dies unasked, `onDeath` is called once: the collector ends, and starts anew from the disk.
 */
import { Worker } from "node:worker_threads";
import type { Clock } from "@lifeline/measure";
import type { Batch, BatchResult, OpenResult, Operation, OperationName, StoreOperations } from "./record.ts";

/** Most operations waiting, and most payload bytes among them; 64 MiB is sixteen reports of the largest size. */
export const MAX_QUEUED_OPERATIONS = 8_192;
export const MAX_QUEUED_BYTES = 64 * 1024 * 1024;

/** Most operations in one transaction: 1,000 rows a commit is where node:sqlite stops gaining. */
const MAX_BATCH_OPERATIONS = 1_024;

/** Why an operation was not done. `code`: `queue-full`, `closed`, `died`, or the database's own. */
export class StoreError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.name = "StoreError";
    this.code = code;
  }
}

/** What the store tells its owner. */
export interface StoreEvents {
  /** One transaction was committed, so long after it was handed over. */
  onCommit(durationNs: number, operations: number): void;
  /** One transaction failed; nothing of it happened. */
  onFailure(code: string, detail: string): void;
  /** The queue was full. */
  onOverflow(): void;
  /** The thread ended unasked. */
  onDeath(error: Error): void;
}

/** An open store. */
export interface Store {
  /** Queues one operation; resolves once durable, rejects with {@link StoreError}. */
  submit<K extends OperationName>(name: K, input: StoreOperations[K]["input"]): Promise<StoreOperations[K]["output"]>;
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
  const queue: Waiting[] = [];
  let queuedBytes = 0;
  let underWay: readonly Waiting[] = [];
  let beganNs = 0;
  let ended: StoreError | undefined;
  const drained: (() => void)[] = [];

  const next = () => {
    underWay = queue.splice(0, MAX_BATCH_OPERATIONS);
    for (const { bytes } of underWay) queuedBytes -= bytes;
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
    ended ??= new StoreError("died", "the store's thread has ended");
    for (const waiting of [...underWay, ...queue.splice(0)]) waiting.reject(ended);
    underWay = [];
    for (const wake of drained.splice(0)) wake();
    if (!asked) events.onDeath(death ?? new Error(`the store's thread exited with ${exitCode}`));
  });
  return {
    submit(name, input) {
      const bytes = "payload" in input ? input.payload.byteLength : 0;
      if (ended !== undefined) return Promise.reject(ended);
      if (queue.length >= MAX_QUEUED_OPERATIONS || queuedBytes + bytes > MAX_QUEUED_BYTES) {
        events.onOverflow();
        return Promise.reject(new StoreError("queue-full", `${queue.length} operations wait for the store`));
      }
      queuedBytes += bytes;
      return new Promise((resolve, reject) => {
        const operation = { name, input } as Operation;
        queue.push({ operation, bytes, resolve: resolve as (output: unknown) => void, reject });
        // Waits for the end of this turn, so that what arrives together is committed together.
        if (underWay.length === 0 && queue.length === 1) queueMicrotask(() => underWay.length === 0 && next());
      });
    },
    pending: () => queue.length + underWay.length,
    load: () => Math.max(queue.length / MAX_QUEUED_OPERATIONS, queuedBytes / MAX_QUEUED_BYTES),
    async close() {
      if (ended !== undefined) return;
      if (queue.length + underWay.length > 0) await new Promise<void>((resolve) => drained.push(resolve));
      ended ??= new StoreError("closed", "the store is closed");
      const gone = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
      worker.postMessage("close");
      await gone;
    },
  };
}

function settle(waiting: Waiting, result: BatchResult, at: number): void {
  if (result.ok) waiting.resolve(result.outputs[at]);
  else waiting.reject(new StoreError(result.code, result.detail));
}
