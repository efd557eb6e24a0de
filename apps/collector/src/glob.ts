/** Shell-style patterns: `*` any run of characters, `?` any one, everything else itself. */

/** Longest pattern, characters. */
export const MAX_PATTERN_LENGTH = 256;

/** Whether `text` matches the whole `pattern`. Time is at most their lengths multiplied: no pattern is a trap. */
export function globMatches(pattern: string, text: string): boolean {
  let at = 0;
  let inText = 0;
  let star = -1;
  let resume = 0;
  while (inText < text.length) {
    const wanted = pattern[at];
    if (wanted === "*") {
      star = at++;
      resume = inText;
    } else if (wanted !== undefined && (wanted === "?" || wanted === text[inText])) {
      at++;
      inText++;
    } else if (star >= 0) {
      at = star + 1;
      inText = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[at] === "*") at++;
  return at === pattern.length;
}
