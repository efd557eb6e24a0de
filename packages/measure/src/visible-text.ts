/**
 * Makes untrusted text safe to show: text of a node, a measured peer, a certificate or a DNS answer.
 *
 * 1. A character that is invisible, changes the direction of text, or controls a terminal becomes its code point:
 *    `\u{202E}`.
 * 2. Ordinary text stays: letters of every script, combining marks, emoji.
 * 3. Filtering twice changes nothing, so each boundary filters and relies on no other.
 */

/**
 * Characters that are never shown as they are (classes of Unicode, UAX #44):
 *
 * - Cc: C0, DEL and C1, which control terminals. Zl, Zp: line and paragraph separators.
 * - Cf and default-ignorable: zero-width, direction and tag characters, soft hyphen, Hangul fillers, variation
 *   selectors.
 * - Cs, Co and noncharacters: lone surrogates, private use, and code points that are never characters.
 * - U+2800: the Braille blank, a symbol without a dot.
 */
const HIDDEN =
  /[\p{Cc}\p{Zl}\p{Zp}\p{Cf}\p{Default_Ignorable_Code_Point}\p{Cs}\p{Co}\p{Noncharacter_Code_Point}\u2800]/gu;

/** Most text is plain ASCII. This is tested first, because the classes above cost ten times as much. */
const PLAIN = /^[\x20-\x7e]*$/;

/** One picture of an emoji, with its selector or skin tone. */
const PICTURE = String.raw`\p{Extended_Pictographic}[\ufe0f\p{Emoji_Modifier}]?`;

/** The only tag-sequence flags that Unicode recommends (UTS #51): England, Scotland, Wales. */
const TAGGED_FLAGS = ["gbeng", "gbsct", "gbwls"].map(
  (region) =>
    `\u{1f3f4}${region.replace(/./g, (letter) => String.fromCodePoint(0xe0000 + letter.charCodeAt(0)))}\u{e007f}`,
);

/**
 * An emoji of several characters (UTS #51): a keycap, up to four joined pictures, or a tag-sequence flag.
 * `\p{RGI_Emoji}` is the exact list, but V8 takes 60 ms to compile it, and does so again after each garbage collection.
 */
const EMOJI = new RegExp(
  String.raw`^(?:[#*0-9]\ufe0f\u20e3|${PICTURE}(?:\u200d${PICTURE}){0,3}|${TAGGED_FLAGS.join("|")})$`,
  "u",
);

/** Created on first use, because it takes 3 MB and an agent may never need it. */
let graphemes: Intl.Segmenter | undefined;

/**
 * The text with each hidden character as `\u{…}`. Joiners and selectors stay inside an emoji. Tags stay in three flags.
 */
export function visibleText(text: string): string {
  return withoutHidden(text, "\\u{");
}

/** {@link visibleText} for several lines: line feeds stay. */
export function visibleLines(text: string): string {
  return text.split("\n").map(visibleText).join("\n");
}

/** A JSON string's escapes, one at a time. */
const JSON_ESCAPE = /\\(?:u([0-9a-fA-F]{4})|.)/g;

/** Control characters that JSON escapes by a letter. Line feeds and tabs stay, because stack traces have them. */
const CONTROL_BY_LETTER: Readonly<Record<string, string>> = { "\\b": "8", "\\f": "C", "\\r": "D" };

/**
 * Filters a line of JSON without parsing it. Its strings become what {@link visibleText} returns, except that line
 * feeds and tabs stay, and so does the line feed at the end. For pino's `hooks.streamWrite`.
 */
export function visibleJsonLine(line: string): string {
  const body = line.endsWith("\n") ? line.slice(0, -1) : line;
  const escaped = body.replace(JSON_ESCAPE, (whole: string, unit: string | undefined) => {
    const point = unit === undefined ? CONTROL_BY_LETTER[whole] : hiddenUnit(unit);
    return point === undefined ? whole : `\\\\u{${point}}`;
  });
  return withoutHidden(escaped, "\\\\u{") + line.slice(body.length);
}

/** The code point of an escaped UTF-16 unit if it is hidden; undefined if it may stay. */
function hiddenUnit(unit: string): string | undefined {
  const character = String.fromCharCode(Number.parseInt(unit, 16));
  return character.search(HIDDEN) === -1 ? undefined : pointOf(character);
}

function withoutHidden(text: string, opening: string): string {
  if (PLAIN.test(text) || text.search(HIDDEN) === -1) return text;
  graphemes ??= new Intl.Segmenter("en", { granularity: "grapheme" });
  let shown = "";
  for (const { segment } of graphemes.segment(text)) {
    shown += EMOJI.test(segment) ? segment : segment.replace(HIDDEN, (character) => `${opening}${pointOf(character)}}`);
  }
  return shown;
}

function pointOf(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16).toUpperCase();
}
