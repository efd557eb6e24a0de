/**
 * The agents' streams: hello, plan, reports, acknowledgements.
 *
 * 1. The first message is a Hello that is admitted, within {@link HELLO_WITHIN_MS}; or the stream ends.
 * 2. A report is acknowledged after it is durable, never before (U1); one that came before is acknowledged again.
 * 3. A report that can never be admitted is refused by name and counted; the stream goes on.
 * 4. A node has one live stream: a second one takes the first one's place; those that have not said Hello are few.
 * 5. What a node brings in is bounded by its quota, over all its streams; what it does not read is bounded too (S2).
 */
import { type Clock, NS_PER_MS } from "@lifeline/measure";
import { type CallContext, type Respond, RpcError, RpcStatus, type ServiceImplementation } from "@lifeline/rpc";
import { type Plan, planToWire, type reportPb } from "@lifeline/wire";
import type { SelfMetrics } from "../export/self-metrics.ts";
import { nextOffsetMs } from "../fleet/clock-offset.ts";
import type { Fleet, Node, SeenFrom, Session } from "../fleet/fleet.ts";
import { recall } from "../fleet/rehydrate.ts";
import type { Access, StreamPrincipal } from "../identity/access.ts";
import { IdActivity } from "../identity/id-activity.ts";
import type { Judging } from "../judging/judging.ts";
import type { Store } from "../store/store.ts";
import { admitHello, sentAtMsOf } from "./admission.ts";
import type { BacklogGate } from "./backlog-limiter.ts";
import { peerAddress } from "./peer-address.ts";
import { takeHello } from "./quota.ts";
import { HELLO_RATE } from "./quota-limits.ts";
import { ReportLane, unavailable } from "./report-pipeline.ts";
import type { Turns } from "./turns.ts";

/** How long a stream may stay without its Hello, ms: an agent sends it with the opening. */
export const HELLO_WITHIN_MS = 10_000;

/**
 * How long a stream may stay without a whole message while it is read, ms. An agent with targets says something every 10 s; one without,
 * and one whose message comes in drops, loses nothing by coming again.
 */
export const SILENT_MAX_MS = 15 * 60_000;

/** Most open streams of one node: the live one, the one that takes its place, and as many again of a connection that is not yet known to be gone. */
export const STREAMS_OF_NODE_MAX = 4;

type ReportService = ServiceImplementation<typeof reportPb.ReportService, StreamPrincipal>;
type Requests = Parameters<ReportService["stream"]>[0];
type Send = Respond<Parameters<Parameters<ReportService["stream"]>[1]>[0]>;

/** What ingest needs. */
export interface IngestParts {
  readonly fleet: Fleet;
  readonly judging: Judging;
  readonly store: Store;
  readonly vitals: SelfMetrics;
  readonly backlog: BacklogGate;
  readonly turns: Turns;
  readonly clock: Clock;
  readonly access: Pick<Access, "mayStill">;
  readonly maxStreams: number;
}

export interface Ingest {
  readonly service: ReportService;
  /** Streams open now. */
  streams(): number;
  /** Ends every stream with UNAVAILABLE, so that the agents come again. */
  endAll(): void;
  /** Ends the streams that speak for a node, since `why`; says how many there were. */
  endNode(nodeId: string, why: string): number;
  /** Whether nobody speaks for a node, nor did a moment ago (see id-activity.ts). */
  isSilent(nodeId: string): boolean;
  /** Ends the streams whose certificate has ended: a certificate is good for its time and no longer. */
  endExpired(): void;
}

