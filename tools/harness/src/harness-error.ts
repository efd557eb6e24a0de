/**
 * - `not-started`: a program was not ready in time; the message has the end of its output.
 * - `process-gone`: a process to be read has ended.
 * - `cannot-run`: this host lacks what is needed; the message says what.
 */
export type HarnessErrorCode = "not-started" | "process-gone" | "cannot-run";

/** Expected trouble with a program or this host. */
export class HarnessError extends Error {
  override readonly name = "HarnessError";
  readonly code: HarnessErrorCode;

  constructor(code: HarnessErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
