/** How many columns of a terminal a text takes, and cutting it to fit. */
import { visibleText } from "@lifeline/measure";

/** Marks what was cut. One column wide. */
export const ELLIPSIS = "…";

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

/** Two columns wide: East Asian Wide and Fullwidth blocks (Unicode UAX #11), and emoji shown as pictures (UTS #51). */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;

/** Takes no column of its own: combining marks and format characters. */
const ZERO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]+$/u;

/** Columns that visible text takes. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const { segment } of graphemes.segment(text)) width += graphemeWidth(segment);
  return width;
}

/** The text in at most `width` columns; what does not fit is replaced by … at the end. */
export function truncateEnd(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  return width <= 0 ? "" : headOf(text, width - 1) + ELLIPSIS;
}

/** The text in at most `width` columns; … stands in the middle, since an endpoint's end is its port. */
export function truncateMiddle(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  if (width <= 0) return "";
  const tailWidth = Math.floor(width / 2);
  return headOf(text, width - 1 - tailWidth) + ELLIPSIS + tailOf(text, tailWidth);
}

/** The text with spaces up to `width` columns, on the right or on the left. */
export function padded(text: string, width: number, align: "left" | "right"): string {
  const space = " ".repeat(Math.max(0, width - displayWidth(text)));
  return align === "left" ? text + space : space + text;
}

/**
 * A sentence as visible text, in lines of at most `width` columns; undefined: in one line. A longer word has a line of
 * its own and is cut.
 */
export function proseLines(text: string, width: number | undefined): string[] {
  return width === undefined ? [visibleText(text)] : wrapped(visibleText(text), width);
}

/** Breaks at spaces. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line === "" || displayWidth(longer) <= width) line = longer;
    else {
      lines.push(truncateEnd(line, width));
      line = word;
    }
  }
  return [...lines, truncateEnd(line, width)];
}

function headOf(text: string, width: number): string {
  return takeWithin(
    [...graphemes.segment(text)].map(({ segment }) => segment),
    width,
  ).join("");
}

function tailOf(text: string, width: number): string {
  const backwards = [...graphemes.segment(text)].map(({ segment }) => segment).reverse();
  return takeWithin(backwards, width).reverse().join("");
}

function takeWithin(segments: readonly string[], width: number): string[] {
  const taken: string[] = [];
  let used = 0;
  for (const segment of segments) {
    used += graphemeWidth(segment);
    if (used > width) break;
    taken.push(segment);
  }
  return taken;
}

function graphemeWidth(segment: string): number {
  if (ZERO_WIDTH.test(segment)) return 0;
  return WIDE.test(segment) ? 2 : 1;
}
