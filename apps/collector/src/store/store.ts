/**
 * The store as the collector sees it: operations go in one by one, and are committed together.
 *
 * 1. An operation's promise resolves only after its transaction is on disk (U1).
 * 2. While one batch commits the next one gathers: fewer, larger commits under load (group commit), no delay at rest.
 * 3. The queue is bounded in operations and bytes (store-queue.ts). What does not fit is refused at once and counted
 *    (S2). A caller that can wait calls `room` first. Large payloads may fill three quarters of the queue, so that
 *    small ones find room.
 * 4. When the thread ends without being closed, `onStoreCrash` is called once: the collector ends, and starts again
 *    from the disk.
 */
import { Worker } from "node:worker_threads";
import type { Clock } from "@lifeline/measure";
import type { Batch, BatchResult, OpenResult, Operation, OperationName, StoreOperations } from "./store-operations.ts";
import { StoreQueue, type Waiting } from "./store-queue.ts";

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

/** Runs from source (Node strips types) and from the build alike. */
const workerUrl = new URL(`./store-worker${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

/** Opens the database at `path` in a thread of its own. Rejects with {@link StoreError} when it cannot be opened. */
export async function openStore(path: string, clock: Clock, events: StoreEvents): Promise<Store> {
  const worker = new Worker(workerUrl, { workerData: { path } });
  await opening(worker);
  return new Store(worker, clock, events);
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

export class Store {
  readonly #worker: Worker;
  readonly #clock: Clock;
  readonly #events: StoreEvents;
  readonly #queue: StoreQueue;
  #underWay: readonly Waiting[] = [];
  #beganNs = 0;
  #ended: StoreError | undefined;
  /** Resolves when nothing waits and nothing is under way. Undefined: nothing waits for that. */
  #drained: PromiseWithResolvers<void> | undefined;

  constructor(worker: Worker, clock: Clock, events: StoreEvents) {
    this.#worker = worker;
    this.#clock = clock;
    this.#events = events;
    this.#queue = new StoreQueue(clock);
    let cause: unknown;
    worker.on("message", (result: BatchResult) => this.#onResult(result));
    worker.on("error", (error) => {
      cause = error;
    });
    worker.once("exit", (exitCode) => {
      this.#onExit(
        cause instanceof Error ? cause : new Error(String(cause ?? `the store's thread exited with ${exitCode}`)),
      );
    });
  }

  /** Queues one operation; resolves once durable, rejects with {@link StoreError}. */
  submit<K extends OperationName>(name: K, input: StoreOperations[K]["input"]): Promise<StoreOperations[K]["output"]> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const { promise, resolve, reject } = Promise.withResolvers<StoreOperations[K]["output"]>();
    const operation = { name, input } as Operation;
    if (!this.#queue.push({ operation, resolve: resolve as (output: unknown) => void, reject })) {
      this.#events.onOverflow();
      return Promise.reject(new StoreError("queue-full", `${this.#queue.size} operations wait for the store`));
    }
    // Waits for the end of this turn, so that what arrives together is committed together.
    if (this.#underWay.length === 0 && this.#queue.size === 1) {
      queueMicrotask(() => this.#underWay.length === 0 && this.#next());
    }
    return promise;
  }

  /**
   * Resolves when there may be room for a payload of so many bytes; undefined: there is. The caller counts the wait,
   * and calls again.
   */
  room(bytes: number): Promise<void> | undefined {
    return this.#ended === undefined ? this.#queue.room(bytes) : undefined;
  }

  /** Operations waiting or under way. */
  pending(): number {
    return this.#queue.size + this.#underWay.length;
  }

  /** How full the queue is: 0 to 1. */
  load(): number {
    return this.#queue.load();
  }

  /** Commits what was submitted, then closes the database. */
  async close(): Promise<void> {
    if (this.#ended !== undefined) return;
    if (this.pending() > 0) {
      this.#drained ??= Promise.withResolvers();
      await this.#drained.promise;
    }
    this.#ended ??= new StoreError("closed", "the store is closed");
    const exited = new Promise<void>((resolve) => this.#worker.once("exit", () => resolve()));
    this.#worker.postMessage("close");
    await exited;
  }

  #next(): void {
    this.#underWay = this.#queue.takeBatch();
    this.#beganNs = this.#clock.monotonicNs();
    if (this.#underWay.length === 0) this.#drained?.resolve();
    else this.#worker.postMessage({ operations: this.#underWay.map(({ operation }) => operation) } satisfies Batch);
  }

  #onResult(result: BatchResult): void {
    const done = this.#underWay;
    if (result.ok) this.#events.onCommit(this.#clock.monotonicNs() - this.#beganNs, done.length);
    else this.#events.onFailure(result.code, result.detail);
    for (const [at, waiting] of done.entries()) {
      if (result.ok) waiting.resolve(result.outputs[at]);
      else waiting.reject(new StoreError(result.code, result.detail));
    }
    this.#next();
  }

  #onExit(error: Error): void {
    const wasClosed = this.#ended !== undefined;
    this.#ended ??= new StoreError("crashed", "the store's thread has ended");
    for (const waiting of [...this.#underWay, ...this.#queue.clear()]) waiting.reject(this.#ended);
    this.#underWay = [];
    this.#drained?.resolve();
    if (!wasClosed) this.#events.onStoreCrash(error);
  }
}
