/** Checks: rows that are judged by facts about the node. They send no packet. */
import type { CheckedFacts } from "@lifeline/catalogue";
import { NO_DATA_STEP } from "./next-step.ts";
import type { NodeContext } from "./node-context.ts";
import { quoted, timeOfDay } from "./phrase.ts";
import type { RowVerdict } from "./row.ts";

/**
 * Clock offset from which a node is degraded, ms. NTP keeps nodes within milliseconds. The collector's estimate errs by
 * half a round trip, far less than this. etcd warns of peers from one second on.
 */
export const CLOCK_DEGRADED_MS = 1_000;

/**
 * Clock offset from which a node is unmet, ms. No working NTP client leaves so much. A node this far behind rejects
 * certificates issued just now. Windows this far ahead are ignored (WINDOW_MS).
 */
export const CLOCK_UNMET_MS = 10_000;

type CheckResult = Pick<RowVerdict, "verdict" | "cause" | "evidence" | "nextStep"> & { readonly onsetMs?: number };

/** The verdict of a check. Unknown when the node has been silent: no verdict outlives its data (M4). Total. */
export function checkVerdict(check: CheckedFacts, context: NodeContext, nowMs: number): CheckResult {
  if (context.silentSinceMs !== undefined) return silentVerdict(context.silentSinceMs, nowMs);
  switch (check.name) {
    case "clock":
      return clockVerdict(context);
    case "unique-node":
      return uniqueVerdict(context.duplicate, nowMs);
    case "tunnel-bypasses-proxy":
      return bypassVerdict(check);
  }
}

function silentVerdict(silentSinceMs: number, nowMs: number): CheckResult {
  return {
    verdict: "unknown",
    cause: "no-data",
    evidence: `The node has not reported since ${timeOfDay(silentSinceMs)}.`,
    nextStep: NO_DATA_STEP,
    onsetMs: Math.min(silentSinceMs, nowMs),
  };
}

function clockVerdict({ clockOffsetMs: offsetMs, clockReference = "collector" }: NodeContext): CheckResult {
  if (offsetMs === undefined || !Number.isFinite(offsetMs)) {
    return {
      verdict: "unknown",
      cause: "not-measured",
      evidence: "The node's clock has not been compared with the collector's.",
      nextStep: "Node owner: check that the agent reaches the collector, which compares the clocks.",
    };
  }
  const apartMs = Math.abs(offsetMs);
  const side = offsetMs > 0 ? "behind" : "ahead of";
  const evidence = `The node's clock is ${(apartMs / 1_000).toFixed(3)} s ${side} the ${clockReference}'s; degraded from ${CLOCK_DEGRADED_MS / 1_000} s, unmet from ${CLOCK_UNMET_MS / 1_000} s.`;
  if (apartMs < CLOCK_DEGRADED_MS) return { verdict: "met", cause: "none", evidence, nextStep: "" };
  const verdict = apartMs < CLOCK_UNMET_MS ? "degraded" : "unmet";
  const nextStep = `Node owner: make its time server reachable (UDP 123; NTS also TCP 4460) and let it set the clock; if all nodes differ by the same amount, the ${clockReference}'s clock is wrong.`;
  return { verdict, cause: "clock", evidence, nextStep };
}

function uniqueVerdict(duplicate: NodeContext["duplicate"], nowMs: number): CheckResult {
  if (duplicate === undefined) {
    return { verdict: "met", cause: "none", evidence: "One machine reports under this node id.", nextStep: "" };
  }
  const { peers, sinceMs } = duplicate;
  return {
    verdict: "unmet",
    cause: "duplicate-node",
    evidence: `${peers.length} machines have reported under this node id since ${timeOfDay(sinceMs)}: ${peers.map(quoted).join(", ")}.`,
    nextStep:
      "Node owner: give each machine a UUID of its own (firmware or hypervisor setting); Omni treats machines with the same UUID as one.",
    onsetMs: Math.min(sinceMs, nowMs),
  };
}

function bypassVerdict(check: Extract<CheckedFacts, { name: "tunnel-bypasses-proxy" }>): CheckResult {
  const { prefix, proxy, noProxy, bypassed } = check;
  const list = noProxy.length === 0 ? "empty" : quoted(noProxy.slice(0, 16).join(",").slice(0, 512));
  const evidence = `HTTPS goes through the proxy ${proxy}; NO_PROXY is ${list}, which ${bypassed ? "covers" : "does not cover"} the tunnel's ${prefix}.`;
  if (bypassed) return { verdict: "met", cause: "none", evidence, nextStep: "" };
  const nextStep = `Node owner: add ${prefix} (or fdae::/64) to no_proxy in the machine's environment, so that tunnel traffic does not go to the proxy.`;
  return { verdict: "unmet", cause: "no-proxy", evidence, nextStep };
}
