/** What is asserted of an extension that runs, and what was seen. */

/** One check. */
export interface Check {
  /** `v1.12`, `v1.14`, or an architecture for what is said of its image. */
  readonly of: string;
  readonly name: string;
  readonly isRight: boolean;
  /** In a sentence. */
  readonly seen: string;
}

/** A check as a line. */
export function checkLine({ of, name, isRight, seen }: Check): string {
  return `${isRight ? "ok   " : "WRONG"} ${of.padEnd(6)} ${name.padEnd(18)} ${seen}`;
}
