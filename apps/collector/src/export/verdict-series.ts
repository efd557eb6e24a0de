/**
 * The verdicts of the fleet's rows, and what is known of SideroLink's UDP port.
 *
 * 1. A verdict has its row's obligation as a label, so that an alert can leave out optional rows.
 * 2. A comparison (measured only beside what the node itself uses) has no verdict, so that an alert on unmet rows never
 *    fires for a path that the node does not use.
 */
import { resolvedTargets } from "@lifeline/catalogue";
import type { Target } from "@lifeline/measure";
import { UDP_EVIDENCE, VERDICTS } from "@lifeline/verdict";
import type { Node } from "../fleet/node.ts";
import { head } from "./prometheus-text.ts";
import { targetLabels } from "./target-labels.ts";

export function* verdictSeries(nodes: readonly Node[]): Generator<string> {
  const name = "lifeline_requirement_verdict";
  yield head(name, "gauge", "1 for the verdict that the row has, 0 for the others.");
  for (const node of nodes) {
    const targets = targetsById(node);
    for (const { requirementId, target, verdict, comparison, obligation } of node.rows) {
      if (comparison) continue;
      const row = targetLabels(node.nodeId, requirementId, targets.get(target?.id ?? ""));
      yield oneOf(name, `${row},obligation="${obligation}"`, "verdict", VERDICTS, verdict);
    }
  }
}

export function* udpEvidenceSeries(nodes: readonly Node[]): Generator<string> {
  const name = "lifeline_siderolink_udp_evidence";
  yield head(name, "gauge", "1 for what is known of the SideroLink UDP port, 0 for the other values.");
  for (const node of nodes) {
    const targets = targetsById(node);
    for (const { requirementId, target, udpEvidence } of node.rows) {
      if (udpEvidence === undefined) continue;
      const labels = targetLabels(node.nodeId, requirementId, targets.get(target?.id ?? ""));
      yield oneOf(name, labels, "evidence", UDP_EVIDENCE, udpEvidence);
    }
  }
}

/** One series for each value that the label may have: 1 for the current one, 0 for the others. */
function oneOf(name: string, labels: string, label: string, values: readonly string[], current: string): string {
  return values.map((value) => `${name}{${labels},${label}="${value}"} ${value === current ? 1 : 0}\n`).join("");
}

function targetsById({ resolution }: Node): ReadonlyMap<string, Target> {
  return new Map(resolvedTargets(resolution).map((target) => [target.id, target]));
}
