/** The report stream of a node, as an agent would use it or otherwise. */
import { randomBytes } from "node:crypto";
import type { Clock, Target } from "@lifeline/measure";
import { type ChannelCredentials, createRpcClient, RpcError } from "@lifeline/rpc";
import { encodeReport, NO_SELF_METRICS, planFromWire, reportPb } from "@lifeline/wire";
import { within } from "./poll.ts";

/** No call finds itself on a connection under another identity. */
export const OWN_CHANNEL = { "grpc.use_local_subchannel_pool": 1 };

/** A node's hello, without its identity. */
export type HelloFacts = Partial<
  Pick<reportPb.Hello, "addresses" | "resolvers" | "hostname" | "agentVersion" | "sentUnixMs" | "siderolinkPrefix">
>;

/** How a stream differs from that of an agent. */
export interface StreamOptions {
  readonly bootId?: Uint8Array;
  readonly address?: string;
  /** Ignores the limit on sent bytes. */
  readonly isUnbounded?: boolean;
  readonly hello?: HelloFacts;
}

/** How a report differs from an empty one that was sealed now. */
export interface ReportOptions {
  readonly sealedAtMs?: number;
  /** What the node's clock reads. */
  readonly sentAtMs?: number;
  readonly bytes?: Uint8Array;
}

/** Sends a hello, and waits for the result. */
export async function openStream(
  credentials: ChannelCredentials,
  nodeId: string,
  options: StreamOptions,
  clock: Clock,
): Promise<NodeStream> {
  const stream = new NodeStream(credentials, nodeId, options, clock);
  await stream.begin(options.hello);
  return stream;
}

/** A stream that has sent its hello. */
export class NodeStream {
  /** What came first: `let in`, or the error it ended with. */
  first: "let in" | RpcError = "let in";
  /** The error it ends with; undefined when it ends well. */
  end: Promise<RpcError | undefined> = Promise.resolve(undefined);
  /** Of the latest plan. */
  targets: readonly Target[] = [];
  readonly #nodeId: string;
  readonly #bootId: Uint8Array;
  readonly #clock: Clock;
  readonly #client;
  readonly #call;
  readonly #seen = { acked: 0, refused: [] as string[] };

  constructor(
    credentials: ChannelCredentials,
    nodeId: string,
    { address = "", bootId = randomBytes(16), isUnbounded = false }: StreamOptions,
    clock: Clock,
  ) {
    this.#nodeId = nodeId;
    this.#bootId = bootId;
    this.#clock = clock;
    this.#client = createRpcClient(reportPb.ReportService, address, credentials, {
      ...OWN_CHANNEL,
      ...(isUnbounded ? { "grpc.max_send_message_length": -1 } : {}),
    });
    this.#call = this.#client.duplex("stream");
  }

  async begin(facts: HelloFacts = {}): Promise<void> {
    // Its end says why not.
    await this.hello(facts).catch(() => {});
    const responses = this.#call.responses[Symbol.asyncIterator]();
    this.first = await responses.next().then(
      (response) => {
        if (response.done !== true) this.#hear(response.value);
        return "let in" as const;
      },
      (error: RpcError) => error,
    );
    this.end = this.first === "let in" ? this.#listen(responses) : Promise.resolve(this.first);
  }

  hello(facts: HelloFacts): Promise<void> {
    const about = {
      nodeId: this.#nodeId,
      bootId: this.#bootId,
      roles: [reportPb.NodeRole.TALOS_NODE],
      ipVersions: [4],
    };
    const value = { ...about, sentUnixMs: BigInt(this.#clock.wallMs()), ...facts };
    return this.#call.send({ message: { case: "hello", value } });
  }

  report(sequence: number, options: ReportOptions = {}): Promise<void> {
    const nowMs = this.#clock.wallMs();
    const { sealedAtMs = nowMs, sentAtMs = nowMs, bytes } = options;
    const report = bytes ?? encodeReport({ sealedAtMs, windows: [], selfMetrics: NO_SELF_METRICS });
    const sentUnixMs = BigInt(sentAtMs);
    const value = { bootId: this.#bootId, sequence: BigInt(sequence), report, sentUnixMs };
    return this.#call.send({ message: { case: "report", value } });
  }

  /** Waits until `count` reports were acknowledged or refused, as long as for any event (poll.ts). */
  async answered(count: number): Promise<{ readonly acked: number; readonly refused: readonly string[] }> {
    await within(this.#clock, () => this.#seen.acked + this.#seen.refused.length >= count);
    return this.#seen;
  }

  close(): void {
    this.#call.cancel();
    this.#client.close();
  }

  async #listen(responses: AsyncIterator<reportPb.StreamResponse>): Promise<RpcError | undefined> {
    try {
      for (let next = await responses.next(); next.done !== true; next = await responses.next()) this.#hear(next.value);
      return undefined;
    } catch (error) {
      if (error instanceof RpcError) return error;
      throw error;
    }
  }

  #hear({ message }: reportPb.StreamResponse): void {
    if (message.case === "ack") this.#seen.acked += message.value.reports.length;
    if (message.case === "refusal") this.#seen.refused.push(message.value.code);
    if (message.case !== "plan") return;
    const plan = planFromWire(message.value);
    if (plan.ok) this.targets = plan.value.targets;
  }
}
