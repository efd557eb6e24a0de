/** What becomes of an admitted Hello: the node is saved, then the fleet knows it. */
import type { Clock } from "@lifeline/measure";
import { RpcError, RpcStatus } from "@lifeline/rpc";
import type { reportPb } from "@lifeline/wire";
import type { SelfMetrics } from "../export/self-metrics.ts";
import { nextOffsetMs } from "../fleet/clock-offset.ts";
import type { Fleet } from "../fleet/fleet.ts";
import type { Node } from "../fleet/node.ts";
import { nodeRecordOf } from "../fleet/node-record.ts";
import { applyNodeEvent } from "../fleet/node-state.ts";
import { readJudgement, type StoredJudgement } from "../fleet/rehydrate.ts";
import type { StreamPrincipal } from "../identity/access.ts";
import type { Judging } from "../judging/judging.ts";
import type { Store } from "../store/store.ts";
import { admitHello } from "./hello.ts";
import type { AdmittedHello } from "./hello-facts.ts";
import { takeHello } from "./quota.ts";
import { HELLO_RATE } from "./quota-limits.ts";
import { sentAtMsOf } from "./report-clock.ts";
import { unavailable } from "./store-answer.ts";

export interface HelloParts {
  readonly fleet: Fleet;
  readonly judging: Pick<Judging, "beginBacklog" | "touch">;
  readonly store: Store;
  readonly selfMetrics: SelfMetrics;
  readonly clock: Clock;
}

/** The stream on which a Hello arrived. */
interface HelloStream {
  readonly principal: StreamPrincipal;
  readonly peerAddress: string | undefined;
  readonly hasEnded: () => boolean;
}

export class HelloAdmission {
  readonly #parts: HelloParts;

  constructor(parts: HelloParts) {
    this.#parts = parts;
  }

  /**
   * The node of a Hello. It is durable before the fleet knows it, so that nothing of it is written first. Rejects with
   * an RpcError.
   */
  async admit(hello: reportPb.Hello, stream: HelloStream): Promise<Node> {
    const admitted = this.#check(hello, stream.principal);
    const { nodeId } = admitted.facts;
    const nowMs = this.#parts.clock.wallMs();
    const sentMs = sentAtMsOf(hello);
    const offsetMs = sentMs === undefined ? undefined : nextOffsetMs(undefined, sentMs, nowMs);
    const stored = await this.#save(admitted, stream, nowMs, offsetMs);
    // A stream that was replaced meanwhile must not overwrite the facts of the one that replaced it.
    if (stream.hasEnded()) throw new RpcError(RpcStatus.ABORTED, "the stream has ended");
    const { fleet, judging, clock } = this.#parts;
    const isNew = !fleet.nodes.has(nodeId);
    const node = fleet.admit(admitted, nowMs) ?? this.#tooManyNodes();
    if (isNew && stored !== undefined) rehydrateJudgement(node, stored);
    const sample = sentMs === undefined ? undefined : { sentMs, atNs: clock.monotonicNs() };
    applyNodeEvent(node, { kind: "clock-observed", offsetMs, sample, mayBeDelayed: false });
    const bootId = Buffer.from(hello.bootId).toString("hex");
    applyNodeEvent(node, { kind: "stream-opened", bootId, peerAddress: stream.peerAddress, nowMs });
    judging.beginBacklog(node);
    judging.touch(node);
    return node;
  }

  #check(hello: reportPb.Hello, principal: StreamPrincipal): AdmittedHello {
    const { fleet, selfMetrics } = this.#parts;
    const verdict = admitHello(hello, principal);
    if (verdict.kind !== "admitted") {
      selfMetrics.refusedStreams.inc({ code: verdict.kind });
      const status = verdict.kind === "another-node" ? RpcStatus.PERMISSION_DENIED : RpcStatus.INVALID_ARGUMENT;
      throw new RpcError(status, `${verdict.field}: ${verdict.detail}`);
    }
    const { nodeId } = verdict.hello.facts;
    this.#takeFromQuota(fleet.nodes.get(nodeId));
    for (const { field, count } of verdict.dropped) selfMetrics.droppedFacts.inc({ field }, count);
    return fleet.hasRoomFor(nodeId) ? verdict.hello : this.#tooManyNodes();
  }

  /**
   * Saves the node. How it was last judged, where the store knows it and the fleet does not: an open incident ends by
   * what the node reports now.
   */
  async #save(
    hello: AdmittedHello,
    { peerAddress }: HelloStream,
    seenAtMs: number,
    clockOffsetMs: number | undefined,
  ): Promise<StoredJudgement | undefined> {
    const { fleet, store } = this.#parts;
    const { nodeId } = hello.facts;
    // A Hello does not say which redirects the node's windows have shown.
    const redirects = fleet.nodes.get(nodeId)?.facts.redirects;
    const facts = redirects === undefined ? hello.facts : { ...hello.facts, redirects };
    const record = nodeRecordOf({ ...hello, facts, peerAddress }, seenAtMs, clockOffsetMs);
    const result = await store.submit("saveNode", record).catch(unavailable);
    if (result !== "known" || fleet.nodes.has(nodeId)) return undefined;
    return readJudgement(store, nodeId).catch(unavailable);
  }

  /** A Hello costs a write and a plan. */
  #takeFromQuota(known: Node | undefined): void {
    if (known === undefined || takeHello(known.quota, this.#parts.clock.monotonicNs()) === 0) return;
    this.#parts.selfMetrics.refusedStreams.inc({ code: "too-many-hellos" });
    const { capacity, perSecond } = HELLO_RATE;
    const want = `at most ${capacity} at once and ${perSecond} a second`;
    throw new RpcError(RpcStatus.RESOURCE_EXHAUSTED, `hello: got one more of this node, want ${want}`);
  }

  #tooManyNodes(): never {
    this.#parts.selfMetrics.overflows.inc({ what: "nodes" });
    this.#parts.selfMetrics.refusedStreams.inc({ code: "too-many-nodes" });
    throw new RpcError(RpcStatus.RESOURCE_EXHAUSTED, "hello.node_id: the collector knows as many nodes as it can");
  }
}

function rehydrateJudgement(node: Node, { previous, incidents }: StoredJudgement): void {
  applyNodeEvent(node, { kind: "verdicts-rehydrated", previous });
  applyNodeEvent(node, { kind: "incidents-rehydrated", incidents });
}
