/** The nodes that the collector knows, in memory. Everything here can be rebuilt from the store. */
import { isSameRedirects, keptRedirects, resolve } from "@lifeline/catalogue";
import type { Requirements } from "../judging/requirements.ts";
import { isActive, type Node, type NodeDescription, nodeNowMs } from "./node.ts";
import { applyNodeEvent, createNode, type NodeOptions, type NodeOverflow } from "./node-state.ts";
import { SeriesBudget } from "./series-budget.ts";

/** Most nodes known at once. Nodes that were silent for the whole retention are pruned. */
export const MAX_NODES = 20_000;

/** What a fleet needs beside its requirements. */
interface FleetOptions {
  /** Of each node's quota, bytes. Default BYTES_CAPACITY. */
  readonly quotaBytes?: number | undefined;
  /** What found no room, to be counted. */
  onOverflow(what: NodeOverflow): void;
}

export class Fleet {
  readonly #requirements: Requirements;
  readonly #nodeOptions: NodeOptions;
  readonly #nodes = new Map<string, Node>();
  /** How many active nodes the cadences are made for. */
  #size = 1;

  constructor(requirements: Requirements, options: FleetOptions) {
    this.#requirements = requirements;
    const onOverflow = (what: NodeOverflow) => options.onOverflow(what);
    this.#nodeOptions = { quotaBytes: options.quotaBytes, series: new SeriesBudget(), onOverflow };
  }

  /** By id. */
  get nodes(): ReadonlyMap<string, Node> {
    return this.#nodes;
  }

  /** Whether {@link admit} would take a node of that id. */
  hasRoomFor(nodeId: string): boolean {
    return this.#nodes.has(nodeId) || this.#nodes.size < MAX_NODES;
  }

  /** The described node, created or brought up to date; undefined when {@link MAX_NODES} are known. */
  admit(description: NodeDescription, nowMs: number): Node | undefined {
    const { nodeId } = description.facts;
    if (!this.hasRoomFor(nodeId)) return undefined;
    const node = this.#nodes.get(nodeId) ?? createNode(description, nowMs, this.#nodeOptions);
    this.#nodes.set(nodeId, node);
    applyNodeEvent(node, { kind: "described", description });
    this.#plan(node, nowMs);
    return node;
  }

  /** Counts the active nodes. When the cadences change, makes new plans and offers them; says whether it did. */
  updateCadences(nowMs: number): boolean {
    const size = [...this.#nodes.values()].filter((node) => isActive(node, nowMs)).length;
    if (doublings(size) === doublings(this.#size)) return false;
    this.#size = size;
    for (const node of this.#nodes.values()) {
      this.#plan(node, nowMs);
      node.session?.offerPlan(node.plan);
    }
    return true;
  }

  /**
   * Plans the hosts of redirects that nodes have seen of late, and no longer those that they have not; offers the new
   * plans. Returns the nodes whose facts changed.
   */
  followRedirects(nowMs: number): readonly Node[] {
    return [...this.#nodes.values()].filter((node) => {
      const redirects = keptRedirects(node.redirects, nodeNowMs(node, nowMs));
      if (isSameRedirects(redirects, node.facts.redirects ?? [])) return false;
      applyNodeEvent(node, { kind: "redirects-kept", redirects });
      this.#plan(node, nowMs);
      node.session?.offerPlan(node.plan);
      return true;
    });
  }

  /** Drops those of the nodes that are not connected. */
  prune(nodeIds: Iterable<string>): void {
    for (const nodeId of nodeIds) {
      const node = this.#nodes.get(nodeId);
      if (node === undefined || node.session !== undefined) continue;
      applyNodeEvent(node, { kind: "pruned" });
      this.#nodes.delete(nodeId);
    }
  }

  #plan(node: Node, nowMs: number): void {
    const { catalogue, deployment } = this.#requirements;
    const resolution = resolve(catalogue, deployment, node.facts);
    applyNodeEvent(node, { kind: "planned", resolution, fleetSize: this.#size, nowMs });
  }
}

/** The power of two that a fleet of that size is counted as (cadence.ts). */
function doublings(size: number): number {
  return Math.ceil(Math.log2(Math.max(1, size)));
}
