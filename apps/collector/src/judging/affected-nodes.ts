/**
 * Which nodes a witness's report affects: those in an outage about which it now says something new. Reports arrive once
 * a second, and a dead Omni is an outage of the whole fleet, so a report without news causes no judging.
 */
import type { Cause } from "@lifeline/measure";
import { receptionOf, type WitnessView } from "@lifeline/verdict";
import { type Node, nodeNowMs } from "../fleet/node.ts";

/** Causes of a dead tunnel that another report of the witness would change. */
const WITNESSED: ReadonlySet<Cause> = new Set([
  "udp-blocked",
  "forward-path-blocked",
  "return-path-blocked",
  "tunnel-stale",
]);

/** Remembers what was last said of each node. */
export class AffectedNodes {
  readonly #viewOf: (node: Node) => WitnessView | undefined;
  readonly #said = new WeakMap<Node, string>();

  constructor(viewOf: (node: Node) => WitnessView | undefined) {
    this.#viewOf = viewOf;
  }

  /**
   * Takes those of `nodes` that should be judged again at `nowMs` by the collector's clock; each once for the same
   * news.
   */
  take(nodes: Iterable<Node>, nowMs: number): readonly Node[] {
    return [...nodes].filter((node) => this.#takeNews(node, nowMs));
  }

  #takeNews(node: Node, wallMs: number): boolean {
    const row = node.rows.find(({ udpEvidence, cause }) => udpEvidence !== undefined && WITNESSED.has(cause));
    if (row === undefined) return false;
    const reception = receptionOf(this.#viewOf(node), row.onsetMs, nodeNowMs(node, wallMs));
    const news = `${row.onsetMs} ${reception}`;
    // The judge keeps a direction that it has named when the witness falls silent: that is no news.
    if (reception === undefined || this.#said.get(node) === news) return false;
    this.#said.set(node, news);
    return true;
  }
}
