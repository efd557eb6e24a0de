import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { climbs, liesIn, parentsOf, resolveIn, treePath } from "./layer-tree.ts";
import type { TarEntry } from "./tar-entry.ts";

const part = fc.string({ unit: fc.constantFrom(..."abc.".split("")), minLength: 1, maxLength: 4 });
const plain = fc.array(
  part.filter((text) => text !== "." && text !== ".."),
  { minLength: 1, maxLength: 5 },
);

describe("a path", () => {
  it.each([
    ["rootfs/usr/", "rootfs/usr"],
    ["./rootfs", "rootfs"],
    ["./", ""],
    ["rootfs/../etc", undefined],
    ["/rootfs", undefined],
    ["rootfs//usr", undefined],
    ["rootfs/./usr", undefined],
    ["rootfs/a\nb", undefined],
  ])("%j is %j", (path, expected) => {
    expect(treePath(path)).toBe(expected);
  });

  it("lies in each of its folders, and in none that only begins alike", () => {
    fc.assert(
      fc.property(plain, part, (parts, more) => {
        const path = parts.join("/");
        for (const folder of parentsOf(path)) {
          expect(liesIn(path, folder)).toBe(true);
          expect(liesIn(`${folder}${more}`, folder)).toBe(false);
        }
        expect(treePath(`./${path}/`)).toBe(path);
      }),
    );
  });

  it("with .. in it is none", () => {
    fc.assert(
      fc.property(plain, plain, (above, below) => {
        expect(treePath([...above, "..", ...below].join("/"))).toBeUndefined();
      }),
    );
  });
});

describe("a link", () => {
  const link = (linkTarget: string): TarEntry => {
    return {
      path: "",
      type: "symlink",
      mode: 0o777,
      uid: 0,
      gid: 0,
      linkTarget,
      sizeBytes: 0,
      bytes: new Uint8Array(),
    };
  };
  const tree = new Map<string, TarEntry>([
    ["c/lib", link("usr/lib")],
    ["c/usr/lib/x", { ...link(""), type: "file" }],
    ["c/up", link("../../../../usr/lib/x")],
    ["c/round", link("round")],
    ["c/gone", link("/nowhere")],
  ]);

  it.each([
    ["/lib/x", { kind: "found", path: "c/usr/lib/x" }],
    ["/up", { kind: "found", path: "c/usr/lib/x" }],
    ["/usr", { kind: "found", path: "c/usr" }],
    ["/round", { kind: "loop" }],
    ["/gone", { kind: "missing", path: "c/nowhere" }],
  ])("%s leads to %j", (path, expected) => {
    expect(resolveIn(tree, "c", path)).toMatchObject(expected);
  });

  it.each([
    ["a/b", 0],
    ["../a", 1],
    ["a/../../b", 1],
    ["../../a/../..", 3],
  ])("to %s climbs %i", (target, expected) => {
    expect(climbs(target)).toBe(expected);
  });

  it("never leads out of the container's root", () => {
    const target = fc.array(fc.constantFrom("..", "a", "b", ".", ""), { maxLength: 6 }).map((parts) => parts.join("/"));
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom("a", "b", "a/b"), target, { maxKeys: 3 }), target, (links, path) => {
        const wild = new Map(Object.entries(links).map(([name, to]) => [`c/${name}`, link(to)]));
        const led = resolveIn(wild, "c", path);
        if (led.kind !== "loop") expect(liesIn(led.path, "c")).toBe(true);
      }),
    );
  });
});
