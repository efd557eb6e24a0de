/** `npm run extension:verify`, on an extension made of this machine's Node and libraries. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Bundle } from "@lifeline/bundle";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  ARCHITECTURE,
  bundledAgent,
  MAINTENANCE_VARIANT,
  programOf,
  standIn,
  writeStandIn,
} from "../testing/stand-in.ts";
import type { Tree } from "../tree.ts";
import type { Check } from "./check.ts";
import { obstacles } from "./machine.ts";

const directory = mkdtempSync(join(tmpdir(), "lifeline-verify-"));
const reasons = obstacles([ARCHITECTURE.name]);
const isSkipped = reasons.length > 0 && process.env["CI"] !== "true";
let agent: Bundle;

/** A limit that only a hanging program reaches: the runs take one to two minutes on an idle machine. */
const TEST_MAX_MS = 600_000;

beforeAll(async () => {
  agent = await bundledAgent();
}, TEST_MAX_MS);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function verify(layer: Tree | undefined, ...args: readonly string[]) {
  const from = mkdtempSync(join(directory, "layout-"));
  if (layer !== undefined) await writeStandIn(from, layer);
  const main = join(import.meta.dirname, "main.ts");
  const given = ["--from", from, "--arch", ARCHITECTURE.name, ...args];
  const child = spawn(process.execPath, [...process.execArgv, main, ...given], { stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (more: string) => (stdout += more));
  child.stderr.setEncoding("utf8").on("data", (more: string) => (stderr += more));
  const [status] = (await once(child, "close")) as [number | null];
  return { status, stdout, stderr };
}

/** Everything but the memory: this Node is the machine's own, not the one of the image. */
const isCounted = ({ name }: Check) => !name.startsWith("memory");

const checksOf = (stdout: string) => JSON.parse(stdout === "" ? "[]" : stdout) as Check[];

describe.skipIf(isSkipped)(`npm run extension:verify${isSkipped ? ` (skipped: ${reasons.join("; ")})` : ""}`, () => {
  it(
    "runs an extension as Talos does, and every check passes",
    async () => {
      const { stdout, stderr } = await verify(standIn(agent), "--zstd-level", "1", "--settle", "3", "--json");
      const checks = checksOf(stdout);
      const failed = checks.filter((check) => isCounted(check) && !check.isRight);
      expect(failed, stderr).toEqual([]);
      for (const of of ["v1.12", "v1.14"]) {
        const names = checks.filter((check) => check.of === of).map(({ name }) => name);
        expect(names).toEqual(
          expect.arrayContaining(["starts", "confined", "few lines", "enrols", "outage", "restart", "reports"]),
        );
      }
    },
    TEST_MAX_MS,
  );

  it(
    "runs the variant for maintenance mode, which has no disk and enrols again with another key",
    async () => {
      const args = ["--zstd-level", "1", "--settle", "3", "--profile", "v1.14", "--json"];
      const { stdout, stderr } = await verify(standIn(agent, MAINTENANCE_VARIANT), ...args);
      const checks = checksOf(stdout);
      const failed = checks.filter((check) => isCounted(check) && !check.isRight);
      expect(failed, stderr).toEqual([]);
      expect(checks.map(({ name }) => name)).toEqual(expect.arrayContaining(["credentials", "restart", "reports"]));
    },
    TEST_MAX_MS,
  );

  it.each([
    [
      "never logs its start",
      'console.log("hello"); setInterval(() => {}, 1000);',
      'no line with "agent started": hello',
    ],
    ["ends", 'console.log("hello");', 'the container ended before it printed "agent started": hello'],
  ])(
    "fails for a program that %s",
    async (_, source, why) => {
      const args = ["--zstd-level", "1", "--settle", "1", "--wait", "3", "--profile", "v1.12"];
      const { status, stderr } = await verify(standIn(programOf(source)), ...args);
      expect(stderr).toContain(why);
      expect(status).toBe(1);
    },
    TEST_MAX_MS,
  );
});

describe("before anything runs", () => {
  it(
    "every problem of the layer is printed",
    async () => {
      const layer = new Map([...standIn(programOf("x"))].filter(([path]) => !path.endsWith("libm.so.6")));
      const { status, stderr } = await verify(layer);
      expect(stderr).toMatch(/^WRONG \w+ bin\/node: libm\.so\.6: is in none of /m);
      expect(status).toBe(1);
    },
    TEST_MAX_MS,
  );

  it(
    "a missing layout is named",
    async () => {
      const { status, stderr } = await verify(undefined);
      expect(stderr).toContain("index.json cannot be read; npm run extension writes it");
      expect(status).toBe(1);
    },
    TEST_MAX_MS,
  );

  it.each([
    [["--settle", "0"], "--settle: got 0, want an integer from 1 to 600 seconds"],
    [["--wait", "1.5"], '--wait: got "1.5", want an integer from 1 to 600 seconds'],
    [["--zstd-level", "40"], "--zstd-level: got 40, want an integer from 1 to 22"],
    [["--profile", "v1.9"], '--profile: got "v1.9", want one of v1.12, v1.14, all'],
    [["--for-ever"], "--for-ever"],
  ])(
    "%s is refused",
    async (args, why) => {
      const { status, stderr } = await verify(undefined, ...args);
      expect(stderr).toContain(why);
      expect(status).toBe(2);
    },
    TEST_MAX_MS,
  );
});
