/** Why the harness cannot go on. `code`: `usage`, `not-started` or `not-drained`. */
export class CrashError extends Error {
  readonly code: "usage" | "not-started" | "not-drained";
  constructor(code: CrashError["code"], message: string) {
    super(message);
    this.name = "CrashError";
    this.code = code;
  }
}