export function createIngest(parts: IngestParts): Ingest {
  const open = new Set<AgentStream>();
  /** In the order of their opening. */
  const ofNodes = new Map<string, Set<AgentStream>>();
  const activity = new IdActivity(parts.clock);
  const leave = (agent: AgentStream) => {
    open.delete(agent);
    if (agent.principal.kind === "anybody") return;
    const { nodeId } = agent.principal;
    const others = ofNodes.get(nodeId);
    if (!others?.delete(agent) || others.size > 0) return;
    ofNodes.delete(nodeId);
    activity.ended(nodeId);
  };
  /** Makes room among those of the principal's node: the oldest goes. */
  const makeRoom = (principal: StreamPrincipal) => {
    const others = principal.kind === "node" ? ofNodes.get(principal.nodeId) : undefined;
    const [oldest] = others ?? [];
    if (others === undefined || oldest === undefined || others.size < STREAMS_OF_NODE_MAX) return;
    parts.vitals.refusedStreams.inc({ code: "too-many-of-node" });
    leave(oldest);
    oldest.end(new RpcError(RpcStatus.ABORTED, `streams: the node has opened ${STREAMS_OF_NODE_MAX} others`));
  };
  const enter = (agent: AgentStream) => {
    open.add(agent);
    if (agent.principal.kind === "anybody") return;
    const { nodeId } = agent.principal;
    const others = ofNodes.get(nodeId) ?? new Set();
    ofNodes.set(nodeId, others.add(agent));
  };
  const stream = async (requests: Requests, send: Send, context: CallContext<StreamPrincipal>): Promise<void> => {
    const principal = context.principal;
    // From here to `enter` nothing is waited for: whoever is revoked later is found among those that are open.
    parts.access.mayStill(principal);
    makeRoom(principal);
    if (open.size >= parts.maxStreams) {
      parts.vitals.refusedStreams.inc({ code: "too-many-streams" });
      throw new RpcError(RpcStatus.RESOURCE_EXHAUSTED, `streams: got one more, want at most ${parts.maxStreams}`);
    }
    const agent = agentStream(parts, principal, send, context);
    enter(agent);
    try {
      await agent.serve(requests);
    } finally {
      leave(agent);
    }
  };
  return {
    service: { stream },
    streams: () => open.size,
    endAll() {
      for (const agent of open) agent.end(new RpcError(RpcStatus.UNAVAILABLE, "the collector is stopping"));
    },
    endNode(nodeId, why) {
      const ofNode = [...(ofNodes.get(nodeId) ?? [])];
      for (const agent of ofNode) agent.end(new RpcError(RpcStatus.PERMISSION_DENIED, why));
      return ofNode.length;
    },
    isSilent: (nodeId) => !ofNodes.has(nodeId) && activity.isSilent(nodeId),
    endExpired() {
      const nowMs = parts.clock.wallMs();
      for (const agent of open) {
        if (agent.principal.kind === "anybody" || agent.principal.notAfterMs > nowMs) continue;
        parts.vitals.refusedStreams.inc({ code: "certificate-ended" });
        agent.end(new RpcError(RpcStatus.UNAUTHENTICATED, "certificate: it has ended, want a renewed one"));
      }
    },
  };
}

interface AgentStream {
  readonly principal: StreamPrincipal;
  /** Resolves when the agent has finished and all is acknowledged; rejects with the status to end with. */
  serve(requests: Requests): Promise<void>;
  /** Ends the stream from outside; what its requests still bring is ignored. */
  end(error: RpcError): void;
}

