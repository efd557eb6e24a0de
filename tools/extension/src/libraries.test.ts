import { describe, expect, it } from "vitest";
import { AMD64 } from "./architecture.ts";
import { librariesOf } from "./libraries.ts";
import { elfFile } from "./testing/elf-file.ts";
import { fileOf, treeOf } from "./tree.ts";

const LOADER = "ld-linux-x86-64.so.2";
const program = elfFile({ interpreter: `/lib64/${LOADER}`, needed: ["libstdc++.so.6", "libc.so.6", LOADER] });
const debian = {
  [`lib64/${LOADER}`]: { kind: "symlink", target: `/lib/x86_64-linux-gnu/${LOADER}` },
  [`lib/x86_64-linux-gnu/${LOADER}`]: fileOf(elfFile({})),
  "lib/x86_64-linux-gnu/libc.so.6": fileOf(elfFile({ needed: [LOADER] })),
  "lib/x86_64-linux-gnu/libm.so.6": fileOf(elfFile({ needed: ["libc.so.6"] })),
  "lib/x86_64-linux-gnu/libnsl.so.1": fileOf(elfFile({})),
  "usr/lib/x86_64-linux-gnu/libstdc++.so.6": { kind: "symlink", target: "libstdc++.so.6.0.30" },
  "usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30": fileOf(elfFile({ needed: ["libm.so.6"] })),
} as const;

describe("librariesOf", () => {
  it("takes the needed libraries and their own needs, as regular files, and nothing else", () => {
    const libraries = librariesOf([program], treeOf(debian), AMD64);
    expect([...libraries.keys()].sort()).toEqual([
      "lib/x86_64-linux-gnu/libc.so.6",
      "lib/x86_64-linux-gnu/libm.so.6",
      `lib64/${LOADER}`,
      "usr/lib/x86_64-linux-gnu/libstdc++.so.6",
    ]);
    expect([...libraries.values()].map(({ kind }) => kind)).toEqual(["file", "file", "file", "file"]);
  });

  it("names a library that no package has", () => {
    const { "lib/x86_64-linux-gnu/libm.so.6": _, ...others } = debian;
    expect(() => librariesOf([program], treeOf(others), AMD64)).toThrow(
      "libm.so.6: is in none of lib/x86_64-linux-gnu, usr/lib/x86_64-linux-gnu",
    );
  });

  it("refuses a library of another machine", () => {
    const foreign = { ...debian, "lib/x86_64-linux-gnu/libm.so.6": fileOf(elfFile({ machine: 183 })) };
    expect(() => librariesOf([program], treeOf(foreign), AMD64)).toThrow("machine 183, want 62");
  });

  it("gives up on links that go round", () => {
    const round = {
      ...debian,
      "usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30": { kind: "symlink", target: "libstdc++.so.6" },
    } as const;
    expect(() => librariesOf([program], treeOf(round), AMD64)).toThrow("more than 8 links");
  });
});
