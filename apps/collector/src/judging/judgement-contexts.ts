/**
 * What the judge knows of a node beside its windows: its clock, its witnesses, whether two machines share its id, what
 * the fleet observes.
 */
import type { InterceptionSigns } from "@lifeline/catalogue";
import { type JudgementContext, judgementContextOf, type KnownOfNode } from "@lifeline/verdict";
import { isSilent, type Node, nodeNowMs } from "../fleet/node.ts";
import type { Witnesses } from "../fleet/witnesses.ts";
import type { FleetIssuers } from "./fleet-issuer.ts";

interface ContextSources {
  readonly witnesses: Pick<Witnesses, "viewOf">;
  readonly issuers: Pick<FleetIssuers, "of">;
  readonly interception: InterceptionSigns;
}

/** What is known of nodes. Reads only. */
export class JudgementContexts {
  readonly #sources: ContextSources;

  constructor(sources: ContextSources) {
    this.#sources = sources;
  }

  /** Of a node now; `nowMs` by the collector's clock. */
  now(node: Node, nowMs: number): JudgementContext {
    const duplicate = node.boots.duplicate(nowMs);
    const behindMs = nowMs - nodeNowMs(node, nowMs);
    return judgementContextOf(this.#sources.interception, {
      ...this.#lasting(node),
      witness: this.#sources.witnesses.viewOf(node),
      duplicate: duplicate && { ...duplicate, sinceMs: duplicate.sinceMs - behindMs },
      silentSinceMs: isSilent(node, nowMs) ? (node.lastReportMs ?? node.firstSeenMs) - behindMs : undefined,
    });
  }

  /**
   * Of a node's past. What witnesses receive now, and which machines are connected now, says nothing of an outage that
   * is over.
   */
  past(node: Node): JudgementContext {
    return judgementContextOf(this.#sources.interception, this.#lasting(node));
  }

  #lasting({ nodeId: name, clockOffsetMs, observedEndpoint }: Node): KnownOfNode {
    const fleetIssuer = (targetId: string) => this.#sources.issuers.of(targetId);
    return { name, clockOffsetMs, observedEndpoint, fleetIssuer };
  }
}
