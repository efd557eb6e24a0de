/**
 * A listener on many ports, plain or under TLS: accepts, says nothing, closes when the other side does; and a STAMP
 * reflector. Prints its ports, then the count of accepted connections per port for each line it reads.
 */
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { createServer as createTlsServer } from "node:tls";
import { systemClock } from "@lifeline/measure";
import { startReflector } from "@lifeline/reflector";
import { pino } from "pino";
import type { ListenerOrder } from "../counting-listener.ts";
import { liveAsLongAsStdin, readOrder } from "../own-program.ts";

async function main({ address, twin, ports, tls }: ListenerOrder): Promise<void> {
  const accepted = Array.from({ length: ports }, () => 0);
  const open = async (host: string, port: number, index: number): Promise<Server> => {
    const count = (socket: Socket) => {
      accepted[index] = (accepted[index] ?? 0) + 1;
      // Probes end their connections by a reset.
      socket.on("error", () => undefined);
    };
    const rest = (socket: Socket) => void socket.on("error", () => undefined).resume();
    const server =
      tls === undefined
        ? createServer(rest)
        : createTlsServer({ cert: tls.certPem, key: tls.keyPem, ALPNProtocols: ["h2", "http/1.1"] }, rest);
    server.on("connection", count);
    server.listen(port, host);
    await once(server, "listening");
    return server;
  };
  const servers: Server[] = [];
  for (let index = 0; index < ports; index += 1) {
    const server = await open(address, 0, index);
    servers.push(server);
    if (twin !== undefined) await open(twin, (server.address() as AddressInfo).port, index);
  }
  const reflector = await startReflector({
    host: address,
    port: 0,
    clock: systemClock,
    log: pino({ level: "silent" }),
  });
  const portOf = (server: Server) => (server.address() as AddressInfo).port;
  print({ ports: servers.map(portOf), reflectorPort: reflector.address.port });
  createInterface({ input: process.stdin }).on("line", () => print({ accepted }));
}

function print(answer: object): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

await main(readOrder());
liveAsLongAsStdin();
