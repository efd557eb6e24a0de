/**
 * A container without configuration and network: it starts, stays up, prints little, and keeps its id when it starts
 * again.
 */
import { NS_PER_MS, pause } from "@lifeline/measure";
import type { Report } from "./check.ts";
import type { Container } from "./container.ts";
import { checkConfinement, checkLog, checkMemory, checkStop } from "./container-checks.ts";
import { idleLinesMax, type Line } from "./log-lines.ts";
import { readMemory } from "./process-facts.ts";
import type { ProfileOptions } from "./profile-options.ts";
import type { TestNode } from "./test-node.ts";

/** Starts and stops it. Resolves with its start-up log line. */
export async function checkIdleStart(options: ProfileOptions, node: TestNode, report: Report): Promise<Line> {
  const container = await node.start({});
  const line = await container.waitForMessage("agent started", options.waitMaxMs);
  await pause(options.clock, options.settleMs);
  const readyMs = Math.round((line.atNs - container.startedNs) / NS_PER_MS);
  const how = `ready in ${readyMs} ms without configuration and network, id from ${line.value?.["idSource"]}`;
  report("starts", container.isRunning, `${how}; ${container.isRunning ? "stays up" : `ended: ${container.stderr}`}`);
  checkConfinement(options, container, report);
  checkMemory("memory idle", readMemory(container.pid), report);
  await checkStop("stop idle", container, report);
  return line;
}

/**
 * Checks a second container of the node, which has run for a while. `firstLine` is the result of {@link
 * checkIdleStart}.
 */
export async function checkIdleAgain(
  { clock }: ProfileOptions,
  node: TestNode,
  firstLine: Line,
  container: Container,
  report: Report,
): Promise<void> {
  const afterMs = (clock.monotonicNs() - container.startedNs) / NS_PER_MS;
  const { lines, isRunning, stderr } = container;
  const max = idleLinesMax(afterMs);
  const seen = `${lines.length} lines in ${Math.round(afterMs / 1_000)} s, at most ${max}`;
  report("few lines", isRunning && lines.length <= max, isRunning ? seen : `it ended: ${stderr}`);
  const lacks = lines.find(({ value }) => value?.["status"] === "credentials");
  report("credentials", lacks === undefined, lacks?.text ?? "the image brings what the agent needs, if it brings any");
  checkSameId(node, firstLine, lines, report);
  await checkStop("stop again", container, report);
  checkLog("log idle", [container], report);
}

function checkSameId(node: TestNode, firstLine: Line, lines: readonly Line[], report: Report): void {
  const id = lines.find(({ value }) => value?.["msg"] === "agent started")?.value?.["nodeId"];
  const before = firstLine.value?.["nodeId"];
  // Without a disk and without a UUID of the firmware, an id is for one start.
  const isKept = node.hasDisk || firstLine.value?.["idSource"] === "product-uuid";
  const why = isKept ? "" : "; it has neither a UUID of its firmware nor a disk";
  report("same node", id !== undefined && (id === before) === isKept, `started again as ${id}, was ${before}${why}`);
}
