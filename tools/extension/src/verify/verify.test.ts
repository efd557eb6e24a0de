/** The run of `npm run extension:verify`, on an extension made of what this machine has. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundledAgent, HERE, maintenanceService, standIn, TOLD, writeLayout } from "../testing/stand-in.ts";
import type { TarEntry } from "../validate/tar-entry.ts";
import type { Check } from "./check.ts";
import { obstacles } from "./machine.ts";

const folder = mkdtempSync(join(tmpdir(), "lifeline-verify-"));
const reasons = obstacles([HERE]);
const isCi = process.env["CI"] === "true";
let agent: Uint8Array;

beforeAll(async () => {
  agent = await bundledAgent();
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function verify(entries: readonly TarEntry[] | undefined, ...args: readonly string[]) {
  const from = mkdtempSync(join(folder, "layout-"));
  if (entries !== undefined) await writeLayout(from, { [HERE]: entries });
  const program = [...process.execArgv, join(import.meta.dirname, "main.ts"), "--from", from, "--arch", HERE, ...args];
  const child = spawn(process.execPath, program, { stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (more: string) => (stdout += more));
  child.stderr.setEncoding("utf8").on("data", (more: string) => (stderr += more));
  const [status] = (await once(child, "close")) as [number | null];
  return { status, stdout, stderr };
}

/** Everything is asserted but the memory: this Node is the machine's own, not the one that ships. */
const isCounted = ({ name }: Check) => !name.startsWith("memory");

describe(`npm run extension:verify${reasons.length > 0 && !isCi ? ` (skipped: ${reasons.join("; ")})` : ""}`, () => {
  it.skipIf(reasons.length > 0 && !isCi)(
    "runs an extension as Talos does, and finds nothing wrong",
    async () => {
      const { stdout, stderr } = await verify(standIn(agent), "--zstd-level", "1", "--settle", "3", "--json");
      const checks = JSON.parse(stdout === "" ? "[]" : stdout) as Check[];
      expect(
        checks.filter((check) => isCounted(check) && !check.isRight),
        stderr,
      ).toEqual([]);
      for (const of of ["v1.12", "v1.14"]) {
        const names = checks.filter((check) => check.of === of).map(({ name }) => name);
        expect(names).toEqual(
          expect.arrayContaining(["starts", "confined", "quiet", "enrols", "outage", "restart", "reports"]),
        );
      }
    },
    150_000,
  );

  it.skipIf(reasons.length > 0 && !isCi)(
    "runs one for maintenance mode, which has no disk and comes again with another key, and finds nothing wrong",
    async () => {
      const args = ["--zstd-level", "1", "--settle", "3", "--profile", "v1.14", "--json"];
      const { stdout, stderr } = await verify(standIn(agent, maintenanceService(), TOLD), ...args);
      const checks = JSON.parse(stdout === "" ? "[]" : stdout) as Check[];
      const wrong = checks.filter((check) => isCounted(check) && !check.isRight);
      expect(wrong, stderr).toEqual([]);
      expect(checks.map(({ name }) => name)).toEqual(expect.arrayContaining(["told enough", "restart", "reports"]));
    },
    150_000,
  );

  it.skipIf(reasons.length > 0 && !isCi)(
    "finds wrong a program that never says that it has started",
    async () => {
      const program = 'console.log("hello"); setInterval(() => {}, 1000);';
      const { status, stderr } = await verify(
        standIn(program),
        "--zstd-level",
        "1",
        "--settle",
        "1",
        "--profile",
        "v1.12",
      );
      expect(stderr).toContain('no "agent started" within 15000 ms: hello');
      expect(status).toBe(1);
    },
    60_000,
  );
});

describe("before anything is run", () => {
  it("every problem of the layer is told", async () => {
    const { status, stderr } = await verify(standIn("x").filter(({ path }) => !path.endsWith("libm.so.6")));
    expect(stderr).toContain("libm.so.6 is not there; want it in one of");
    expect(status).toBe(1);
  }, 60_000);

  it("a layout that is not there is told", async () => {
    const { status, stderr } = await verify(undefined);
    expect(stderr).toContain("index.json cannot be read; npm run extension makes it");
    expect(status).toBe(1);
  }, 60_000);

  it.each([
    [["--settle", "0"], "--settle: got '0', want an integer from 1 to 600"],
    [["--zstd-level", "40"], "--zstd-level: got '40', want an integer from 1 to 22"],
    [["--profile", "v1.9"], "--profile: got 'v1.9', want one of v1.12, v1.14, all"],
    [["--for-ever"], "--for-ever"],
  ])(
    "%s is refused",
    async (args, why) => {
      const { status, stderr } = await verify(undefined, ...args);
      expect(stderr).toContain(why);
      expect(status).toBe(2);
    },
    60_000,
  );
});
