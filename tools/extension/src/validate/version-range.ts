/**
 * The range of Talos versions in a manifest, read as Talos reads it: blang/semver v4 after Talos has taken the `v` off numbers.
 *
 * 1. What Talos refuses is refused with the words Talos prints (docs of blang/semver v4, `ParseRange` and `Parse`).
 * 2. Reading never throws.
 * 3. A space ends a comparator, unless `>`, `<` or `=` stood right before it: `>= 1.2.3` is one, `! 1.2.3` is two.
 *    A piece of one character is dropped by blang/semver without a word; here it is refused.
 */
import { quoted } from "./problem.ts";

/** Major, minor, patch. Pre-releases take no part: Talos compares the core of its own version. */
export type CoreVersion = readonly [major: number, minor: number, patch: number];

/** A range, or why it is none. */
export type RangeReading =
  | { readonly ok: true; readonly holds: (version: CoreVersion) => boolean }
  | { readonly ok: false; readonly why: string };

interface Version {
  readonly core: CoreVersion;
  readonly isPrerelease: boolean;
}

type Test = (order: number) => boolean;

const COMPARATORS: Readonly<Record<string, Test>> = {
  "": (order) => order === 0,
  "=": (order) => order === 0,
  "==": (order) => order === 0,
  ">": (order) => order > 0,
  ">=": (order) => order >= 0,
  "<": (order) => order < 0,
  "<=": (order) => order <= 0,
  "!": (order) => order !== 0,
  "!=": (order) => order !== 0,
};

/** Thrown and caught in this file alone: `why` in Talos's words. */
class Refusal extends Error {}

/** Reads a range. */
export function readVersionRange(text: string): RangeReading {
  try {
    const alternatives = alternativesOf(piecesOf(text.replaceAll(/v(?=[0-9])/g, "")));
    const tests = alternatives.map((pieces) => pieces.map(comparatorOf));
    return { ok: true, holds: (version) => tests.some((all) => all.every((holds) => holds(version))) };
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, why: error.message };
    throw error;
  }
}

/** Reads `MAJOR.MINOR.PATCH[-PRERELEASE]`, without build metadata; undefined: it is none. */
export function readVersion(text: string): CoreVersion | undefined {
  try {
    return text.includes("+") ? undefined : parseVersion(text.replace(/^v/, "")).core;
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}

function piecesOf(text: string): readonly string[] {
  const pieces: string[] = [];
  let piece = "";
  for (const letter of text) {
    if (letter !== " ") piece += letter;
    else if (piece !== "" && !/[<>=]$/.test(piece)) {
      pieces.push(piece);
      piece = "";
    }
  }
  if (piece !== "") pieces.push(piece);
  const dropped = pieces.find(({ length }) => length === 1);
  if (dropped !== undefined) throw new Refusal(`${quoted(dropped)} in the range means nothing to Talos`);
  return pieces;
}

function alternativesOf(pieces: readonly string[]): readonly (readonly string[])[] {
  if (pieces[0] === "||") throw new Refusal("First element in range is '||'");
  if (pieces.length === 0 || pieces.at(-1) === "||") throw new Refusal("Last element in range is '||'");
  const alternatives: string[][] = [[]];
  for (const piece of pieces) {
    if (piece === "||") alternatives.push([]);
    else alternatives.at(-1)?.push(piece);
  }
  // Between two bars there is nothing, and blang/semver would crash on it.
  if (alternatives.some(({ length }) => length === 0)) throw new Refusal("two '||' with nothing between them");
  return alternatives;
}

function comparatorOf(piece: string): (version: CoreVersion) => boolean {
  const at = piece.search(/\d/);
  if (at < 0) throw new Refusal(`Could not get version from string: ${quoted(piece)}`);
  const [sign, version] = [piece.slice(0, at), piece.slice(at)];
  const refuse = (why: string) => new Refusal(`Could not parse Range ${quoted(piece)}: ${why}`);
  const test = COMPARATORS[sign];
  if (test === undefined) throw refuse(`Could not parse comparator ${quoted(sign)} in ${quoted(piece)}`);
  if (/^\d+(\.\d+)?(\.x){1,2}$/.test(version) && version.split(".").length <= 3) return wildcardOf(sign, version);
  try {
    const { core, isPrerelease } = parseVersion(version);
    // The version held against it has no pre-release, and so comes after one of the same core.
    return (held) => test(compare(held, core) || (isPrerelease ? 1 : 0));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw refuse(`Could not parse version ${quoted(version)} in ${quoted(piece)}: ${error.message}`);
  }
}

/** `1.x`, `1.x.x` and `1.2.x` stand for all versions from the first to before the next. */
function wildcardOf(sign: string, text: string): (version: CoreVersion) => boolean {
  const [major, minor] = text.replaceAll(".x", "").split(".").map(Number);
  const first: CoreVersion = [major ?? 0, minor ?? 0, 0];
  const next: CoreVersion = minor === undefined ? [first[0] + 1, 0, 0] : [first[0], minor + 1, 0];
  const place = (held: CoreVersion) => (compare(held, first) < 0 ? -1 : compare(held, next) < 0 ? 0 : 1);
  const test = COMPARATORS[sign] ?? (() => false);
  return (held) => test(place(held));
}

function parseVersion(text: string): Version {
  const [major = "", minor, ...rest] = text.split(".");
  if (minor === undefined || rest.length === 0) throw new Refusal("No Major.Minor.Patch elements found");
  const [, patch = "", prerelease, build] = /^([^+-]*)(?:-([^+]*))?(?:\+(.*))?$/s.exec(rest.join(".")) ?? [];
  const core: CoreVersion = [number("Major", major), number("Minor", minor), number("Patch", patch)];
  for (const part of prerelease?.split(".") ?? []) checkPrerelease(part);
  for (const part of build?.split(".") ?? []) checkBuild(part);
  return { core, isPrerelease: prerelease !== undefined };
}

function number(name: "Major" | "Minor" | "Patch", text: string): number {
  if (!/^\d*$/.test(text))
    throw new Refusal(`Invalid character(s) found in ${name.toLowerCase()} number ${quoted(text)}`);
  if (/^0\d/.test(text)) throw new Refusal(`${name} number must not contain leading zeroes ${quoted(text)}`);
  if (text === "") throw new Refusal('strconv.ParseUint: parsing "": invalid syntax');
  // Beyond 2^64 Go refuses it; beyond 2^53 nobody has such a version.
  if (!Number.isSafeInteger(Number(text)))
    throw new Refusal(`strconv.ParseUint: parsing ${quoted(text)}: value out of range`);
  return Number(text);
}

function checkPrerelease(part: string): void {
  if (part === "") throw new Refusal("Prerelease is empty");
  if (/^0\d+$/.test(part))
    throw new Refusal(`Numeric PreRelease version must not contain leading zeroes ${quoted(part)}`);
  if (!/^[0-9A-Za-z-]+$/.test(part)) throw new Refusal(`Invalid character(s) found in prerelease ${quoted(part)}`);
}

function checkBuild(part: string): void {
  if (part === "") throw new Refusal("Build meta data is empty");
  if (!/^[0-9A-Za-z-]+$/.test(part)) throw new Refusal(`Invalid character(s) found in build meta data ${quoted(part)}`);
}

function compare(left: CoreVersion, right: CoreVersion): number {
  return left[0] - right[0] || left[1] - right[1] || left[2] - right[2];
}
