/** For tests: a time server that speaks NTP and NTS, and lies on command. Not part of the package. */
import { createServer, type TLSSocket } from "node:tls";
import { systemClock } from "@lifeline/measure";
import { ntpFromWallMs } from "@lifeline/stamp";
import { aessiv } from "@noble/ciphers/aes.js";
import { fixture, listening, type Peer, udpPeer } from "./peers.ts";

/** What a server answers with, where that is not the truth. */
export interface NtpLie {
  /** How far the server's clock is ahead of this host's, ms. */
  readonly aheadMs?: number;
  /** How long the server claims to have taken, ms. */
  readonly tookMs?: number;
  /** Other bytes of the answer, by their offset. */
  readonly bytes?: Readonly<Record<number, number>>;
}

/** A server's answer to `request`: synchronised, stratum 2. */
export function ntpAnswer(request: Uint8Array, { aheadMs = 0, tookMs = 0, bytes = {} }: NtpLie = {}): Buffer {
  const answer = Buffer.alloc(48);
  answer.writeUInt8(0x24, 0);
  answer.writeUInt8(2, 1);
  answer.writeUInt32BE(0x8000, 4);
  answer.writeUInt32BE(0x4000, 8);
  Buffer.from(request).copy(answer, 24, 40, 48);
  answer.writeBigUInt64BE(ntpFromWallMs(systemClock.wallMs() + aheadMs), 32);
  answer.writeBigUInt64BE(ntpFromWallMs(systemClock.wallMs() + aheadMs + tookMs), 40);
  for (const [at, byte] of Object.entries(bytes)) answer.writeUInt8(byte, Number(at));
  return answer;
}

/** A kiss-o'-death with that code. */
export function kissOfDeath(request: Uint8Array, code: string, pollExponent = 6): Buffer {
  const answer = ntpAnswer(request, { bytes: { 0: 0xe4, 1: 0, 2: pollExponent } });
  answer.write(code, 12, "latin1");
  return answer;
}

/** Extension fields of a packet, by type. Bodies keep their padding. */
export function extensionFields(packet: Buffer): ReadonlyMap<number, Buffer> {
  const fields = new Map<number, Buffer>();
  for (let at = 48; at + 4 <= packet.byteLength; at += packet.readUInt16BE(at + 2)) {
    fields.set(packet.readUInt16BE(at), packet.subarray(at + 4, at + packet.readUInt16BE(at + 2)));
  }
  return fields;
}

/** An extension field whose body needs no padding. */
export function extensionField(type: number, body: Uint8Array): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt16BE(type, 0);
  header.writeUInt16BE(4 + body.byteLength, 2);
  return Buffer.concat([header, body]);
}

const record = (type: number, body: Uint8Array) => {
  const header = Buffer.alloc(4);
  header.writeUInt16BE(type, 0);
  header.writeUInt16BE(body.byteLength, 2);
  return Buffer.concat([header, body]);
};

/** How an NTS server behaves. */
export interface NtsBehaviour {
  /** The bytes of the answer to the key exchange; default: a right one. */
  readonly keyExchange?: (ntpPort: number, cookie: Uint8Array) => Uint8Array;
  /** The datagrams that answer `request`; default: one that is proven. */
  readonly answer?: (request: Buffer, prove: (header: Buffer) => Buffer) => readonly Buffer[];
  readonly alpn?: string;
  readonly maxVersion?: "TLSv1.2" | "TLSv1.3";
  readonly certificate?: string;
}

/** The answer of a key exchange that agrees: NTPv4, AES-SIV, a cookie and the port of the time server. */
export function keyExchangeAnswer(ntpPort: number, cookie: Uint8Array, host?: string): Buffer {
  return Buffer.concat([
    record(0x8001, Buffer.from([0, 0])),
    record(4, Buffer.from([0, 15])),
    record(5, cookie),
    record(5, cookie),
    ...(host === undefined ? [] : [record(0x8006, Buffer.from(host))]),
    record(0x8007, Buffer.from([ntpPort >> 8, ntpPort & 0xff])),
    record(0x8000, Buffer.alloc(0)),
  ]);
}

export { record as ntsRecord };

/** A time server with NTS. `port` is that of its key exchange. Its cookie is known to it alone. */
export async function ntsServer(behaviour: NtsBehaviour = {}): Promise<Peer & { readonly requests: Buffer[] }> {
  const { keyExchange = keyExchangeAnswer, alpn = "ntske/1", maxVersion = "TLSv1.3" } = behaviour;
  const { answer = (request, prove) => [prove(ntpAnswer(request))], certificate = "good.pem" } = behaviour;
  const cookie = Buffer.from("a cookie of forty bytes, known to itself");
  const requests: Buffer[] = [];
  let keys: { readonly c2s: Buffer; readonly s2c: Buffer } | undefined;
  const prove = (request: Buffer) => (header: Buffer) => {
    const identifier = extensionFields(request).get(0x0104) ?? Buffer.alloc(32);
    const associated = Buffer.concat([header, extensionField(0x0104, identifier)]);
    const nonce = Buffer.alloc(16, 7);
    const sealed = aessiv(keys?.s2c ?? Buffer.alloc(32), associated, nonce).encrypt(extensionField(0x0204, cookie));
    const body = Buffer.concat([Buffer.from([0, 16, 0, sealed.byteLength]), nonce, sealed]);
    return Buffer.concat([associated, extensionField(0x0404, body)]);
  };
  const time = await udpPeer((request, from, socket) => {
    requests.push(request);
    for (const datagram of answer(request, prove(request))) socket.send(datagram, from.port, from.address);
  });
  const pem = fixture(certificate);
  const server = createServer({ cert: pem, key: pem, ALPNProtocols: [alpn], maxVersion }, (socket: TLSSocket) => {
    socket.on("error", () => {});
    const keyOf = (direction: number) =>
      socket.exportKeyingMaterial(32, "EXPORTER-network-time-security", Buffer.from([0, 0, 0, 15, direction]));
    socket.once("data", () => {
      keys = { c2s: keyOf(0), s2c: keyOf(1) };
      socket.end(keyExchange(time.port, cookie));
    });
  });
  const peer = await listening(server);
  return {
    port: peer.port,
    requests,
    async [Symbol.asyncDispose]() {
      await peer[Symbol.asyncDispose]();
      await time[Symbol.asyncDispose]();
    },
  };
}
