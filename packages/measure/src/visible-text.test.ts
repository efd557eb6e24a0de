import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { visibleJsonLine, visibleLines, visibleText } from "./visible-text.ts";

/** Characters of every kind, hidden ones as often as others. */
const anyText = fc.string({
  unit: fc.oneof(
    fc.constantFrom(
      ..."\u200d\ufe0f\u20e3\u{1f3f4}\u{e0067}\u{e007f}❤👩👧🏽🇩\u202e\u2066\u001b\u009b\r\n\t\u3164\u2028\ud800",
    ),
    fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 1 }),
  ),
});

/** What must not be shown, by code point, so that the test does not repeat the character classes of the filter. */
const hides = (point: number): boolean =>
  point < 0x20 ||
  (point >= 0x7f && point <= 0x9f) ||
  [0xad, 0x34f, 0x61c, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x2800, 0x3164, 0xfeff, 0xffa0].includes(point) ||
  (point >= 0x180b && point <= 0x180f) ||
  (point >= 0x200b && point <= 0x200f) ||
  (point >= 0x2028 && point <= 0x202e) ||
  (point >= 0x2060 && point <= 0x206f) ||
  (point >= 0xd800 && point <= 0xf8ff) ||
  (point >= 0xfe00 && point <= 0xfe0f) ||
  (point >= 0xfff0 && point <= 0xfffb) ||
  (point >= 0x1d173 && point <= 0x1d17a) ||
  (point >= 0xe0000 && point <= 0xe0fff) ||
  point >= 0xf0000;

/** Joiners, selectors and tags where they are allowed, by the characters around them. */
const JOINTS = [
  /(?<=[#*0-9])\ufe0f(?=\u20e3)/gu,
  /(?<=🏴)\u{e0067}\u{e0062}(?:\u{e0065}\u{e006e}\u{e0067}|\u{e0073}\u{e0063}\u{e0074}|\u{e0077}\u{e006c}\u{e0073})\u{e007f}/gu,
  /(?<=\p{ExtPict}[\ufe0f\p{EMod}]?)\u200d(?=\p{ExtPict})/gu,
  /(?<=\p{ExtPict})\ufe0f/gu,
];

describe("untrusted text", () => {
  it.each([
    ["an ANSI escape", "\u001b[2Jcleared", "\\u{1B}[2Jcleared"],
    ["an OSC 8 link", "\u001b]8;;https://evil\u0007x", "\\u{1B}]8;;https://evil\\u{7}x"],
    ["a C1 sequence", "\u009b2J", "\\u{9B}2J"],
    ["a line break", "a\r\nb", "a\\u{D}\\u{A}b"],
    ["separators of lines and paragraphs", "a\u2028b\u2029c", "a\\u{2028}b\\u{2029}c"],
    ["an override of direction", "gpj.\u202eexe", "gpj.\\u{202E}exe"],
    ["an isolate of direction", "\u2066x\u2069", "\\u{2066}x\\u{2069}"],
    ["zero-width characters", "pay\u200bpal\u200c\u2060\ufeff", "pay\\u{200B}pal\\u{200C}\\u{2060}\\u{FEFF}"],
    ["a soft hyphen", "om\u00adni", "om\\u{AD}ni"],
    ["Hangul fillers", "\u3164\u115f\u1160\uffa0", "\\u{3164}\\u{115F}\\u{1160}\\u{FFA0}"],
    ["the Braille blank", "\u2800", "\\u{2800}"],
    ["tags", "n1\u{e0068}\u{e0069}", "n1\\u{E0068}\\u{E0069}"],
    ["tags behind a flag", "\u{1f3f4}\u{e0068}\u{e0069}\u{e007f}", "🏴\\u{E0068}\\u{E0069}\\u{E007F}"],
    ["variation selectors", "a\ufe0f\u{e0100}", "a\\u{FE0F}\\u{E0100}"],
    ["a joiner before a letter", "👩\u200dx", "👩\\u{200D}x"],
    [
      "joiners between more pictures than an emoji may have",
      "👩\u200d👩\u200d👩\u200d👩\u200d👩",
      "👩\\u{200D}👩\\u{200D}👩\\u{200D}👩\\u{200D}👩",
    ],
    ["half a surrogate pair", "\ud83d", "\\u{D83D}"],
    ["private use", "\ue000\u{f0000}", "\\u{E000}\\u{F0000}"],
    ["a noncharacter", "\ufdd0\uffff", "\\u{FDD0}\\u{FFFF}"],
  ])("shows %s", (_, text, shown) => {
    expect(visibleText(text)).toBe(shown);
  });

  it.each([
    "",
    "omni.example.com:443",
    "Zürich Straße",
    "e\u0301 ñ ก็ क्षि",
    "例え.jp 東京 한국어 ﾊﾝｶｸ",
    "مرحبا שלום",
    "👩‍👩‍👧 ❤️ ❤️‍🔥 👍🏽 🧑🏽‍❤️‍💋‍🧑🏾 👨‍🦰 🏃‍♂️ 🏳️‍🌈 👁️‍🗨️ 🇩🇪 1️⃣ 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "✓ met — 0 % (0–28 %) · …",
    "C:\\temp \\u{202E}",
  ])("keeps %s", (text) => {
    expect(visibleText(text)).toBe(text);
    expect(visibleJsonLine(JSON.stringify(text))).toBe(JSON.stringify(text));
  });

  it("holds no hidden characters after filtering, except inside an emoji", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const rest = JOINTS.reduce((shown, joint) => shown.replace(joint, ""), visibleText(text));
        expect([...rest].filter((character) => hides(character.codePointAt(0) ?? 0))).toEqual([]);
      }),
      { numRuns: 2_000 },
    );
  });

  it("does not change when filtered twice", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const once = visibleText(text);
        expect(visibleText(once)).toBe(once);
      }),
      { numRuns: 2_000 },
    );
  });

  it("keeps the line feeds of lines that the program composed", () => {
    expect(visibleLines("error: a\u200b\n  b\r\n")).toBe("error: a\\u{200B}\n  b\\u{D}\n");
  });
});

describe("a line of a log", () => {
  it("stays one JSON value with filtered strings, except for line feeds and tabs", () => {
    const shown = (text: string) => text.split(/([\n\t])/).map((part, at) => (at % 2 === 1 ? part : visibleText(part)));
    fc.assert(
      fc.property(anyText, fc.constantFrom("", "\n"), (text, end) => {
        const line = visibleJsonLine(`${JSON.stringify({ msg: text })}${end}`);
        expect(JSON.parse(line)).toEqual({ msg: shown(text).join("") });
        expect(line.endsWith("\n")).toBe(end === "\n");
      }),
      { numRuns: 2_000 },
    );
  });

  it("distinguishes an escape from an escaped backslash before a letter", () => {
    expect(visibleJsonLine('{"path":"C:\\\\return\\\\u001b","bell":"\\u001b\\r"}')).toBe(
      '{"path":"C:\\\\return\\\\u001b","bell":"\\\\u{1B}\\\\u{D}"}',
    );
  });
});
