/** The one error class that leaves this room. */

/**
 * - `cannot-run`: this host lacks something the bench needs (root, namespaces, a package); the message says what.
 * - `child-failed`: a process of the bench ended early, took too long, or printed something unexpected.
 * - `ambiguous-report`: a prober's report does not name the probe its figures belong to; the turn may be repeated.
 * - `malformed-capture`: the packet capture could not be read, or is incomplete.
 * - `mispaired`: reported and captured probes do not match one to one, so there is no figure.
 * - `interrupted`: a signal stopped the bench.
 */
export type BenchErrorCode =
  | "cannot-run"
  | "child-failed"
  | "ambiguous-report"
  | "malformed-capture"
  | "mispaired"
  | "interrupted";

/** Expected trouble in a bench: `code` is stable and is what callers branch on, the message is for people. */
export class BenchError extends Error {
  override readonly name = "BenchError";
  readonly code: BenchErrorCode;

  constructor(code: BenchErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The text of a thrown value: for messages only, never to branch on. */
export function reasonText(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
