/** Why the soak cannot go on. `code`: `usage`, or `not-started`. */
export class SoakError extends Error {
  readonly code: "usage" | "not-started";
  constructor(code: SoakError["code"], message: string) {
    super(message);
    this.name = "SoakError";
    this.code = code;
  }
}
