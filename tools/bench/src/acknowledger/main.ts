/** A server that acknowledges every report, on the collector's own listener or on grpc-js's. Prints its port. */
import { readFileSync } from "node:fs";
import { systemClock } from "@lifeline/measure";
import { addService, admitAll, createRpcServer, listen, listenSecurely, ServerCredentials } from "@lifeline/rpc";
import { reportPb } from "@lifeline/wire";
import type { AcknowledgerOrder } from "../connections/connections.ts";
import { liveAsLongAsStdin, readOrder } from "../own-program.ts";

async function main({ side, certFile, keyFile, caFile }: AcknowledgerOrder): Promise<void> {
  const server = createRpcServer("authenticated");
  addService(
    server,
    reportPb.ReportService,
    {
      async stream(requests, respond) {
        for await (const { message } of requests) {
          if (message.case !== "report") continue;
          const { bootId, sequence } = message.value;
          await respond({ message: { case: "ack", value: { reports: [{ bootId, sequence }] } } });
        }
      },
    },
    (_, error) => {
      throw error;
    },
    admitAll,
  );
  const [certPem, keyPem, caPem] = [certFile, keyFile, caFile].map((file) => readFileSync(file)) as [
    Buffer,
    Buffer,
    Buffer,
  ];
  const host = "127.0.0.1";
  const port =
    side === "grpc-js"
      ? await listen(
          server,
          `${host}:0`,
          ServerCredentials.createSsl(caPem, [{ cert_chain: certPem, private_key: keyPem }], true),
        )
      : (
          await listenSecurely(
            { authenticated: server, unauthenticated: server },
            {
              host,
              port: 0,
              certificates: {
                certPem: certPem.toString(),
                keyPem: keyPem.toString(),
                clientCaPem: caPem.toString(),
              },
              maxConnections: 10_000,
              clock: systemClock,
              onRefused(why) {
                throw new Error(`a connection was refused: ${why}`);
              },
            },
          )
        ).port;
  process.stdout.write(`${JSON.stringify({ port })}\n`);
}

await main(readOrder());
liveAsLongAsStdin();
