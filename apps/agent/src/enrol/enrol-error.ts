/** Why there are no credentials, apart from what a call ended with: no join token, or a disk that does not give what it keeps. */
export class EnrolError extends Error {
  readonly code: "no-token" | "unreadable";
  constructor(code: EnrolError["code"], message: string) {
    super(message);
    this.name = "EnrolError";
    this.code = code;
  }
}
