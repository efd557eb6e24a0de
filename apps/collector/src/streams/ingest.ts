/**
 * The agents' streams: Hello, plan, reports, acknowledgements.
 *
 * 1. A report is acknowledged after it is durable, never before (U1). A report that was stored before is acknowledged
 *    again.
 * 2. A report that can never be admitted is refused by name and counted; the stream goes on.
 * 3. A node has one live stream: a second one replaces the first. Streams without a Hello are few.
 * 4. What a node brings in is bounded by its quota, over all its streams; what it does not read is bounded too (S2).
 */
import type { CallContext } from "@lifeline/rpc";
import type { Access, StreamPrincipal } from "../identity/access.ts";
import { AgentStream } from "./agent-stream.ts";
import { HelloAdmission, type HelloParts } from "./hello-admission.ts";
import type { PipelineParts } from "./report-pipeline.ts";
import type { ReportService, Requests, Send } from "./report-stream.ts";
import { StreamRegistry } from "./stream-registry.ts";

export interface IngestParts extends HelloParts, Omit<PipelineParts, keyof HelloParts> {
  readonly judging: HelloParts["judging"] & PipelineParts["judging"];
  readonly access: Pick<Access, "mayStill">;
  readonly maxStreams: number;
}

/** Takes the agents' streams. */
export class Ingest {
  readonly #parts: IngestParts;
  readonly #hellos: HelloAdmission;
  /** Those that are open. */
  readonly streams: StreamRegistry;

  constructor(parts: IngestParts) {
    this.#parts = parts;
    this.#hellos = new HelloAdmission(parts);
    this.streams = new StreamRegistry(parts);
  }

  get service(): ReportService {
    return { stream: (requests, send, context) => this.#serve(requests, send, context) };
  }

  async #serve(requests: Requests, send: Send, context: CallContext<StreamPrincipal>): Promise<void> {
    const { streams } = this;
    this.#parts.access.mayStill(context.principal);
    streams.makeRoom(context.principal);
    const stream = new AgentStream({ ...this.#parts, hellos: this.#hellos }, send, context);
    streams.enter(stream);
    try {
      await stream.serve(requests);
    } finally {
      streams.leave(stream);
    }
  }
}
