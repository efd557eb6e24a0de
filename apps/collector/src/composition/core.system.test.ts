import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manualClock } from "@lifeline/measure";
import { pino } from "pino";
import { afterEach, expect, it } from "vitest";
import { SILENT_AFTER_MS } from "../identity/id-activity.ts";
import { testConfig } from "../testing/config.ts";
import { writeDeployment } from "../testing/deployment-fixture.ts";
import { openCore } from "./core.ts";

const directory = mkdtempSync(join(tmpdir(), "lifeline-core-"));
afterEach(() => rmSync(directory, { recursive: true }));

it("counts no id as silent for the time in which the fleet is rehydrated", async () => {
  writeDeployment(directory);
  const manual = manualClock(Date.parse("2026-11-30T00:00:00Z"));
  // The wall clock is read for the fleet's rehydration, which takes long here.
  const clock = {
    ...manual,
    wallMs() {
      manual.advance(SILENT_AFTER_MS);
      return manual.wallMs();
    },
  };
  const onStoreCrash = (error: Error) => {
    throw error;
  };
  const core = await openCore(testConfig(directory), { clock, log: pino({ level: "silent" }), onStoreCrash });
  try {
    expect(core.ingest.streams.isSilent("n1")).toBe(false);
    manual.advance(SILENT_AFTER_MS);
    expect(core.ingest.streams.isSilent("n1")).toBe(true);
  } finally {
    await core.store.close();
  }
});
