import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { bundleOf } from "./bundle.ts";

const root = resolve(import.meta.dirname, "../../..");

describe("bundleOf", () => {
  it("holds the agent and koffi in one file that only asks for what Node and the image have", async () => {
    const { code, packageFolders, usesNative } = await bundleOf(root, "apps/agent/src/main.ts");
    const text = new TextDecoder().decode(code);
    expect(usesNative).toBe(true);
    expect(packageFolders.some((folder) => folder.endsWith("/@grpc/grpc-js"))).toBe(true);
    expect(text).toContain('("./koffi.node")');
    expect(text).not.toContain("sourceMappingURL");
    const imported = [...text.matchAll(/(?:^|[;}\s])import[^;("]*?from"([^"]+)"/g)].map((match) => match[1] ?? "");
    expect(imported.length).toBeGreaterThan(10);
    const builtin = new Set(process.getBuiltinModule("module").builtinModules);
    expect(imported.filter((name) => !name.startsWith("node:") && !builtin.has(name))).toEqual([]);
  }, 60_000);

  it("leaves koffi's native part out of a program that measures nothing", async () => {
    const { usesNative } = await bundleOf(root, "apps/collector/src/main.ts");
    expect(usesNative).toBe(false);
  }, 60_000);

  it("says which file is missing", async () => {
    await expect(bundleOf(root, "apps/none.ts")).rejects.toMatchObject({
      code: "bundle",
      message: expect.stringContaining("apps/none.ts"),
    });
  });
});
