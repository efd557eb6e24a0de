/**
 * Network Time Security (RFC 8915), the whole exchange: the key exchange over TLS 1.3, then one protected request to
 * the time server over UDP, whose answer must prove that it comes from that server.
 *
 * 1. Each attempt exchanges keys anew. Keys and cookies live no longer than the attempt, and are shown nowhere (S1).
 * 2. A datagram without the proof is no answer, because anybody on the path can send one. The wait for the server's
 *    answer goes on. When it is over, such a datagram shows that the time is not proven; without one there was silence.
 */
import { TLSSocket } from "node:tls";
import type { Outcome, Target } from "@lifeline/measure";
import { closeChannel, openChannel } from "./channel.ts";
import { isExpired } from "./deadline.ts";
import { codeOf, reasonOfErrno } from "./errno.ts";
import { locate } from "./locate.ts";
import { decodeNtpAnswer, encodeNtpRequest, type NtpAnswer } from "./ntp-packet.ts";
import { AEAD_NONCE_BYTES, type NtsKeys, proofOf, sealNtsRequest, UNIQUE_IDENTIFIER_BYTES } from "./nts-packet.ts";
import {
  AEAD_AES_SIV_CMAC_256,
  decodeKeyExchange,
  encodeKeyExchange,
  type KeyExchange,
  type KeyExchangeAnswer,
  PROTOCOL_NTPV4,
} from "./nts-record.ts";
import { emptyTrace, noteLateness, outcome, resultOf, type Trace } from "./probe-result.ts";
import type { OptionsOf, ProbeProtocol } from "./protocol.ts";
import { randomBytes, randomNonce } from "./random-bytes.ts";
import { askTime, type TimeRequest } from "./time-exchange.ts";
import type { ProbeWorld } from "./world.ts";

/** The application protocol of the key exchange (RFC 8915 §4). */
const ALPN = "ntske/1";

/** The only TLS version that the key exchange may use (RFC 8915 §3). */
const TLS_VERSION = "TLSv1.3";

/** The port of NTP (RFC 5905 §16), unless the key exchange names another. */
const NTP_PORT = 123;

/** Answered by a time server whose answer proves the key exchange. */
export const probeNts: ProbeProtocol<"nts"> = async (target, options, world) => {
  const trace = emptyTrace();
  const agreed = await exchangeKeys(world, target, options, trace);
  // The round trip of this probe is that of the time server.
  trace.rtt = undefined;
  if (agreed.kind === "ended") return resultOf(trace, agreed.outcome);
  const { host = target.host, port = NTP_PORT } = agreed.exchange;
  const located = await locate(world, { ...target, host }, trace);
  if (located.kind === "ended") return resultOf(trace, located.outcome);
  const request = protectedRequest(world, agreed);
  return resultOf(trace, await askTime(world, { ...target, address: located.address, port }, request, trace));
};

type Agreed =
  | { readonly kind: "agreed"; readonly exchange: KeyExchange; readonly keys: NtsKeys }
  | { readonly kind: "ended"; readonly outcome: Outcome };

/** The key exchange. Fills in what a TLS probe fills in, and requestNs. */
async function exchangeKeys(
  world: ProbeWorld,
  target: Target,
  { trust }: OptionsOf<"nts">,
  trace: Trace,
): Promise<Agreed> {
  const channel = await openChannel(world, target, { trust, alpn: [ALPN] }, trace);
  if (channel.kind === "ended") return channel;
  const { socket, deadline } = channel;
  try {
    if (trace.evidence.alpn !== ALPN) return ended(outcome("alpn-mismatch", "tls"));
    if (!(socket instanceof TLSSocket) || trace.evidence.tlsVersion !== TLS_VERSION) {
      trace.evidence.code = "NTSKE_TLS_VERSION";
      return ended(outcome("tls-protocol", "tls"));
    }
    const startedNs = deadline.elapsedNs();
    world.noteStep?.("time", "NTS key exchange requested");
    const answer = await deadline.race(requestKeys(socket));
    world.noteStep?.("time", `NTS key exchange: ${"code" in answer ? answer.code : answer.kind}`);
    if (isExpired(answer)) return ended(outcome(answer.stalled ? "stalled" : "handshake-timeout", "request"));
    const tookNs = deadline.elapsedNs();
    const stalled = noteLateness(deadline.lateness(tookNs), tookNs, "request", trace);
    if (stalled !== undefined) return ended(stalled);
    trace.phases.requestNs = deadline.elapsedNs() - startedNs;
    return judgeKeys(answer, socket, trace);
  } finally {
    closeChannel(channel);
  }
}

