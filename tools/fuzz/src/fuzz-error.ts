/** The fuzzer cannot go on: the thread with the decoders ended, and no input explains why. */
export class FuzzError extends Error {
  override readonly name = "FuzzError";
  readonly code = "worker";
}
