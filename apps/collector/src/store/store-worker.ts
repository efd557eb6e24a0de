/**
 * The store's thread: opens the database, then runs batches one after another. When it crashes, the collector ends
 * (crash-only).
 */
import { parentPort, workerData } from "node:worker_threads";
import { openDatabase } from "./database.ts";
import type { Batch, BatchResult, OpenResult } from "./store-operations.ts";

if (parentPort === null) throw new TypeError("the store's thread was started as a program");
const port = parentPort;

/** SQLite's error code where it has one, else the error's own. */
function failure(error: unknown): { code: string; detail: string } {
  if (!(error instanceof Error)) throw error;
  const errcode = "errcode" in error ? `sqlite-${String(error.errcode)}` : undefined;
  const code = errcode ?? ("code" in error ? String(error.code) : undefined);
  if (code === undefined) throw error; // A defect: the thread ends, and the process with it.
  return { code, detail: error.message };
}

function opened(path: string) {
  try {
    return openDatabase(path);
  } catch (error) {
    port.postMessage({ opened: false, ...failure(error) } satisfies OpenResult);
    return undefined;
  }
}

const database = opened(String(workerData.path));
if (database !== undefined) {
  port.on("message", (message: Batch | "close") => {
    if (message === "close") {
      database.close();
      port.close();
      return;
    }
    let result: BatchResult;
    try {
      result = { ok: true, outputs: database.run(message.operations) };
    } catch (error) {
      result = { ok: false, ...failure(error) };
    }
    port.postMessage(result);
  });
  port.postMessage({ opened: true } satisfies OpenResult);
}
