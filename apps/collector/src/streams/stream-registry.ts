/**
 * The streams that are open.
 *
 * 1. A node has few open streams: the oldest makes room for a new one. All together they are bounded too (S2).
 * 2. From the check of a principal to {@link StreamRegistry.enter} nothing is awaited, so a revocation finds every
 *    stream it concerns.
 */
import type { Clock } from "@lifeline/measure";
import { RpcError, RpcStatus } from "@lifeline/rpc";
import type { SelfMetrics } from "../export/self-metrics.ts";
import type { StreamPrincipal } from "../identity/access.ts";
import { IdActivity } from "../identity/id-activity.ts";

/**
 * Most open streams of one node: the live one, the one that replaces it, and as many again of a connection that is not
 * yet known to be gone.
 */
const STREAMS_OF_NODE_MAX = 4;

/** A stream that can be ended. */
export interface OpenStream {
  readonly principal: StreamPrincipal;
  /** Ends it from outside; what its requests still bring is ignored. */
  end(error: RpcError): void;
}

export interface RegistryParts {
  readonly clock: Clock;
  readonly selfMetrics: Pick<SelfMetrics, "refusedStreams">;
  readonly maxStreams: number;
}

/** Open streams, by node where they are authenticated. */
export class StreamRegistry {
  readonly #parts: RegistryParts;
  readonly #activity: IdActivity;
  readonly #open = new Set<OpenStream>();
  /** In the order of their opening. */
  readonly #byNode = new Map<string, Set<OpenStream>>();

  constructor(parts: RegistryParts) {
    this.#parts = parts;
    this.#activity = new IdActivity(parts.clock);
  }

  get size(): number {
    return this.#open.size;
  }

  /** Makes room for a stream of that principal. Throws an RpcError when there is none. */
  makeRoom(principal: StreamPrincipal): void {
    const { selfMetrics, maxStreams } = this.#parts;
    this.#replaceOldest(principal);
    if (this.#open.size < maxStreams) return;
    selfMetrics.refusedStreams.inc({ code: "too-many-streams" });
    throw new RpcError(RpcStatus.RESOURCE_EXHAUSTED, `streams: got one more, want at most ${maxStreams}`);
  }

  enter(stream: OpenStream): void {
    this.#open.add(stream);
    if (stream.principal.kind === "unauthenticated") return;
    const { nodeId } = stream.principal;
    const others = this.#byNode.get(nodeId) ?? new Set();
    this.#byNode.set(nodeId, others.add(stream));
  }

  leave(stream: OpenStream): void {
    this.#open.delete(stream);
    if (stream.principal.kind === "unauthenticated") return;
    const { nodeId } = stream.principal;
    const others = this.#byNode.get(nodeId);
    if (!others?.delete(stream) || others.size > 0) return;
    this.#byNode.delete(nodeId);
    this.#activity.ended(nodeId);
  }

  endAll(): void {
    for (const stream of this.#open) stream.end(new RpcError(RpcStatus.UNAVAILABLE, "the collector is stopping"));
  }

  /** Ends the streams of a node; says how many there were. */
  endNode(nodeId: string, why: string): number {
    const ofNode = [...(this.#byNode.get(nodeId) ?? [])];
    for (const stream of ofNode) stream.end(new RpcError(RpcStatus.PERMISSION_DENIED, why));
    return ofNode.length;
  }

  /** Whether a node has no stream, and had none a moment ago (see id-activity.ts). */
  isSilent(nodeId: string): boolean {
    return !this.#byNode.has(nodeId) && this.#activity.isSilent(nodeId);
  }

  /** Ends the streams whose certificate has ended: a certificate is good for its time and no longer. */
  endExpired(): void {
    const nowMs = this.#parts.clock.wallMs();
    for (const stream of this.#open) {
      const { principal } = stream;
      if (principal.kind === "unauthenticated" || principal.notAfterMs > nowMs) continue;
      this.#parts.selfMetrics.refusedStreams.inc({ code: "certificate-ended" });
      stream.end(new RpcError(RpcStatus.UNAUTHENTICATED, "certificate: it has ended, want a renewed one"));
    }
  }

  #replaceOldest(principal: StreamPrincipal): void {
    const others = principal.kind === "node" ? this.#byNode.get(principal.nodeId) : undefined;
    const [oldest] = others ?? [];
    if (others === undefined || oldest === undefined || others.size < STREAMS_OF_NODE_MAX) return;
    this.#parts.selfMetrics.refusedStreams.inc({ code: "too-many-of-node" });
    this.leave(oldest);
    oldest.end(new RpcError(RpcStatus.ABORTED, `streams: the node has opened ${STREAMS_OF_NODE_MAX} others`));
  }
}
