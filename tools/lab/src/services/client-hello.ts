/**
 * As much of a TLS ClientHello (RFC 8446 §4.1.2) as a server in the middle needs: the server name and the protocols
 * offered.
 *
 * Reading never throws and takes at most {@link HELLO_MAX_BYTES}. The bytes stay in the socket for the TLS server.
 */
import type { Socket } from "node:net";
import type { Clock } from "@lifeline/measure";

/** What the client offers. */
export interface ClientHello {
  /** Host name of the server_name extension (RFC 6066 §3); undefined without one. */
  readonly serverName: string | undefined;
  /** Protocols of the ALPN extension (RFC 7301 §3.1), in the client's order. */
  readonly alpn: readonly string[];
}

/** A ClientHello as far as its bytes go. */
export type HelloRead =
  | { readonly kind: "hello"; readonly hello: ClientHello }
  | { readonly kind: "incomplete" }
  | { readonly kind: "not-tls" };

/**
 * Longest ClientHello read, bytes: one record of 2^14 (RFC 8446 §5.1) and its header; with post-quantum shares it is
 * under 2 KiB.
 */
export const HELLO_MAX_BYTES = 16_384 + 5;

/** Time a ClientHello may take to arrive, ms: ten times a slow one. */
const HELLO_TIMEOUT_MS = 10_000;

const RECORD_HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const RECORD_HEADER_BYTES = 5;
const EXTENSION_SERVER_NAME = 0;
const EXTENSION_ALPN = 16;
const HOST_NAME = 0;

/** A DNS name as SNI carries it. */
const NAME = /^[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_.])?$/i;

/** Reads a ClientHello from the first bytes of a connection. Pure. */
export function readClientHello(bytes: Buffer): HelloRead {
  if (bytes.length > 0 && bytes[0] !== RECORD_HANDSHAKE) return { kind: "not-tls" };
  if (bytes.length < RECORD_HEADER_BYTES) return { kind: "incomplete" };
  const recordBytes = RECORD_HEADER_BYTES + bytes.readUInt16BE(3);
  if (recordBytes > HELLO_MAX_BYTES) return { kind: "not-tls" };
  if (bytes.length < recordBytes) return { kind: "incomplete" };
  try {
    return { kind: "hello", hello: parse(bytes.subarray(RECORD_HEADER_BYTES, recordBytes)) };
  } catch {
    // A length that points outside its record (a RangeError of Buffer), or what `parse` refuses.
    return { kind: "not-tls" };
  }
}

function parse(handshake: Buffer): ClientHello {
  if (handshake.readUInt8(0) !== CLIENT_HELLO) throw new RangeError("not a ClientHello");
  // Type and length (4), version (2), random (32).
  let at = 38;
  at += 1 + handshake.readUInt8(at);
  at += 2 + handshake.readUInt16BE(at);
  at += 1 + handshake.readUInt8(at);
  let serverName: string | undefined;
  let alpn: readonly string[] = [];
  const end = at === handshake.length ? at : at + 2 + handshake.readUInt16BE(at);
  at += 2;
  while (at + 4 <= end) {
    const type = handshake.readUInt16BE(at);
    const size = handshake.readUInt16BE(at + 2);
    const body = handshake.subarray(at + 4, at + 4 + size);
    if (type === EXTENSION_SERVER_NAME) serverName = readServerName(body);
    if (type === EXTENSION_ALPN) alpn = readAlpn(body);
    at += 4 + size;
  }
  return { serverName, alpn };
}

function readServerName(body: Buffer): string | undefined {
  // List length (2), type (1), name length (2).
  if (body.length < 5 || body.readUInt8(2) !== HOST_NAME) return undefined;
  const name = body.subarray(5, 5 + body.readUInt16BE(3)).toString("latin1");
  return NAME.test(name) ? name : undefined;
}

function readAlpn(body: Buffer): readonly string[] {
  const found: string[] = [];
  let at = 2;
  while (at < body.length) {
    const size = body.readUInt8(at);
    found.push(body.subarray(at + 1, at + 1 + size).toString("latin1"));
    at += 1 + size;
  }
  return found;
}

/** Waits for a connection's ClientHello and puts its bytes back; undefined when none comes. */
export function peekClientHello(connection: Socket, clock: Clock): Promise<ClientHello | undefined> {
  const { promise, resolve } = Promise.withResolvers<ClientHello | undefined>();
  let bytes = Buffer.alloc(0);
  const done = (hello: ClientHello | undefined) => {
    timer.cancel();
    connection.off("readable", look).off("close", gone).off("end", gone);
    if (hello !== undefined) connection.unshift(bytes);
    resolve(hello);
  };
  const gone = () => done(undefined);
  const look = () => {
    for (let chunk = connection.read() as Buffer | null; chunk !== null; chunk = connection.read() as Buffer | null) {
      bytes = Buffer.concat([bytes, chunk]);
    }
    const read = readClientHello(bytes);
    if (read.kind === "hello") done(read.hello);
    if (read.kind === "not-tls" || bytes.length > HELLO_MAX_BYTES) gone();
  };
  const timer = clock.after(HELLO_TIMEOUT_MS, gone);
  connection.on("readable", look).once("close", gone).once("end", gone);
  return promise;
}
