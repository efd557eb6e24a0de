import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Bundle, bundleProgram, NATIVE_FILE } from "./bundle-program.ts";
import { nativeModule } from "./native-module.ts";

const AGENT = "apps/agent/src/main.ts";

/** The bundle stays in a node's memory. The limit is above its size, and below its size with one careless import. */
const SIZE_MAX_BYTES = 850_000;

let folder = "";
let main = "";
let bundle: Bundle;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "lifeline-bundle-"));
  main = join(folder, "agent.mjs");
  bundle = await bundleProgram(AGENT);
  writeFileSync(main, bundle.code);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the agent's bundle", () => {
  it("is the whole program, and the same bytes from the same sources", async () => {
    expect(execFileSync(process.execPath, [main, "--version"], { encoding: "utf8" })).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(Buffer.from((await bundleProgram(AGENT)).code).equals(bundle.code)).toBe(true);
  });

  it("loads only Node's own modules and koffi's native part", () => {
    const text = new TextDecoder().decode(bundle.code);
    expect(bundle.usesNative).toBe(true);
    expect(bundle.packageFolders.some((path) => path.endsWith("/@grpc/grpc-js"))).toBe(true);
    expect(text).toContain(`("./${NATIVE_FILE}")`);
    expect(text).not.toContain("sourceMappingURL");
    const imported = [...text.matchAll(/(?:^|[;}\s])import[^;("]*?from"([^"]+)"/g)].map((match) => match[1] ?? "");
    expect(imported.length).toBeGreaterThan(10);
    expect(imported.filter((name) => !name.startsWith("node:") && !builtinModules.includes(name))).toEqual([]);
  });

  it("has no library that the agent does not use", () => {
    const paths = bundle.inputs.map(({ path }) => path);
    expect(paths).toContain(AGENT);
    expect(paths.filter((path) => /@peculiar|reflect-metadata|asn1|proto-loader|protobufjs/.test(path))).toEqual([]);
    expect(
      paths.filter((path) => /^(packages\/catalogue|packages\/verdict|apps\/collector|tools)\//.test(path)),
    ).toEqual([]);
    expect(bundle.code.length).toBeLessThan(SIZE_MAX_BYTES);
  });

  it("does not have Node load undici, which is 12 MB of resident memory", () => {
    const tell = 'process.on("exit",()=>process.stderr.write(process.moduleLoadList.join("\\n")))';
    const args = [`--import=data:text/javascript,${encodeURIComponent(tell)}`, main, "--version"];
    const { stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    expect(stderr).toContain("NativeModule http2");
    expect(stderr).not.toContain("undici");
  });
});

describe.runIf(nativeModule() !== undefined)("koffi's native part", () => {
  it("is the file beside the bundle", () => {
    const native = nativeModule();
    if (native !== undefined) copyFileSync(native, join(folder, NATIVE_FILE));
    const load = "process.dlopen({ exports: {} }, process.argv[1]); console.log('loaded')";
    const loaded = execFileSync(process.execPath, ["-e", load, join(folder, NATIVE_FILE)], { encoding: "utf8" });
    expect(loaded).toBe("loaded\n");
  });

  it("is not loaded by a program that does not probe", async () => {
    expect((await bundleProgram("apps/collector/src/main.ts")).usesNative).toBe(false);
  });
});

it("the bundle of the store's thread has no gRPC", async () => {
  const { inputs } = await bundleProgram("apps/collector/src/store/store-worker.ts");
  expect(inputs.some(({ path }) => path.includes("wire/src/report-codec"))).toBe(true);
  expect(inputs.filter(({ path }) => path.includes("grpc"))).toEqual([]);
});

it("the error names a missing file", async () => {
  await expect(bundleProgram("apps/none.ts")).rejects.toMatchObject({
    code: "bundle",
    message: expect.stringContaining("apps/none.ts"),
  });
});
