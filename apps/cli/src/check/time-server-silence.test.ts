/** How soon the agent's loop and the judge show that a time server no longer answers, with the catalogue's cadence. */
import { deploymentFrom, loadCatalogue, loadInterception, resolve, resolvedTargets } from "@lifeline/catalogue";
import { manualClock, pause, type Sample, type Target } from "@lifeline/measure";
import { Prober, type SilenceWatch } from "@lifeline/prober";
import { DEFAULT_THRESHOLDS, judgementContextOf, judgeNode } from "@lifeline/verdict";
import type { Window } from "@lifeline/window";
import { describe, expect, it } from "vitest";

/** The most that may pass from the first dropped packet to the verdict, ms. */
const SHOWN_WITHIN_MS = 35_000;

/** The server answers until then, ms after the start. */
const BLOCKED_AT_MS = 60_000;

/** How long a silent attempt is watched for a late answer, ms. */
const WATCHED_MS = 2_000;

const STEP_MS = 500;
const deployment = deploymentFrom({ api: "https://omni.test", machineApi: "https://omni.test:8090", siderolink: [] });
const facts = { nodeId: "n", roles: ["talos-node"], families: [4], talosVersion: "v1.13.0" } as const;
const whole = resolve(loadCatalogue("v1.13"), deployment, facts);
const resolution = { ...whole, rows: whole.rows.filter(({ requirement: { id } }) => id === "node-time") };

/** Plays a node from its start; returns the time from the block to the unmet verdict, ms, at most twice as allowed. */
async function shownAfterMs(nodeId: string, addresses: readonly [string, ...string[]]): Promise<number> {
  const clock = manualClock(0);
  const windows: Window[] = [];
  let turn = 0;
  const attempt = async (target: Target, watch: SilenceWatch): Promise<Sample> => {
    const startedAtMs = clock.wallMs();
    const address = addresses[turn++ % addresses.length] ?? addresses[0];
    const evidence = { address, ...(addresses.length > 1 ? { addresses } : {}) };
    const ended = (reason: "answered" | "timeout"): Sample => {
      const common = { targetId: target.id, startedAtMs, endedAtMs: clock.wallMs(), phases: {}, evidence };
      return { ...common, outcome: { reason, phase: "first-byte" } };
    };
    if (startedAtMs < BLOCKED_AT_MS) return ended("answered");
    await pause(clock, target.timeoutMs);
    if (watch.silent({ address, giveUp() {} })) await pause(clock, WATCHED_MS);
    return ended("timeout");
  };
  const prober = new Prober({
    clock,
    nodeId,
    probe: attempt,
    sealed: (sealed) => windows.push(...sealed),
    onDefect(_, error) {
      throw error;
    },
  });
  prober.setTargets(resolvedTargets(resolution));
  while (clock.wallMs() < BLOCKED_AT_MS + 2 * SHOWN_WITHIN_MS) {
    clock.advance(STEP_MS);
    await new Promise((next) => setImmediate(next));
    if (clock.wallMs() > BLOCKED_AT_MS && isUnmet(windows, clock.wallMs())) break;
  }
  return clock.wallMs() - BLOCKED_AT_MS;
}

function isUnmet(windows: readonly Window[], nowMs: number): boolean {
  const unknown = { witness: undefined, duplicate: undefined, fleetIssuer: undefined, observedEndpoint: undefined };
  const clockOffset = { clockOffsetMs: 0, clockReference: "time server" } as const;
  const rows = judgeNode({
    resolution,
    windows: (targetId) => windows.filter((one) => one.targetId === targetId),
    nowMs,
    thresholds: DEFAULT_THRESHOLDS,
    ...judgementContextOf(loadInterception(), { name: "n", ...clockOffset, ...unknown }),
  });
  return rows.some(({ verdict, cause }) => verdict === "unmet" && cause === "timeout");
}

describe("a time server that falls silent", () => {
  it.each([
    ["one address", ["192.0.2.1"]],
    ["two addresses, which take turns", ["192.0.2.1", "192.0.2.2"]],
  ] as const)("shows within 35 s, whenever that is, with %s", async (_, addresses) => {
    // The name of the node sets when it asks.
    const nodes = Array.from({ length: 8 }, (__, at) => `n${at}`);
    const took = await Promise.all(nodes.map((nodeId) => shownAfterMs(nodeId, addresses)));
    expect(Math.max(...took)).toBeLessThanOrEqual(SHOWN_WITHIN_MS);
    // The block came soon after an answer, and just before one was due.
    expect(Math.max(...took) - Math.min(...took)).toBeGreaterThan(10_000);
  });
});