function agentStream(parts: IngestParts, principal: StreamPrincipal, send: Send, context: CallContext): AgentStream {
  const { clock, vitals } = parts;
  let ended = false;
  let reject: (error: RpcError) => void = () => {};
  const end = (error: RpcError) => {
    ended = true;
    reject(error);
  };
  let node: Node | undefined;
  let bootId: Uint8Array = new Uint8Array();
  let session: Session | undefined;
  const reports = new ReportLane(parts, send, end);
  // Its requests end as if it had finished; what waits then would wait for nobody.
  context.signal.addEventListener("abort", () => reports.close(), { once: true });
  /** Since when a message is waited for; undefined while one is dealt with. */
  let readingSinceNs: number | undefined;

  const receive = async ({ message }: reportPb.StreamRequest): Promise<void> => {
    if (message.case === "hello" && node !== undefined) {
      const again = await welcome(
        parts,
        principal,
        sameSpeaker(message.value, node, bootId, vitals),
        context,
        () => ended,
      );
      session?.offerPlan(again.plan);
    } else if (message.case === "hello") {
      bootId = message.value.bootId;
      const welcomed = await welcome(parts, principal, message.value, context, () => ended);
      if (ended) return; // A stream that ended meanwhile is nobody's session.
      node = welcomed;
      session = sessionOf(node, send, end, message.value.planRevision, vitals);
    } else if (message.case === "report" && node !== undefined) {
      await reports.take(node, message.value);
    } else {
      vitals.refusedStreams.inc({ code: "out-of-order" });
      const want = node === undefined ? "hello" : "hello or report";
      throw new RpcError(RpcStatus.INVALID_ARGUMENT, `message: got ${message.case ?? "nothing known"}, want ${want}`);
    }
  };
  const run = async (requests: Requests): Promise<void> => {
    readingSinceNs = clock.monotonicNs();
    try {
      for await (const request of requests) {
        if (ended) return;
        readingSinceNs = undefined;
        await receive(request);
        readingSinceNs = clock.monotonicNs();
      }
    } catch (error) {
      if (context.signal.aborted && !ended) vitals.cutStreams.inc();
      throw error;
    }
    if (!ended) vitals.cutStreams.inc();
    await reports.settled();
  };
  const refuse = (code: string, message: string) => {
    vitals.refusedStreams.inc({ code });
    end(new RpcError(RpcStatus.DEADLINE_EXCEEDED, message));
  };
  /** Ends a stream that says nothing: without a Hello soon, with one in the end. */
  const watch = () => {
    if (ended) return;
    const nowNs = clock.monotonicNs();
    if (node === undefined) return refuse("no-hello", `message: got nothing for ${HELLO_WITHIN_MS} ms, want hello`);
    const leftMs = SILENT_MAX_MS - (nowNs - (readingSinceNs ?? nowNs)) / NS_PER_MS;
    if (leftMs <= 0) return refuse("silent", `message: got none whole for ${SILENT_MAX_MS} ms, want report or hello`);
    timer = clock.after(leftMs, watch);
  };
  let timer = clock.after(HELLO_WITHIN_MS, watch);
  return {
    principal,
    end,
    async serve(requests) {
      try {
        await new Promise<void>((resolve, rejectServe) => {
          reject = rejectServe;
          run(requests).then(resolve, rejectServe);
        });
      } finally {
        ended = true;
        timer.cancel();
        reports.close();
        if (node !== undefined && node.session === session) node.session = undefined;
      }
    },
  };
}

/** A Hello that comes again on a stream, whose principal may not change (S1). */
function sameSpeaker(
  hello: reportPb.Hello,
  { nodeId }: Node,
  bootId: Uint8Array,
  { refusedStreams }: SelfMetrics,
): reportPb.Hello {
  const isSameBoot = Buffer.compare(hello.bootId, bootId) === 0;
  if (hello.nodeId === nodeId && isSameBoot) return hello;
  refusedStreams.inc({ code: "another-principal" });
  const want =
    hello.nodeId === nodeId
      ? "hello.boot_id: got another one on this stream, want the first one"
      : `hello.node_id: got another one on this stream, want ${nodeId}`;
  throw new RpcError(RpcStatus.INVALID_ARGUMENT, want);
}

