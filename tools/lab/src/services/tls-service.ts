/**
 * A TLS listener of the lab. It reads the server name that the client requests, then acts as the mode says.
 *
 * 1. A mode that needs no name acts on connection; the others act after the ClientHello.
 * 2. A certificate is made for the exact name requested, so one listener stands in for every host of the lab.
 */
import type { Socket } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import type { Clock } from "@lifeline/measure";
import { type ClientGate, openClientGate, type ServiceEndpoint } from "./client-gate.ts";
import { peekClientHello } from "./client-hello.ts";
import type { Leaf } from "./lab-cas.ts";
import { type LeafStore, leafKindOf } from "./leaf-store.ts";
import type { ModeTable } from "./mode-table.ts";
import type { TlsMode, TlsServiceName } from "./modes.ts";

/** Options of {@link openTlsService}. */
export interface TlsServiceOptions {
  readonly endpoint: ServiceEndpoint;
  readonly clock: Clock;
  readonly table: ModeTable;
  readonly leaves: LeafStore;
  /** The services behind the listener. */
  readonly services: readonly TlsServiceName[];
  /** Which of them a name belongs to. */
  readonly serviceOf: (name: string) => TlsServiceName;
  /** Protocols offered by a healthy server. */
  readonly alpn: readonly string[];
  /** Takes over a session. */
  readonly serve: (session: TLSSocket, mode: TlsMode) => void;
}

/** Time a client may take for its TLS handshake, ms; ten times a slow one. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** A handshake record of 122 bytes (RFC 8446 §5.1) and the first bytes of its ServerHello. The rest never comes. */
const HALF_SERVER_HELLO = Buffer.from("160303007a0200007603037a", "hex");

/** What reverse proxies, captive portals and block pages agree to. */
const PROXY_ALPN = ["h2", "http/1.1"] as const;

/** Opens the listener. Throws `listen-failed`. */
export async function openTlsService(options: TlsServiceOptions): Promise<ClientGate> {
  const { table, services } = options;
  return openClientGate(options.endpoint, (connection, client) => {
    const modes = new Set(services.map((service) => table.modeForAnyName(service, client)));
    const [only] = modes;
    if (modes.size === 1 && (only === "reset" || only === "stall")) return refuseService(connection, only);
    serveNamed(connection, client, options).catch(() => connection.destroy());
  });
}

async function serveNamed(connection: Socket, client: string, options: TlsServiceOptions): Promise<void> {
  const hello = await peekClientHello(connection, options.clock);
  if (hello === undefined) return void connection.destroy();
  // Literals are never in SNI (RFC 6066 §3): without a name, the address that was dialled is meant.
  const name = hello.serverName ?? connection.localAddress ?? options.endpoint.host;
  const mode = options.table.modeOf(options.serviceOf(name), client, name);
  if (mode === "reset" || mode === "stall" || mode === "tls-stall") return refuseService(connection, mode);
  const filtered = FILTER_ANSWERS[mode];
  if (filtered !== undefined) return void connection.end(filtered);
  const leaf = await options.leaves.leafFor(leafKindOf(mode), name);
  const serve = (session: TLSSocket) => {
    if (mode === "request-stall") session.resume();
    else options.serve(session, mode);
  };
  acceptTls(connection, leaf, alpnOf(mode, options.alpn), serve, mode === "tls12" ? "TLSv1.2" : "TLSv1.3");
}

/** A fatal alert of TLS (RFC 8446 §6.2) in its record. */
const alert = (description: number) => Buffer.from([21, 3, 3, 0, 2, 2, description]);

/** What filters send instead of a ServerHello, before they close. */
const FILTER_ANSWERS: Partial<Record<TlsMode, Buffer>> = {
  close: Buffer.alloc(0),
  "alert-40": alert(40),
  "alert-49": alert(49),
  "alert-112": alert(112),
  "plain-http": Buffer.from("HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\nX-Lifeline: lab\r\n\r\nlab\n"),
};

function refuseService(connection: Socket, mode: "reset" | "stall" | "tls-stall"): void {
  if (mode === "reset") return void connection.resetAndDestroy();
  if (mode === "tls-stall") connection.write(HALF_SERVER_HELLO);
  // Discard the client's bytes: the kernel acknowledges them, and the service never answers.
  connection.resume();
}

function alpnOf(mode: TlsMode, healthy: readonly string[]): readonly string[] {
  switch (mode) {
    case "http1-only":
      return ["http/1.1"];
    case "html-200":
    case "html-415":
    case "html-502":
    case "grpc-unavailable":
    case "redirect":
    case "block-page":
    case "captive-page":
      return PROXY_ALPN;
    default:
      return healthy;
  }
}

/** Ends TLS of a connection accepted elsewhere; a handshake that fails ends the connection. */
export function acceptTls(
  connection: Socket,
  leaf: Leaf,
  alpn: readonly string[],
  serve: (session: TLSSocket) => void,
  maxVersion: "TLSv1.2" | "TLSv1.3" = "TLSv1.3",
): void {
  // One server a connection, so that no session is resumed across a change of mode.
  const server = createServer({
    cert: `${leaf.certPem}${leaf.restPem}`,
    key: leaf.keyPem,
    minVersion: "TLSv1.2",
    maxVersion,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    ...(alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] }),
  });
  server.on("tlsClientError", () => connection.destroy());
  server.once("secureConnection", (session) => {
    session.on("error", () => undefined);
    session.once("close", () => connection.destroy());
    serve(session);
  });
  server.emit("connection", connection);
}
