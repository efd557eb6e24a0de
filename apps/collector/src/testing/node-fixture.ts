/** A raw client in the place of an agent: it sends whatever the wire carries. For tests. */
import { channelCredentials, createRpcClient, type RpcError } from "@lifeline/rpc";
import { reportPb } from "@lifeline/wire";

/** The boot of a client by default. */
export const BOOT: Uint8Array = new Uint8Array(16).fill(1);

/** A client that has said nothing yet. */
export function dialAs(port: number, nodeId: string) {
  const client = createRpcClient(reportPb.ReportService, `127.0.0.1:${port}`, channelCredentials.createInsecure());
  const call = client.duplex("stream");
  const seen: reportPb.StreamResponse[] = [];
  const ended: Promise<RpcError | undefined> = (async () => {
    for await (const response of call.responses) seen.push(response);
    return undefined;
  })().catch((error: RpcError) => error);
  const of = <C extends "ack" | "plan" | "refusal">(kind: C) =>
    seen.flatMap(({ message }) =>
      message.case === kind ? [message.value as Extract<typeof message, { case: C }>["value"]] : [],
    );
  return {
    call,
    ended,
    hello: (more: Readonly<Record<string, unknown>> = {}) =>
      call.send({
        message: {
          case: "hello",
          value: {
            nodeId,
            bootId: BOOT,
            agentVersion: "1",
            hostname: "h1",
            roles: [2],
            ipVersions: [4],
            ...more,
          },
        },
      }),
    report: (
      sequence: number | bigint,
      report: Uint8Array,
      { bootId = BOOT, sentMs = 0 }: { bootId?: Uint8Array; sentMs?: number } = {},
    ) =>
      call.send({
        message: { case: "report", value: { bootId, sequence: BigInt(sequence), report, sentUnixMs: BigInt(sentMs) } },
      }),
    acked: () => of("ack").flatMap(({ reports }) => reports.map(({ sequence }) => Number(sequence))),
    /** Acknowledgements of none. */
    notices: () => of("ack").filter(({ reports }) => reports.length === 0).length,
    refusals: () => of("refusal"),
    plans: () => of("plan"),
    close: () => client.close(),
  };
}
