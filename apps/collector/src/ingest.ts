/**
 * The agents' streams: hello, plan, reports, acknowledgements.
 *
 * 1. The first message is a Hello that is admitted, within {@link HELLO_WITHIN_MS}; or the stream ends.
 * 2. A report is acknowledged after it is durable, never before (U1); one that came before is acknowledged again.
 * 3. A report that can never be admitted is refused by name and counted; the stream goes on.
 * 4. A node has one live stream: a second one takes the first one's place.
 */
import type { Clock } from "@lifeline/measure";
import {
  type CallContext,
  type Plan,
  planToWire,
  type Report,
  type Respond,
  RpcError,
  RpcStatus,
  type reportPb,
  type ServiceImplementation,
} from "@lifeline/wire";
import { admitHello, admitReport, sentAtMsOf } from "./admit.ts";
import { nextOffsetMs } from "./clock-offset.ts";
import { type Fleet, type Node, nodeNowMs, type SeenFrom, type Session } from "./fleet.ts";
import type { Access, Speaker } from "./identity/access.ts";
import type { Judging } from "./judging.ts";
import { peerAddress } from "./peer-address.ts";
import { isLate } from "./replay.ts";
import type { IndexedWindow } from "./store/record.ts";
import type { Store } from "./store/store.ts";
import type { CollectorVitals } from "./vitals.ts";

/** How long a stream may stay without its Hello, ms: an agent sends it with the opening. */
export const HELLO_WITHIN_MS = 10_000;

/** Most reports of one stream that wait for the store at once: further ones wait in the agent's spool. */
const MAX_IN_FLIGHT = 64;

type ReportService = ServiceImplementation<typeof reportPb.ReportService>;
type Requests = Parameters<ReportService["stream"]>[0];
type Send = Respond<Parameters<Parameters<ReportService["stream"]>[1]>[0]>;

/** What ingest needs. */
export interface IngestParts {
  readonly fleet: Fleet;
  readonly judging: Judging;
  readonly store: Store;
  readonly vitals: CollectorVitals;
  readonly clock: Clock;
  readonly access: Pick<Access, "speakerOf">;
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
  /** Ends the streams whose certificate has ended: a certificate is good for its time and no longer. */
  endExpired(): void;
}

export function createIngest(parts: IngestParts): Ingest {
  const open = new Set<AgentStream>();
  const stream = async (requests: Requests, send: Send, context: CallContext): Promise<void> => {
    const speaker = await parts.access.speakerOf(context);
    if (open.size >= parts.maxStreams) {
      parts.vitals.refusedStreams.inc({ code: "too-many-streams" });
      throw new RpcError(RpcStatus.RESOURCE_EXHAUSTED, `streams: got one more, want at most ${parts.maxStreams}`);
    }
    const agent = agentStream(parts, speaker, send, context);
    open.add(agent);
    try {
      await agent.serve(requests);
    } finally {
      open.delete(agent);
    }
  };
  return {
    service: { stream },
    streams: () => open.size,
    endAll() {
      for (const agent of open) agent.end(new RpcError(RpcStatus.UNAVAILABLE, "the collector is stopping"));
    },
    endNode(nodeId, why) {
      const ofNode = [...open].filter(({ speaker }) => speaker.kind === "node" && speaker.nodeId === nodeId);
      for (const agent of ofNode) agent.end(new RpcError(RpcStatus.PERMISSION_DENIED, why));
      return ofNode.length;
    },
    endExpired() {
      const nowMs = parts.clock.wallMs();
      for (const agent of open) {
        if (agent.speaker.kind === "anybody" || agent.speaker.notAfterMs > nowMs) continue;
        parts.vitals.refusedStreams.inc({ code: "certificate-ended" });
        agent.end(new RpcError(RpcStatus.UNAUTHENTICATED, "certificate: it has ended, want a renewed one"));
      }
    },
  };
}

interface AgentStream {
  readonly speaker: Speaker;
  /** Resolves when the agent has finished and all is acknowledged; rejects with the status to end with. */
  serve(requests: Requests): Promise<void>;
  /** Ends the stream from outside; what its requests still bring is ignored. */
  end(error: RpcError): void;
}

