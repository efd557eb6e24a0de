/** A time server of the lab: plain NTP (RFC 5905 §7.3). It knows no extension fields, and answers without any. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { type Clock, endpointName } from "@lifeline/measure";
import { LabError, reasonText } from "../lab-error.ts";
import type { ServiceEndpoint } from "./client-gate.ts";

/** A running server. */
export interface NtpServer extends ServiceEndpoint {
  disconnect(client: string): void;
  close(): Promise<void>;
}

const HEADER_BYTES = 48;
const MODE_MASK = 0x07;
const MODE_CLIENT = 3;
/** No leap second announced, version 4, mode server; a secondary server whose clock is good to 2^-20 s. */
const ANSWER_START = Buffer.from([0x24, 2, 6, 0xec]);
/** Reference of a secondary server: an IPv4 address; this one is for documentation (RFC 5737). */
const REFERENCE = Buffer.from([192, 0, 2, 1]);

/** Seconds from the NTP era's start, 1900, to the Unix epoch (RFC 5905 §6). */
const EPOCH_S = 2_208_988_800;
const FRACTIONS_PER_S = 2 ** 32;

/** Opens the socket. Throws `listen-failed`. */
export async function openNtpServer({ host, port }: ServiceEndpoint, clock: Clock): Promise<NtpServer> {
  const socket = createSocket({ type: isIPv6(host) ? "udp6" : "udp4", ipv6Only: isIPv6(host) });
  socket.on("message", (query, from) => {
    const answer = answerTo(query, clock.wallMs());
    // A send error only means that the client is gone.
    if (answer !== undefined) socket.send(answer, from.port, from.address, () => undefined);
  });
  const bound = once(socket, "listening");
  socket.bind({ address: host, port, exclusive: true });
  await bound.catch((error: unknown) => {
    socket.close();
    throw new LabError("listen-failed", `${endpointName(host, port)}/udp: ${reasonText(error)}`, { cause: error });
  });
  socket.on("error", () => undefined);
  return {
    host,
    port: socket.address().port,
    disconnect: () => undefined,
    async close() {
      const closed = once(socket, "close");
      socket.close();
      await closed;
    },
  };
}

/** The answer to a client's packet; undefined to anything else. Pure. */
export function answerTo(query: Buffer, nowMs: number): Buffer | undefined {
  if (query.length < HEADER_BYTES || ((query[0] ?? 0) & MODE_MASK) !== MODE_CLIENT) return undefined;
  const answer = Buffer.alloc(HEADER_BYTES);
  ANSWER_START.copy(answer);
  REFERENCE.copy(answer, 12);
  const now = timestamp(nowMs);
  now.copy(answer, 16);
  query.copy(answer, 24, 40, 48);
  now.copy(answer, 32);
  now.copy(answer, 40);
  return answer;
}

function timestamp(wallMs: number): Buffer {
  const seconds = Math.floor(wallMs / 1_000);
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE((seconds + EPOCH_S) % FRACTIONS_PER_S, 0);
  bytes.writeUInt32BE(Math.floor(((wallMs - seconds * 1_000) / 1_000) * FRACTIONS_PER_S), 4);
  return bytes;
}
