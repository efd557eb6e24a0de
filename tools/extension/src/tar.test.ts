import fc from "fast-check";
import { packTar, type TarHeader } from "modern-tar";
import { describe, expect, it } from "vitest";
import { readImageTar, readTar, tarOf } from "./tar.ts";
import { complete, DIRECTORY, fileOf, type Tree, type TreeEntry, treeOf } from "./tree.ts";

const part = fc.stringMatching(/^[a-z0-9_+-][a-z0-9._+-]{0,30}$/);
const entry: fc.Arbitrary<TreeEntry> = fc.oneof(
  fc.record({
    kind: fc.constant("file" as const),
    bytes: fc.uint8Array({ maxLength: 1_100 }),
    isExecutable: fc.boolean(),
  }),
  fc.record({ kind: fc.constant("symlink" as const), target: part }),
  fc.constant(DIRECTORY),
);
/** Files are named apart from directories, so that no path goes through one. */
const tree: fc.Arbitrary<Tree> = fc
  .array(fc.tuple(fc.array(part, { maxLength: 6 }), part, entry), { maxLength: 12 })
  .map((all) =>
    treeOf(
      Object.fromEntries(
        all.map(([parents, name, one]) => [[...parents.map((p) => `d${p}`), `f${name}`].join("/"), one]),
      ),
    ),
  );

const plain = (whole: Tree) =>
  [...whole].map(([path, one]) => [path, one.kind === "file" ? { ...one, bytes: [...one.bytes] } : one]);

describe("tarOf", () => {
  it("gives back the tree with its directories, for any tree", () =>
    fc.assert(
      fc.asyncProperty(tree, async (one) => {
        const read = await readTar(await tarOf(one, 1), () => true);
        expect(plain(read)).toEqual(plain(complete(one)));
      }),
      { numRuns: 50 },
    ));

  it("gives the same bytes for any order in which the tree was built", () =>
    fc.assert(
      fc.asyncProperty(tree, async (one) => {
        const turned = new Map([...one].reverse());
        expect(Buffer.compare(await tarOf(turned, 7), await tarOf(one, 7))).toBe(0);
      }),
      { numRuns: 50 },
    ));

  it("has whole blocks, 0:0, no names of users, 0644 and 0755, and the time that was given", async () => {
    const tar = Buffer.from(await tarOf(treeOf({ "a/run": fileOf("x", true), "a/text": fileOf("y") }), 1_700_000_000));
    expect(tar.length % 512).toBe(0);
    const headers = [0, 512, 1_536].map((at) => tar.subarray(at, at + 512));
    expect(headers.map((header) => header.toString("latin1", 0, 8).replace(/\0.*$/s, ""))).toEqual([
      "a/",
      "a/run",
      "a/text",
    ]);
    expect(headers.map((header) => Number.parseInt(header.toString("latin1", 100, 107), 8))).toEqual([
      0o755, 0o755, 0o644,
    ]);
    for (const header of headers) {
      expect(header.toString("latin1", 108, 124)).toBe("0000000\u00000000000\u0000");
      expect(Number.parseInt(header.toString("latin1", 136, 147), 8)).toBe(1_700_000_000);
      expect(header.subarray(265, 329).every((byte) => byte === 0)).toBe(true);
    }
  });

  it("writes the owner of a directory that a program writes to", async () => {
    const tar = Buffer.from(await tarOf(treeOf({ state: { kind: "directory", owner: 65_532 } }), 1));
    expect(Number.parseInt(tar.toString("latin1", 108, 115), 8)).toBe(65_532);
  });
});

describe("readImageTar", () => {
  const header = { name: "a", type: "file", size: 0, mode: 0o644, uid: 0, gid: 0 } as const;
  const packed = (...headers: TarHeader[]) => packTar(headers.map((one) => ({ header: one })));

  it("gives back any tree without links", () =>
    fc.assert(
      fc.asyncProperty(tree, async (one) => {
        const files = new Map([...one].filter(([, { kind }]) => kind !== "symlink"));
        expect(plain(await readImageTar(await tarOf(files, 1)))).toEqual(plain(complete(files)));
      }),
      { numRuns: 50 },
    ));

  it.each<[string, TarHeader, string]>([
    ["a hard link", { ...header, type: "link", linkname: "b" }, "got a link of 0:0, mode 644"],
    ["a symbolic link", { ...header, type: "symlink", linkname: "b" }, "got a symlink"],
    ["a FIFO", { ...header, type: "fifo" }, "got a fifo"],
    ["a device", { ...header, type: "character-device" }, "got a character-device"],
    ["a file that everybody may write to", { ...header, mode: 0o666 }, "mode 666"],
    ["a directory that everybody may write to", { ...header, name: "a/", type: "directory", mode: 0o777 }, "mode 777"],
    ["setuid", { ...header, mode: 0o4755 }, "mode 4755"],
    ["a sticky directory", { ...header, name: "a/", type: "directory", mode: 0o1755 }, "mode 1755"],
    ["another owner", { ...header, uid: 1_000 }, "of 1000:0"],
    ["another group", { ...header, gid: 1_000 }, "of 0:1000"],
    ["an absolute path", { ...header, name: "/a" }, "/a: got a file"],
    ["a path that climbs", { ...header, name: "a/../b" }, "want a relative path without '..'"],
  ])("refuses %s", async (_, one, why) => {
    const archive = await packed(one);
    await expect(readImageTar(archive)).rejects.toMatchObject({ code: "tree", message: expect.stringContaining(why) });
  });

  it("refuses a path that is there twice, and one that goes through a file", async () => {
    await expect(readImageTar(await packed(header, header))).rejects.toThrow("a: is in the layer twice");
    const within = packed(header, { ...header, name: "a/b" });
    await expect(readImageTar(await within)).rejects.toThrow("a/b: a is a file");
  });

  it("refuses half an archive", async () => {
    const half = (await tarOf(treeOf({ a: fileOf("x".repeat(2_000)) }), 1)).subarray(0, 1_000);
    await expect(readImageTar(half)).rejects.toMatchObject({ code: "integrity" });
  });
});

describe("trees", () => {
  it.each(["/etc/passwd", "a//b", "a/../b", "./a", ""])("'%s' is no path", (path) => {
    expect(() => treeOf({ [path]: fileOf("") })).toThrow("want a relative path");
  });

  it("refuse a path through a file", () => {
    expect(() => complete(treeOf({ a: fileOf(""), "a/b": fileOf("") }))).toThrow("a/b: a is a file");
  });
});
