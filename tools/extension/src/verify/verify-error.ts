/** Why a run cannot go on. `code`: `usage`, `cannot-run` (the machine lacks something), `failed` (a tool said no) or `late`. */
export class VerifyError extends Error {
  readonly code: "usage" | "cannot-run" | "failed" | "late";
  constructor(code: VerifyError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "VerifyError";
    this.code = code;
  }
}