/** Admits a Hello. The node is durable before the fleet knows it, so that nothing of it is written before it is. */
async function welcome(
  parts: IngestParts,
  principal: StreamPrincipal,
  hello: reportPb.Hello,
  context: CallContext,
  hasEnded: () => boolean,
): Promise<Node> {
  const { fleet, judging, store, vitals, clock } = parts;
  const verdict = admitHello(hello, principal);
  if (verdict.kind !== "admitted") {
    vitals.refusedStreams.inc({ code: verdict.kind });
    const status = verdict.kind === "foreign" ? RpcStatus.PERMISSION_DENIED : RpcStatus.INVALID_ARGUMENT;
    throw new RpcError(status, `${verdict.field}: ${verdict.detail}`);
  }
  const { introduction, dropped } = verdict;
  withinQuota(fleet.nodes.get(introduction.facts.nodeId), clock, vitals);
  for (const { field, count } of dropped) vitals.droppedFacts.inc({ field }, count);
  const tooMany = (): never => {
    vitals.refusedStreams.inc({ code: "too-many-nodes" });
    throw new RpcError(RpcStatus.RESOURCE_EXHAUSTED, "hello.node_id: the collector knows as many nodes as it can");
  };
  const nowMs = clock.wallMs();
  const { hostname, agentVersion, facts, addresses, observedEndpoint } = introduction;
  const seenFrom: SeenFrom = { addresses, observedEndpoint, peerAddress: peerAddress(context.peer) };
  if (!fleet.hasRoomFor(facts.nodeId)) return tooMany();
  const sentMs = sentAtMsOf(hello);
  const clockOffsetMs = sentMs === undefined ? undefined : nextOffsetMs(undefined, sentMs, nowMs);
  const told = { nodeId: facts.nodeId, hostname, agentVersion, factsJson: JSON.stringify(facts) };
  const saved = { ...told, seenFromJson: JSON.stringify(seenFrom), seenAtMs: nowMs, clockOffsetMs };
  const result = await store.submit("saveNode", saved).catch(unavailable);
  // The store may know it still, though the fleet does not: an incident that is open there ends by what the node says now.
  const isForgotten = result === "known" && !fleet.nodes.has(facts.nodeId);
  const recalled = isForgotten ? await recall(store, facts.nodeId).catch(unavailable) : {};
  // A stream whose place was taken meanwhile must not put its own facts over those of the one that took it.
  if (hasEnded()) throw new RpcError(RpcStatus.ABORTED, "the stream has ended");
  const isNew = !fleet.nodes.has(facts.nodeId);
  const node = fleet.introduce(introduction, nowMs) ?? tooMany();
  if (isNew) Object.assign(node, recalled);
  node.clockOffsetMs = clockOffsetMs ?? node.clockOffsetMs;
  if (sentMs !== undefined) node.clockTold = { sentMs, atNs: clock.monotonicNs() };
  node.peerAddress = seenFrom.peerAddress;
  const seenAt = `${node.peerAddress ?? "an unknown address"} (${hostname || "no host name"})`;
  node.boots.spoke(Buffer.from(hello.bootId).toString("hex"), seenAt, nowMs);
  judging.welcome(node);
  judging.touch(node);
  return node;
}

/** A Hello costs a write and a plan: a node that has nothing else to say is told to come later. */
function withinQuota(known: Node | undefined, clock: Clock, { refusedStreams }: SelfMetrics): void {
  if (known === undefined || takeHello(known.quota, clock.monotonicNs()) === 0) return;
  refusedStreams.inc({ code: "too-many-hellos" });
  const { capacity, perSecond } = HELLO_RATE;
  const want = `at most ${capacity} at once and ${perSecond} a second`;
  throw new RpcError(RpcStatus.RESOURCE_EXHAUSTED, `hello: got one more of this node, want ${want}`);
}

/** Takes the place of the node's session before, and offers the plan. */
function sessionOf(
  node: Node,
  send: Send,
  end: (error: RpcError) => void,
  heldRevision: string,
  vitals: SelfMetrics,
): Session {
  let offered = heldRevision;
  let newest: Plan | undefined;
  let isSending = false;
  /** Plans replace each other: for who does not read, one is on its way and the newest waits (S2). */
  const sendNewest = async () => {
    isSending = true;
    for (let plan = newest; plan !== undefined; plan = newest) {
      newest = undefined;
      await send({ message: { case: "plan", value: planToWire(plan) } });
    }
    isSending = false;
  };
  const session: Session = {
    offerPlan(plan: Plan) {
      if (plan.revision === offered) return;
      offered = plan.revision;
      newest = plan;
      // A stream that ends meanwhile needs no plan; the next one offers it.
      if (!isSending) sendNewest().catch(() => {});
    },
    end,
  };
  if (node.session !== undefined) {
    vitals.replacedStreams.inc();
    node.session.end(new RpcError(RpcStatus.ABORTED, "hello.node_id: the node has opened another stream"));
  }
  node.session = session;
  session.offerPlan(node.plan);
  return session;
}
