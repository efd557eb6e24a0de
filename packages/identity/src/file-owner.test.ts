import { lchownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { wrongOwnerOf } from "./file-owner.ts";

/** Two users that nobody is. */
const STRANGER = 4_711;
const SERVICE = 4_712;

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "lifeline-planted-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const at = (name: string) => join(directory, name);
const file = (name: string) => writeFileSync(at(name), "");
const link = (name: string, target: string) => symlinkSync(target, at(name));

describe("what is the program's own", () => {
  it.each<[string, () => void]>([
    ["nothing at all", () => {}],
    ["a file", () => file("x")],
    ["a directory", () => mkdirSync(at("x"))],
    [
      "a link to a file of one's own",
      () => {
        file("y");
        link("x", at("y"));
      },
    ],
    ["a link to what is root's", () => link("x", "/etc/passwd")],
    ["a link to nothing", () => link("x", at("nowhere"))],
    ["a link to itself", () => link("x", at("x"))],
  ])("%s", (_, make) => {
    make();
    expect(wrongOwnerOf(at("x"))).toBeUndefined();
  });

  it("is looked for in vain below a file", () => {
    file("x");
    expect(wrongOwnerOf(at("x/y"))).toBeUndefined();
  });
});

// Files can be given to another user by root alone.
const canGive = process.getuid?.() === 0 || process.env["CI"] === "true";

describe.skipIf(!canGive)("what another user has put there", () => {
  const give = (name: string, uid: number) => lchownSync(at(name), uid, uid);
  it.each<[string, string, () => void, readonly number[]]>([
    [
      "a file",
      `which belongs to uid ${STRANGER}`,
      () => {
        file("x");
        give("x", STRANGER);
      },
      [],
    ],
    [
      "a directory",
      `which belongs to uid ${STRANGER}`,
      () => {
        mkdirSync(at("x"));
        give("x", STRANGER);
      },
      [],
    ],
    [
      "a link",
      `a link that belongs to uid ${STRANGER}`,
      () => {
        link("x", "/etc/passwd");
        give("x", STRANGER);
      },
      [],
    ],
    [
      "what a link of one's own leads to",
      `a link to what belongs to uid ${STRANGER}`,
      () => {
        file("y");
        give("y", STRANGER);
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

  it("is no other's where it belongs to the user that the program is about to become", () => {
    file("x");
    give("x", SERVICE);
    expect(wrongOwnerOf(at("x"), [SERVICE])).toBeUndefined();
    give("x", STRANGER);
    expect(wrongOwnerOf(at("x"), [SERVICE])?.want).toBe(`one that belongs to root or uid ${SERVICE}`);
  });
});
