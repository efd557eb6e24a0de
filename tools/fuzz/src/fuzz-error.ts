/** Why the fuzzer cannot go on. `code`: `usage`, or `worker` when what decodes ended for a reason that no input explains. */
export class FuzzError extends Error {
  readonly code: "usage" | "worker";
  constructor(code: FuzzError["code"], message: string) {
    super(message);
    this.name = "FuzzError";
    this.code = code;
  }
}