function agentStream(parts: IngestParts, speaker: Speaker, send: Send, context: CallContext): AgentStream {
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
  const reports = reportLane(parts, send, end);

  const receive = async ({ message }: reportPb.StreamRequest): Promise<void> => {
    if (message.case === "hello" && node !== undefined) {
      const again = await welcome(
        parts,
        speaker,
        sameSpeaker(message.value, node, bootId, vitals),
        context,
        () => ended,
      );
      session?.offerPlan(again.plan);
    } else if (message.case === "hello") {
      bootId = message.value.bootId;
      const welcomed = await welcome(parts, speaker, message.value, context, () => ended);
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
    for await (const request of requests) {
      if (ended) return;
      await receive(request);
    }
    await reports.settled();
  };
  const lateHello = () => {
    if (node !== undefined || ended) return;
    vitals.refusedStreams.inc({ code: "no-hello" });
    end(new RpcError(RpcStatus.DEADLINE_EXCEEDED, `message: got nothing for ${HELLO_WITHIN_MS} ms, want hello`));
  };
  return {
    speaker,
    end,
    async serve(requests) {
      const timer = clock.after(HELLO_WITHIN_MS, lateHello);
      try {
        await new Promise<void>((resolve, rejectServe) => {
          reject = rejectServe;
          run(requests).then(resolve, rejectServe);
        });
      } finally {
        ended = true;
        timer.cancel();
        if (node !== undefined && node.session === session) node.session = undefined;
      }
    },
  };
}

/** A Hello that comes again on a stream, whose speaker may not change (S1). */
function sameSpeaker(
  hello: reportPb.Hello,
  { nodeId }: Node,
  bootId: Uint8Array,
  { refusedStreams }: CollectorVitals,
): reportPb.Hello {
  const isSameBoot = Buffer.compare(hello.bootId, bootId) === 0;
  if (hello.nodeId === nodeId && isSameBoot) return hello;
  refusedStreams.inc({ code: "another-speaker" });
  const want =
    hello.nodeId === nodeId
      ? "hello.boot_id: got another one on this stream, want the first one"
      : `hello.node_id: got another one on this stream, want ${nodeId}`;
  throw new RpcError(RpcStatus.INVALID_ARGUMENT, want);
}

/** Admits a Hello. The node is durable before the fleet knows it, so that nothing of it is written before it is. */
async function welcome(
  parts: IngestParts,
  speaker: Speaker,
  hello: reportPb.Hello,
  context: CallContext,
  hasEnded: () => boolean,
): Promise<Node> {
  const { fleet, judging, store, vitals, clock } = parts;
  const verdict = admitHello(hello, speaker);
  if (verdict.kind !== "admitted") {
    vitals.refusedStreams.inc({ code: verdict.kind });
    const status = verdict.kind === "foreign" ? RpcStatus.PERMISSION_DENIED : RpcStatus.INVALID_ARGUMENT;
    throw new RpcError(status, `${verdict.field}: ${verdict.detail}`);
  }
  const { introduction, dropped } = verdict;
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
  await store.submit("saveNode", saved).catch(unavailable);
  // A stream whose place was taken meanwhile must not put its own facts over those of the one that took it.
  if (hasEnded()) throw new RpcError(RpcStatus.ABORTED, "the stream has ended");
  const node = fleet.introduce(introduction, nowMs) ?? tooMany();
  node.clockOffsetMs = clockOffsetMs ?? node.clockOffsetMs;
  node.peerAddress = seenFrom.peerAddress;
  const seenAt = `${node.peerAddress ?? "an unknown address"} (${hostname || "no host name"})`;
  node.boots.spoke(Buffer.from(hello.bootId).toString("hex"), seenAt, nowMs);
  judging.welcome(node);
  judging.touch(node);
  return node;
}

/** Takes the place of the node's session before, and offers the plan. */
function sessionOf(
  node: Node,
  send: Send,
  end: (error: RpcError) => void,
  heldRevision: string,
  vitals: CollectorVitals,
): Session {
  let offered = heldRevision;
  const session: Session = {
    offerPlan(plan: Plan) {
      if (plan.revision === offered) return;
      offered = plan.revision;
      // A stream that ends meanwhile needs no plan; the next one offers it.
      send({ message: { case: "plan", value: planToWire(plan) } }).catch(() => {});
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

interface ReportLane {
  /** Admits a report and hands it to the store; resolves when the lane has room again. */
  take(node: Node, envelope: reportPb.ReportEnvelope): Promise<void>;
  /** Resolves when every report taken has been answered. */
  settled(): Promise<void>;
}

function reportLane(parts: IngestParts, send: Send, end: (error: RpcError) => void): ReportLane {
  const { fleet, judging, store, vitals, clock } = parts;
  const inFlight = new Set<Promise<void>>();
  let acks: { bootId: Uint8Array; sequence: bigint }[] = [];
  let acking: Promise<void> = Promise.resolve();

  const acknowledge = (key: { bootId: Uint8Array; sequence: bigint }): Promise<void> => {
    acks.push(key);
    // All that one transaction made durable is acknowledged in one message: its promises resolve within one turn.
    if (acks.length === 1) {
      acking = Promise.resolve().then(() => {
        const reports = acks;
        acks = [];
        return send({ message: { case: "ack", value: { reports } } });
      });
    }
    return acking;
  };
  const save = async (node: Node, envelope: reportPb.ReportEnvelope): Promise<void> => {
    const nowMs = clock.wallMs();
    const { bootId, sequence } = envelope;
    const verdict = admitReport(envelope, nowMs);
    if (verdict.kind === "refused") {
      const { code, field, detail } = verdict;
      vitals.refusedReports.inc({ code });
      return send({ message: { case: "refusal", value: { report: { bootId, sequence }, code, field, detail } } });
    }
    const { report } = verdict;
    node.clockOffsetMs = offsetOf(node, envelope, report, nowMs);
    const windows = plannedWindows(node, report);
    const windowCount = report.windows.length;
    const identity = { nodeId: node.nodeId, bootId, sequence: verdict.sequence };
    const times = { receivedAtMs: nowMs, sealedAtMs: report.sealedAtMs, clockOffsetMs: node.clockOffsetMs };
    const result = await store
      .submit("saveReport", { ...identity, ...times, payload: envelope.report, windowCount, windows })
      .catch(unavailable);
    // The store has forgotten the node: the Hello of the next stream saves it again.
    if (result === "no-node") throw new RpcError(RpcStatus.UNAVAILABLE, "the store does not know the node any more");
    vitals.reports.inc({ result });
    if (result === "stored") {
      fleet.absorb(node, report, nowMs, true);
      judging.touch(node);
    }
    // A duplicate too: the one before may have been stored right before the end of the collector that had it.
    if (isLate(report.windows, nodeNowMs(node, nowMs))) await judging.replay(node, report.windows);
    return acknowledge({ bootId, sequence });
  };
  return {
    async take(node, envelope) {
      const saved = save(node, envelope)
        .catch((error: unknown) => end(endingOf(error)))
        .finally(() => inFlight.delete(saved));
      inFlight.add(saved);
      if (inFlight.size >= MAX_IN_FLIGHT) await Promise.race(inFlight);
    },
    settled: async () => {
      await Promise.all(inFlight);
    },
  };
}

/** The windows that the index shall know: those of the plan, for a node could make up targets without end (S2). */
function plannedWindows({ plan }: Node, { windows }: Report): IndexedWindow[] {
  const planned = new Set(plan.targets.map(({ id }) => id));
  return windows.flatMap(({ targetId, startMs, endMs }, position) =>
    planned.has(targetId) ? [{ targetId, position, startMs, endMs }] : [],
  );
}

/** The node's clock offset after an envelope; of an agent that does not say when it sent, at least what a date ahead of now tells. */
function offsetOf(
  { clockOffsetMs }: Node,
  envelope: reportPb.ReportEnvelope,
  { sealedAtMs }: Report,
  nowMs: number,
): number | undefined {
  const sentMs = sentAtMsOf(envelope);
  if (sentMs !== undefined) return nextOffsetMs(clockOffsetMs, sentMs, nowMs);
  const aheadMs = Math.round(sealedAtMs - nowMs);
  return aheadMs > 0 ? Math.min(clockOffsetMs ?? 0, -aheadMs) : clockOffsetMs;
}

/** What the store cannot take now, the agent keeps and sends again. */
function unavailable(): never {
  throw new RpcError(RpcStatus.UNAVAILABLE, "the store cannot take more now");
}

function endingOf(error: unknown): RpcError {
  // Sending to a caller that went away fails as an abort; the stream is over either way.
  return error instanceof RpcError ? error : new RpcError(RpcStatus.CANCELLED, "the call has ended");
}
