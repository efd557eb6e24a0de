/** The run cannot go on. `not-drained`: a program ended while its last reports or its enrolment were awaited. */
export class CrashError extends Error {
  override readonly name = "CrashError";
  readonly code = "not-drained";
}
