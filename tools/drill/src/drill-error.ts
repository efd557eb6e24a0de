/** What keeps a drill from being run. */

/**
 * - `cannot-run`: this machine lacks what the lab needs.
 * - `not-started`: a part of the test bed did not start.
 * - `not-well`: a node does not meet its rows while nothing is broken.
 */
export type DrillErrorCode = "cannot-run" | "not-started" | "not-well";

/** A drill that could not be run. */
export class DrillError extends Error {
  readonly code: DrillErrorCode;

  constructor(code: DrillErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
