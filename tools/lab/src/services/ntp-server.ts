/** A time server of the lab: plain NTP (RFC 5905 §7.3). It knows no extension fields, and answers without any. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import { type Clock, endpointName } from "@lifeline/measure";
import { ntpFromWallMs } from "@lifeline/stamp";
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
  query.copy(answer, 24, 40, 48);
  for (const at of [16, 32, 40]) answer.writeBigUInt64BE(ntpFromWallMs(nowMs), at);
  return answer;
}

/** A record of a key exchange of Network Time Security (RFC 8915 §4); the highest bit of its type says critical. */
function record(type: number, body: Uint8Array): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt16BE(type, 0);
  header.writeUInt16BE(body.byteLength, 2);
  return Buffer.concat([header, body]);
}

const COOKIE_BYTES = 40;

/** Agrees NTPv4 and AEAD_AES_SIV_CMAC_256, and gives a cookie that no server of the lab can read. */
export const KEY_EXCHANGE: Buffer = Buffer.concat([
  record(0x8001, Buffer.from([0, 0])),
  record(0x8004, Buffer.from([0, 15])),
  record(5, Buffer.alloc(COOKIE_BYTES, "lab")),
  record(0x8000, Buffer.alloc(0)),
]);
