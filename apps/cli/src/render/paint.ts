/** Colours for terminals. Colour is never the only sign of a meaning. */
import { styleText } from "node:util";
import { visibleLines } from "@lifeline/measure";
import type { Verdict } from "@lifeline/verdict";

/** Styles used, by what they mean. */
export type Tone = "good" | "warning" | "bad" | "open" | "faint" | "strong";

const FORMATS = {
  good: "green",
  warning: "yellow",
  bad: "red",
  open: "magenta",
  faint: "dim",
  strong: "bold",
} as const satisfies Record<Tone, string>;

/** The text in the tone's colour; unchanged without a tone or without colour. */
export function paint(text: string, tone: Tone | undefined, color: boolean): string {
  // Whether the stream takes colour is decided once, by the caller, from the streams it was given.
  return tone === undefined || !color ? text : styleText(FORMATS[tone], text, { validateStream: false });
}

/** What {@link paint} adds. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for.
const STYLE = /(\u001b\[\d{1,2}m)/;

/**
 * Lines as they go to a terminal. This is the last filter: only line feeds and, with colour, what {@link paint} adds
 * pass as they are.
 */
export function screenText(text: string, color: boolean): string {
  if (!color) return visibleLines(text);
  return text
    .split(STYLE)
    .map((part, at) => (at % 2 === 1 ? part : visibleLines(part)))
    .join("");
}

/**
 * How a verdict looks: a sign of its own beside the word, so that unknown is not taken for met without colour either.
 */
export const VERDICT_LOOKS: Readonly<Record<Verdict, { readonly text: string; readonly tone: Tone }>> = {
  met: { text: "✓ met", tone: "good" },
  degraded: { text: "~ degraded", tone: "warning" },
  unmet: { text: "✗ unmet", tone: "bad" },
  unknown: { text: "? unknown", tone: "open" },
  "not-applicable": { text: "· n/a", tone: "faint" },
};
