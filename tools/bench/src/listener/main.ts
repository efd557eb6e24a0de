/**
 * A plain TCP listener on many ports: accepts, says nothing, closes when the other side does; and a STAMP reflector. Prints its ports, then the
 * count of accepted connections per port for each line it reads.
 */
import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { createInterface } from "node:readline";
import { systemClock } from "@lifeline/measure";
import { startReflector } from "@lifeline/reflector";
import { pino } from "pino";
import { liveAsLongAsStdin, readOrder } from "../program.ts";

async function main({ address, ports }: { readonly address: string; readonly ports: number }): Promise<void> {
  const accepted = Array.from({ length: ports }, () => 0);
  const servers: Server[] = [];
  for (let index = 0; index < ports; index += 1) {
    const server = createServer((socket) => {
      accepted[index] = (accepted[index] ?? 0) + 1;
      // Probes end their connections by a reset.
      socket.on("error", () => undefined).resume();
    });
    server.listen(0, address);
    await once(server, "listening");
    servers.push(server);
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
