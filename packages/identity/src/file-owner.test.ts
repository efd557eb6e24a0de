import { lchownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { wrongOwnerOf } from "./file-owner.ts";

/** Two unused user ids. */
const OTHER_UID = 4_711;
const SERVICE = 4_712;

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lifeline-planted-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const at = (name: string) => join(directory, name);
const file = (name: string) => writeFileSync(at(name), "");
const link = (name: string, target: string) => symlinkSync(target, at(name));

describe("a path is accepted when it is", () => {
  it.each<[string, () => void]>([
    ["missing", () => {}],
    ["a file", () => file("x")],
    ["a directory", () => mkdirSync(at("x"))],
    [
      "a link to one's own file",
      () => {
        file("y");
        link("x", at("y"));
      },
    ],
    ["a link to a file of root", () => link("x", "/etc/passwd")],
    ["a link to nothing", () => link("x", at("nowhere"))],
    ["a link to itself", () => link("x", at("x"))],
  ])("%s", (_, make) => {
    make();
    expect(wrongOwnerOf(at("x"))).toBeUndefined();
  });

  it("below a file, where nothing can be", () => {
    file("x");
    expect(wrongOwnerOf(at("x/y"))).toBeUndefined();
  });
});

// Only root can give files to another user.
const canGive = process.getuid?.() === 0 || process.env["CI"] === "true";

describe.skipIf(!canGive)("a path of another user", () => {
  const give = (name: string, uid: number) => lchownSync(at(name), uid, uid);
  it.each<[string, string, () => void, readonly number[]]>([
    [
      "a file",
      `which belongs to uid ${OTHER_UID}`,
      () => {
        file("x");
        give("x", OTHER_UID);
      },
      [],
    ],
    [
      "a directory",
      `which belongs to uid ${OTHER_UID}`,
      () => {
        mkdirSync(at("x"));
        give("x", OTHER_UID);
      },
      [],
    ],
    [
      "a link",
      `a link that belongs to uid ${OTHER_UID}`,
      () => {
        link("x", "/etc/passwd");
        give("x", OTHER_UID);
      },
      [],
    ],
    [
      "the target of one's own link",
      `a link to what belongs to uid ${OTHER_UID}`,
      () => {
        file("y");
        give("y", OTHER_UID);
        link("x", at("y"));
      },
      [],
    ],
    [
      "a link of the user that the program is about to become",
      `a link that belongs to uid ${SERVICE}`,
      () => {
        link("x", "/etc/passwd");
        give("x", SERVICE);
      },
      [SERVICE],
    ],
  ])("is refused: %s", (_, what, make, also) => {
    make();
    expect(wrongOwnerOf(at("x"), also)).toEqual({
      got: `${JSON.stringify(at("x"))}, ${what}`,
      want: "one that belongs to root",
    });
  });

  it("is accepted when it belongs to the user that the program is about to become", () => {
    file("x");
    give("x", SERVICE);
    expect(wrongOwnerOf(at("x"), [SERVICE])).toBeUndefined();
    give("x", OTHER_UID);
    expect(wrongOwnerOf(at("x"), [SERVICE])?.want).toBe(`one that belongs to root or uid ${SERVICE}`);
  });
});
