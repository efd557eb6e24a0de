/** Why something was not admitted. */
import { visibleText } from "@lifeline/measure";

/** The field, and what it has and should have. */
export interface Refused {
  readonly field: string;
  readonly detail: string;
}

/** Text of a peer, quoted, with its first 80 characters, none of which can control a terminal. */
export function quotedText(text: string): string {
  return `"${visibleText(text.slice(0, 80))}"`;
}
