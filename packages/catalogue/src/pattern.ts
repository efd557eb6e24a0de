/**
 * Shell-style patterns on requirement ids (POSIX.1-2024, XCU 2.14, without escapes). `*` matches any run of characters,
 * `?` any one, and `[ab]`, `[a-z]` and `[!ab]` one of a class. Everything else matches itself, and so does a class that
 * is not closed or that has a reversed range.
 */

/** Longest pattern, characters. An id has at most 64, and a pattern may have a class for each. */
export const PATTERN_MAX_CHARS = 256;

/** One element of a pattern: any run of characters, or a test of one character. */
type Token = "run" | ((character: string) => boolean);

/** Whether the whole `text` matches. Time is at most the product of both lengths, for any pattern. */
export function matchesPattern(pattern: string, text: string): boolean {
  const tokens = tokensOf(Array.from(pattern));
  const characters = Array.from(text);
  let at = 0;
  let read = 0;
  // Where to continue if a later token fails: after the last run, which then takes one more character.
  let retry: { readonly token: number; read: number } | undefined;
  while (read < characters.length) {
    const token = tokens[at];
    if (token === "run") {
      retry = { token: ++at, read };
    } else if (token?.(characters[read] ?? "") === true) {
      at++;
      read++;
    } else if (retry !== undefined) {
      at = retry.token;
      read = ++retry.read;
    } else {
      return false;
    }
  }
  return tokens.slice(at).every((token) => token === "run");
}

function tokensOf(pattern: readonly string[]): readonly Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at] ?? "";
    const found = character === "[" ? classAt(pattern, at) : undefined;
    tokens.push(found?.token ?? plain(character));
    at = found?.end ?? at;
  }
  return tokens;
}

function plain(character: string): Token {
  if (character === "*") return "run";
  return character === "?" ? () => true : (candidate) => candidate === character;
}

/** The class that opens at `start`, and where it closes. A `]` in first place is a member. */
function classAt(
  pattern: readonly string[],
  start: number,
): { readonly token: Token; readonly end: number } | undefined {
  const negated = pattern[start + 1] === "!";
  const first = start + (negated ? 2 : 1);
  const end = pattern.indexOf("]", first + 1);
  if (end < 0) return undefined;
  const ranges = rangesOf(pattern.slice(first, end));
  if (ranges.some(([low, high]) => low > high)) return undefined;
  const contains = (candidate: string) =>
    ranges.some(([low, high]) => codeOf(candidate) >= low && codeOf(candidate) <= high);
  return { token: (candidate) => contains(candidate) !== negated, end };
}

/** A hyphen between two members makes a range. At either end it is a member. */
function rangesOf(members: readonly string[]): readonly (readonly [low: number, high: number])[] {
  const ranges: [number, number][] = [];
  for (let at = 0; at < members.length; at++) {
    const low = codeOf(members[at] ?? "");
    const isRange = members[at + 1] === "-" && at + 2 < members.length;
    ranges.push([low, isRange ? codeOf(members[at + 2] ?? "") : low]);
    if (isRange) at += 2;
  }
  return ranges;
}

function codeOf(character: string): number {
  return character.codePointAt(0) ?? 0;
}
