/**
 * Whose verdicts a witness's report can change: those of nodes in an outage of which it now says something else than before. Reports
 * come once a second, and a dead Omni is an outage of the whole fleet: what says nothing new is not worth judging every node again.
 */
import type { Cause } from "@lifeline/measure";
import { receptionOf, type WitnessView } from "@lifeline/verdict";
import { type Node, nodeNowMs } from "../fleet/fleet.ts";

/** Causes of a dead tunnel that another word of the witness would change. */
const HANGING: ReadonlySet<Cause> = new Set([
  "udp-blocked",
  "forward-path-blocked",
  "return-path-blocked",
  "tunnel-stale",
]);

/** Says which of `nodes` should be judged again at `nowMs`, by the collector's clock; each once for the same word. */
export type Suspects = (nodes: Iterable<Node>, nowMs: number) => readonly Node[];

export function createSuspects(viewOf: (node: Node) => WitnessView | undefined): Suspects {
  const told = new WeakMap<Node, string>();
  const hasNews = (node: Node, wallMs: number): boolean => {
    const row = node.rows.find(({ udpEvidence, cause }) => udpEvidence !== undefined && HANGING.has(cause));
    if (row === undefined) return false;
    const reception = receptionOf(viewOf(node), row.onsetMs, nodeNowMs(node, wallMs));
    const word = `${row.onsetMs} ${reception}`;
    // The judge keeps a direction that it has named when the witness falls silent: that is no news.
    if (reception === undefined || told.get(node) === word) return false;
    told.set(node, word);
    return true;
  };
  return (nodes, nowMs) => [...nodes].filter((node) => hasNews(node, nowMs));
}
