/** The lab's DNS server: UDP and TCP on one port, a closed zone, a mode per client. */
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { isIPv6, type Socket } from "node:net";
import { endpointName } from "@lifeline/measure";
import { LabError, reasonText } from "../lab-error.ts";
import { type ClientGate, openClientGate, type ServiceEndpoint } from "./client-gate.ts";
import { answerQuestion, readQuestion } from "./dns-answer.ts";
import { clientOf, type ModeTable } from "./mode-table.ts";
import type { Zone } from "./zone.ts";

/** A running server. */
export interface DnsServer extends ServiceEndpoint {
  disconnect(client: string): void;
  close(): Promise<void>;
}

/** Options of {@link openDnsServer}. */
export interface DnsServerOptions {
  readonly endpoint: ServiceEndpoint;
  readonly table: ModeTable;
  readonly zone: Zone;
  /** What mode drift answers with. */
  readonly drift: readonly string[];
}

/** Ports tried where the kernel chooses: one that is free for TCP may be taken for UDP. */
const PORT_TRIES = 8;

/** Unfinished bytes kept of one TCP connection: one message of the longest length (RFC 1035 §4.2.2). */
const STREAM_MAX_BYTES = 2 + 0xffff;

/** Opens both sockets. Throws `listen-failed`. */
export async function openDnsServer(options: DnsServerOptions): Promise<DnsServer> {
  const { endpoint } = options;
  const answer = (message: Buffer, client: string, transport: "udp" | "tcp") => {
    const question = readQuestion(message);
    if (question === undefined) return undefined;
    const mode = options.table.modeOf("dns", client, question.name);
    return answerQuestion(question, mode, options.zone, options.drift, transport);
  };
  for (let tries = 1; ; tries += 1) {
    const gate = await openClientGate(endpoint, (connection, client) =>
      serveStream(connection, (message) => answer(message, client, "tcp")),
    );
    try {
      return assemble(gate, await openDatagrams(gate, answer));
    } catch (error) {
      await gate.close();
      if (endpoint.port !== 0 || tries === PORT_TRIES) throw error;
    }
  }
}

function assemble(gate: ClientGate, socket: UdpSocket): DnsServer {
  return {
    host: gate.host,
    port: gate.port,
    disconnect: gate.disconnect,
    async close() {
      const closed = once(socket, "close");
      socket.close();
      await Promise.all([closed, gate.close()]);
    },
  };
}

async function openDatagrams(
  { host, port }: ServiceEndpoint,
  answer: (message: Buffer, client: string, transport: "udp") => Buffer | undefined,
): Promise<UdpSocket> {
  const socket = createSocket({ type: isIPv6(host) ? "udp6" : "udp4", ipv6Only: isIPv6(host) });
  socket.on("message", (message, from) => {
    const reply = answer(message, clientOf(from.address), "udp");
    // A send error only means that the client is gone.
    if (reply !== undefined) socket.send(reply, from.port, from.address, () => undefined);
  });
  const bound = once(socket, "listening");
  socket.bind({ address: host, port, exclusive: true });
  await bound.catch((error: unknown) => {
    socket.close();
    throw new LabError("listen-failed", `${endpointName(host, port)}/udp: ${reasonText(error)}`, { cause: error });
  });
  socket.on("error", () => undefined);
  return socket;
}

/** Messages on TCP carry their length before them (RFC 1035 §4.2.2). */
function serveStream(connection: Socket, answer: (message: Buffer) => Buffer | undefined): void {
  let bytes = Buffer.alloc(0);
  connection.on("data", (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    while (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE(0)) {
      const size = bytes.readUInt16BE(0);
      const reply = answer(bytes.subarray(2, 2 + size));
      bytes = bytes.subarray(2 + size);
      if (reply === undefined) continue;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(reply.length);
      connection.write(Buffer.concat([length, reply]));
    }
    // A client that sends and does not read is disconnected, to bound the buffer.
    if (bytes.length > STREAM_MAX_BYTES || connection.writableLength > STREAM_MAX_BYTES) connection.destroy();
  });
}
