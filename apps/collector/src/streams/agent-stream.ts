/**
 * One agent's stream.
 *
 * 1. The first message is a Hello that is admitted, within {@link HELLO_WITHIN_MS}; or the stream ends.
 * 2. A later Hello brings new facts of the same node and boot (S1).
 * 3. A stream on which nothing arrives for {@link SILENT_MAX_MS} ends.
 */
import { type Clock, NS_PER_MS, type Timer } from "@lifeline/measure";
import { type CallContext, RpcError, RpcStatus } from "@lifeline/rpc";
import type { reportPb } from "@lifeline/wire";
import type { Node } from "../fleet/node.ts";
import { applyNodeEvent } from "../fleet/node-state.ts";
import type { StreamPrincipal } from "../identity/access.ts";
import type { HelloAdmission } from "./hello-admission.ts";
import { peerAddress } from "./peer-address.ts";
import { PlanSession } from "./plan-session.ts";
import { type PipelineParts, ReportPipeline } from "./report-pipeline.ts";
import type { Requests, Send } from "./report-stream.ts";
import type { OpenStream } from "./stream-registry.ts";

/** How long a stream may stay without its Hello, ms: an agent sends it with the opening. */
export const HELLO_WITHIN_MS = 10_000;

/**
 * How long a stream may stay without a whole message while it is read, ms. An agent with targets sends one every 10 s.
 * One without, and one whose message arrives in drops, loses nothing when it dials again.
 */
export const SILENT_MAX_MS = 15 * 60_000;

interface AgentStreamParts extends PipelineParts {
  readonly hellos: HelloAdmission;
  readonly clock: Clock;
}

export class AgentStream implements OpenStream {
  readonly principal: StreamPrincipal;
  readonly #parts: AgentStreamParts;
  readonly #send: Send;
  readonly #context: CallContext<StreamPrincipal>;
  readonly #reports: ReportPipeline;
  readonly #ending = Promise.withResolvers<never>();
  #hasEnded = false;
  #node: Node | undefined;
  #bootId: Uint8Array = new Uint8Array();
  #session: PlanSession | undefined;
  /** Since when a message is waited for; undefined while one is handled. */
  #readingSinceNs: number | undefined;
  #timer: Timer;

  constructor(parts: AgentStreamParts, send: Send, context: CallContext<StreamPrincipal>) {
    this.#parts = parts;
    this.#send = send;
    this.#context = context;
    this.principal = context.principal;
    this.#reports = new ReportPipeline(parts, send, (error) => this.end(error));
    // A stream can be ended before or after it is served: then nothing handles the rejection.
    this.#ending.promise.catch(() => {});
    // Requests of a call that is cut off end as if the agent had finished; nothing would read the answers to reports
    // that wait then.
    context.signal.addEventListener("abort", () => this.#reports.close(), { once: true });
    this.#timer = parts.clock.after(HELLO_WITHIN_MS, () => this.#checkSilence());
  }

  /** Resolves when the agent has finished and all is acknowledged; rejects with the status to end with. */
  async serve(requests: Requests): Promise<void> {
    try {
      await Promise.race([this.#run(requests), this.#ending.promise]);
    } finally {
      this.#hasEnded = true;
      this.#timer.cancel();
      this.#reports.close();
      if (this.#node !== undefined) applyNodeEvent(this.#node, { kind: "session-ended", session: this.#session });
    }
  }

  end(error: RpcError): void {
    this.#hasEnded = true;
    this.#ending.reject(error);
  }

  async #run(requests: Requests): Promise<void> {
    const { clock, selfMetrics } = this.#parts;
    this.#readingSinceNs = clock.monotonicNs();
    try {
      for await (const request of requests) {
        if (this.#hasEnded) return;
        this.#readingSinceNs = undefined;
        await this.#receive(request);
        this.#readingSinceNs = clock.monotonicNs();
      }
    } catch (error) {
      if (this.#context.signal.aborted && !this.#hasEnded) selfMetrics.cutStreams.inc();
      throw error;
    }
    if (!this.#hasEnded) selfMetrics.cutStreams.inc();
    await this.#reports.settled();
  }

  async #receive({ message }: reportPb.StreamRequest): Promise<void> {
    const node = this.#node;
    if (message.case === "hello") return node === undefined ? this.#hello(message.value) : this.#rehello(message.value);
    if (message.case === "report" && node !== undefined) return this.#reports.take(node, message.value);
    this.#parts.selfMetrics.refusedStreams.inc({ code: "out-of-order" });
    const want = node === undefined ? "hello" : "hello or report";
    throw new RpcError(RpcStatus.INVALID_ARGUMENT, `message: got ${message.case ?? "nothing known"}, want ${want}`);
  }

  async #hello(hello: reportPb.Hello): Promise<void> {
    this.#bootId = hello.bootId;
    const node = await this.#admit(hello);
    // A stream that ended meanwhile must not become the session.
    if (this.#hasEnded) return;
    this.#node = node;
    this.#session = new PlanSession(hello.planRevision, this.#send, (error) => this.end(error));
    if (node.session !== undefined) {
      this.#parts.selfMetrics.replacedStreams.inc();
      node.session.end(new RpcError(RpcStatus.ABORTED, "hello.node_id: the node has opened another stream"));
    }
    applyNodeEvent(node, { kind: "session-started", session: this.#session });
    this.#session.offerPlan(node.plan);
  }

  async #rehello(hello: reportPb.Hello): Promise<void> {
    this.#requireSameBoot(hello);
    const node = await this.#admit(hello);
    this.#session?.offerPlan(node.plan);
  }

  #admit(hello: reportPb.Hello): Promise<Node> {
    const hasEnded = () => this.#hasEnded;
    const stream = { principal: this.principal, peerAddress: peerAddress(this.#context.peer), hasEnded };
    return this.#parts.hellos.admit(hello, stream);
  }

  #requireSameBoot(hello: reportPb.Hello): void {
    const nodeId = this.#node?.nodeId;
    const isSameBoot = Buffer.compare(hello.bootId, this.#bootId) === 0;
    if (hello.nodeId === nodeId && isSameBoot) return;
    this.#parts.selfMetrics.refusedStreams.inc({ code: "changed-node" });
    const problem =
      hello.nodeId === nodeId
        ? "hello.boot_id: got another one on this stream, want the first one"
        : `hello.node_id: got another one on this stream, want ${nodeId}`;
    throw new RpcError(RpcStatus.INVALID_ARGUMENT, problem);
  }

  /** Ends a stream that sends nothing: without a Hello soon, with one in the end. */
  #checkSilence(): void {
    if (this.#hasEnded) return;
    const { clock } = this.#parts;
    const nowNs = clock.monotonicNs();
    if (this.#node === undefined) {
      this.#refuse("no-hello", `message: got nothing for ${HELLO_WITHIN_MS} ms, want hello`);
      return;
    }
    const leftMs = SILENT_MAX_MS - (nowNs - (this.#readingSinceNs ?? nowNs)) / NS_PER_MS;
    if (leftMs > 0) this.#timer = clock.after(leftMs, () => this.#checkSilence());
    else this.#refuse("silent", `message: got none whole for ${SILENT_MAX_MS} ms, want report or hello`);
  }

  #refuse(code: string, message: string): void {
    this.#parts.selfMetrics.refusedStreams.inc({ code });
    this.end(new RpcError(RpcStatus.DEADLINE_EXCEEDED, message));
  }
}
