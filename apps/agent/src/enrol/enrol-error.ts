/** Why there are no credentials, other than a failed call: no join token, or a file that cannot be read. */
export class EnrolError extends Error {
  readonly code: "no-token" | "unreadable";
  constructor(code: EnrolError["code"], message: string) {
    super(message);
    this.name = "EnrolError";
    this.code = code;
  }
}
