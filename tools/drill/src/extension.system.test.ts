/**
 * The extension on a node of the lab, as `npm run lab -- --extension` runs it: made here of the packages that are
 * fetched, or skipped where there are none. CI has them, and must run it.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { canRunFleet } from "@lifeline/lab";
import { systemClock } from "@lifeline/measure";
import { expect, it } from "vitest";
import { type ExtensionCheck, extensionObstacles, extensionText, runExtension } from "./extension-drill.ts";
import { openTestBed } from "./test-bed.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const BUILD = join(ROOT, "tools/extension/src/main.ts");

/** A build takes half a minute, what is seen a minute and a half. */
const TEST_MAX_MS = 8 * 60_000;

const CHECKS = ["enrols", "measures", "stays up", "outage", "reports", "memory", "stop", "restart", "reports"];

const able = await canRunFleet();
const isFetched = existsSync(join(ROOT, ".lifeline/extension/npm"));
const reasons = [
  ...(able === true ? [] : [able]),
  ...extensionObstacles(),
  ...(isFetched ? [] : ["nothing fetched: npm run extension, once"]),
];
const mustRun = process.env["CI"] === "true";
const isSkipped = reasons.length > 0 && !mustRun;

it.skipIf(isSkipped)(
  `the extension enrols, measures and reports beside a tunnel${isSkipped ? `, skipped: ${reasons.join("; ")}` : ""}`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "lifeline-extension-"));
    const { signal } = new AbortController();
    let checks: readonly ExtensionCheck[] = [];
    try {
      const built = spawnSync(process.execPath, ["--conditions=lifeline:source", BUILD, "--out", folder, "--json"], {
        encoding: "utf8",
      });
      expect(built.status, built.stderr).toBe(0);
      const testBed = await openTestBed({ clock: systemClock, signal, say: () => {} });
      try {
        checks = await runExtension(testBed, join(folder, "oci"), { clock: systemClock, signal, say: () => {} });
      } finally {
        await testBed.close();
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    process.stdout.write(extensionText(checks, undefined));
    expect(checks.filter(({ isRight }) => !isRight)).toEqual([]);
    expect(checks.map(({ name }) => name)).toEqual(CHECKS);
  },
  TEST_MAX_MS,
);
