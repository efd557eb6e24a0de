import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { parseSchedstat, parseSmapsRollup, readUsage } from "./process-usage.ts";

const ROLLUP = `00400000-7ffeaccc7000 ---p 00000000 00:00 0                              [rollup]
Rss:               48372 kB
Pss:               46271 kB
Pss_Anon:           9084 kB
Shared_Clean:       2928 kB
Private_Clean:     36360 kB
Private_Dirty:      9084 kB
Anonymous:          9000 kB
AnonHugePages:         0 kB
`;

describe("smaps_rollup", () => {
  it("gives resident, proportional, private and anonymous bytes", () => {
    expect(parseSmapsRollup(ROLLUP)).toEqual({
      rssBytes: 48_372 * 1_024,
      pssBytes: 46_271 * 1_024,
      privateBytes: (36_360 + 9_084) * 1_024,
      anonymousBytes: 9_000 * 1_024,
    });
  });

  it.each(["Rss", "Pss", "Private_Clean", "Private_Dirty", "Anonymous"])("without %s is refused", (name) => {
    const without = ROLLUP.replace(new RegExp(`^${name}:.*\n`, "m"), "");
    expect(() => parseSmapsRollup(without)).toThrow(
      expect.objectContaining({ code: "cannot-run", message: `smaps_rollup: no ${name}` }),
    );
  });
});

describe("schedstat", () => {
  it("gives ns on a processor, and ns of waiting for one", () => {
    expect(parseSchedstat("153319226 659630 26\n")).toEqual({ ranNs: 153_319_226, waitedNs: 659_630 });
  });

  it.each(["", "12", "12 13", "a 1 2", "1 2 3 4"])("%j is refused", (text) => {
    expect(() => parseSchedstat(text)).toThrow(
      expect.objectContaining({ code: "cannot-run", message: `schedstat: "${text}"; expected three numbers` }),
    );
  });
});

describe("a process", () => {
  it("that runs is read; one that has ended is an error", async () => {
    const own = await readUsage(process.pid);
    expect(own.cpuNs).toBeGreaterThan(0);
    expect(own.rssBytes).toBeGreaterThanOrEqual(own.pssBytes);
    expect(own.rssBytes).toBeGreaterThanOrEqual(own.privateBytes);

    const child = spawn("true");
    await once(child, "close");
    // Which of its files is missed first is chance.
    const rounds = Array.from({ length: 100 }, () => readUsage(child.pid ?? 0));
    const codes = (await Promise.allSettled(rounds)).map((one) => one.status === "rejected" && one.reason.code);
    expect(new Set(codes)).toEqual(new Set(["process-gone"]));
  });
});
