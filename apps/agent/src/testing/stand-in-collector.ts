/** A collector for tests: a real gRPC server on loopback that answers as each test chooses. */
import { systemClock } from "@lifeline/measure";
import {
  addService,
  admitAll,
  createRpcServer,
  listen,
  type Respond,
  ServerCredentials,
  type ServiceImplementation,
  shutDown,
} from "@lifeline/rpc";
import { reportPb as messages, type reportPb } from "@lifeline/wire";

type Stream = ServiceImplementation<typeof messages.ReportService>["stream"];

/** How a test's collector answers; what is absent does nothing. */
export interface CollectorHandlers {
  readonly hello?: (hello: reportPb.Hello, respond: Answer, streamNumber: number) => Promise<void>;
  readonly report?: (report: reportPb.ReportEnvelope, respond: Answer, streamNumber: number) => Promise<void>;
}

/** Sends one message to the agent. */
export type Answer = (message: Exclude<reportPb.StreamResponse["message"], { case: undefined }>) => Promise<void>;

/** A running stand-in. */
export interface StandInCollector {
  readonly address: string;
  readonly hellos: reportPb.Hello[];
  readonly reports: reportPb.ReportEnvelope[];
  stop(): Promise<void>;
}

/** Acknowledges a report, as a collector does once it is durable. */
export function acknowledge({ bootId, sequence }: reportPb.ReportEnvelope, answer: Answer): Promise<void> {
  const key = { $typeName: "lifeline.v1.ReportKey" as const, bootId, sequence };
  return answer({ case: "ack", value: { $typeName: "lifeline.v1.Ack", reports: [key] } });
}

/** Starts one; `port` 0 takes a free one. */
export async function startCollector(handlers: CollectorHandlers, port = 0): Promise<StandInCollector> {
  const hellos: reportPb.Hello[] = [];
  const reports: reportPb.ReportEnvelope[] = [];
  const stream: Stream = async (requests, respond) => {
    const answer = answering(respond);
    const streamNumber = hellos.length + 1;
    // Without for-await: leaving that early would destroy the call before its status could be sent.
    const incoming = requests[Symbol.asyncIterator]();
    for (let next = await incoming.next(); next.done !== true; next = await incoming.next()) {
      const { message } = next.value;
      if (message.case === "hello") {
        hellos.push(message.value);
        await handlers.hello?.(message.value, answer, streamNumber);
      } else if (message.case === "report") {
        reports.push(message.value);
        await handlers.report?.(message.value, answer, streamNumber);
      }
    }
  };
  const server = createRpcServer();
  addService(server, messages.ReportService, { stream }, () => {}, admitAll);
  const bound = await listen(server, `127.0.0.1:${port}`, ServerCredentials.createInsecure());
  return {
    address: `127.0.0.1:${bound}`,
    hellos,
    reports,
    stop: () => shutDown(server, 0, (ms, wake) => systemClock.after(ms, wake)),
  };
}

function answering(respond: Respond<Parameters<Respond<object>>[0]>): Answer {
  return (message) => respond({ message });
}
