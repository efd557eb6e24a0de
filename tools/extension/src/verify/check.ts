/** What is checked of a running extension. */

/** One check. */
export interface Check {
  /** `v1.12` or `v1.14`; an architecture for a check of its image. */
  readonly of: string;
  readonly name: string;
  readonly isRight: boolean;
  /** What was seen, in a sentence. */
  readonly seen: string;
}

/** Takes one check of a profile or an architecture. */
export type Report = (name: string, isRight: boolean, seen: string) => void;

/** A check as a line. */
export function checkLine({ of, name, isRight, seen }: Check): string {
  return `${isRight ? "ok   " : "WRONG"} ${of.padEnd(6)} ${name.padEnd(18)} ${seen}`;
}