function judgeKeys(answer: Answered, socket: TLSSocket, trace: Trace): Agreed {
  switch (answer.kind) {
    case "agreed":
      return { ...answer, keys: keysOf(socket) };
    case "refused":
      trace.evidence.code = answer.code;
      return ended(outcome("nts-refused", "request"));
    case "malformed":
      trace.evidence.code = answer.code;
      return ended(outcome("nts-key-exchange", "request"));
    case "error":
      trace.evidence.code = answer.code;
      return ended(outcome(reasonOfErrno(answer.code, "stream"), "request"));
  }
}

function ended(result: Outcome): Agreed {
  return { kind: "ended", outcome: result };
}

type Answered = Exclude<KeyExchangeAnswer, { kind: "incomplete" }> | { readonly kind: "error"; readonly code: string };

/** Sends the request and resolves with the answer. The caller closes the socket. */
function requestKeys(socket: TLSSocket): Promise<Answered> {
  return new Promise((resolve) => {
    let received: Buffer = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const answer = decodeKeyExchange(received);
      if (answer.kind !== "incomplete") resolve(answer);
    });
    socket.once("end", () => resolve(cutOff(received)));
    socket.once("close", () => resolve(cutOff(received)));
    // Stays for the socket's life: a later error must not be thrown.
    socket.on("error", (error) => resolve({ kind: "error", code: codeOf(error) }));
    socket.write(encodeKeyExchange());
  });
}

function cutOff(received: Buffer): Answered {
  if (received.byteLength === 0) return { kind: "error", code: "ECONNRESET" };
  return { kind: "malformed", code: "NTSKE_CUT_OFF" };
}

/** The exporter's label, and the last byte of its context for each direction (RFC 8915 §5.1). */
const EXPORTER_LABEL = "EXPORTER-network-time-security";
const CLIENT_TO_SERVER = 0;
const SERVER_TO_CLIENT = 1;

/** Bytes of a key of AEAD_AES_SIV_CMAC_256 (RFC 5297 §6.1). */
const KEY_BYTES = 32;

function keysOf(socket: TLSSocket): NtsKeys {
  const keyFor = (direction: number) => {
    const context = Buffer.from([0, PROTOCOL_NTPV4, 0, AEAD_AES_SIV_CMAC_256, direction]);
    return socket.exportKeyingMaterial(KEY_BYTES, EXPORTER_LABEL, context);
  };
  return { clientToServer: keyFor(CLIENT_TO_SERVER), serverToClient: keyFor(SERVER_TO_CLIENT) };
}

/** The code of an NTS NAK (RFC 8915 §5.7). */
const NTS_NAK = "NTSN";

function protectedRequest(
  { random }: ProbeWorld,
  { exchange: { cookie }, keys }: Extract<Agreed, { kind: "agreed" }>,
): TimeRequest {
  const nonce = randomNonce(random);
  const uniqueIdentifier = randomBytes(random, UNIQUE_IDENTIFIER_BYTES);
  const aeadNonce = randomBytes(random, AEAD_NONCE_BYTES);
  let unproven: "nts-unproven" | "nts-nak" | undefined;
  const read = (datagram: Uint8Array): NtpAnswer | undefined => {
    const answer = decodeNtpAnswer(datagram, nonce);
    if (answer === undefined) return undefined;
    const proof = proofOf(datagram, uniqueIdentifier, keys);
    if (proof === "proven") return answer;
    unproven = proof === "identified" && answer.kiss === NTS_NAK ? "nts-nak" : "nts-unproven";
    return undefined;
  };
  const packet = sealNtsRequest(encodeNtpRequest(nonce), { uniqueIdentifier, cookie, aeadNonce }, keys);
  return {
    packet,
    read,
    silent: (strays) => outcome(unproven ?? (strays > 0 ? "nts-unproven" : "nts-silent"), "first-byte"),
  };
}
