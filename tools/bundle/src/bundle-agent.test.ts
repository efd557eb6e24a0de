import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Bundle, bundleAgent } from "./bundle-agent.ts";
import { placeKoffi } from "./place-koffi.ts";

/** Every byte of it stays in a node's memory: well above what it is, well below what one careless import adds. */
const SIZE_MAX_BYTES = 850_000;

let folder = "";
let main = "";
let bundle: Bundle = { bytes: 0, inputs: [] };
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "lifeline-bundle-"));
  main = join(folder, "agent.mjs");
  bundle = await bundleAgent(main);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the agent's bundle", () => {
  it("is the whole program, and the same bytes from the same sources", async () => {
    expect(execFileSync(process.execPath, [main, "--version"], { encoding: "utf8" })).toMatch(/^\d+\.\d+\.\d+\n$/);
    const again = join(folder, "again.mjs");
    await bundleAgent(again);
    expect(readFileSync(again).equals(readFileSync(main))).toBe(true);
    expect(bundle.bytes).toBe(readFileSync(main).length);
  });

  it("has no library that the agent does not use", () => {
    const paths = bundle.inputs.map(({ path }) => path);
    expect(paths).toContain("apps/agent/src/main.ts");
    expect(paths.filter((path) => /@peculiar|reflect-metadata|asn1|proto-loader|protobufjs/.test(path))).toEqual([]);
    expect(
      paths.filter((path) => /^(packages\/catalogue|packages\/verdict|apps\/collector|tools)\//.test(path)),
    ).toEqual([]);
    expect(bundle.bytes).toBeLessThan(SIZE_MAX_BYTES);
  });

  it("does not have Node load undici, which is 12 MB of resident memory", () => {
    const tell = 'process.on("exit",()=>process.stderr.write(process.moduleLoadList.join("\\n")))';
    const args = [`--import=data:text/javascript,${encodeURIComponent(tell)}`, main, "--version"];
    const { stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    expect(stderr).toContain("NativeModule http2");
    expect(stderr).not.toContain("undici");
  });
});

describe.runIf(process.platform === "linux" && ["x64", "arm64"].includes(process.arch))("koffi beside it", () => {
  it("is loaded from there", async () => {
    await placeKoffi(folder, process.arch === "x64" ? "linux-x64" : "linux-arm64");
    const load =
      'const r=require("node:module").createRequire(process.argv[1]);r("koffi");console.log(r.resolve("koffi"))';
    const resolved = execFileSync(process.execPath, ["-e", load, main], { encoding: "utf8" }).trim();
    expect(resolved).toBe(join(folder, "node_modules/koffi/index.cjs"));
  });
});
