/**
 * An HTTP CONNECT proxy (RFC 9110 §9.3.6) that reaches the lab's services and nothing else.
 *
 * It looks names up in the lab's zone only. It never queries a resolver, and dials only the endpoints it was given.
 */
import { createServer, type IncomingMessage, type Server } from "node:http";
import { connect, isIP, type Socket } from "node:net";
import { type Clock, endpointName } from "@lifeline/measure";
import { LAB_LABEL } from "../api-endpoint.ts";
import { type ClientGate, openClientGate, type ServiceEndpoint } from "./client-gate.ts";
import { peekClientHello } from "./client-hello.ts";
import type { LeafStore } from "./leaf-store.ts";
import { giveUpUnless, join } from "./middlebox.ts";
import { clientOf, type ModeTable } from "./mode-table.ts";
import { acceptTls } from "./tls-service.ts";
import { addressesOf, type Zone } from "./zone.ts";

/** Credentials that mode auth-required demands (RFC 7617). */
export interface ProxyCredentials {
  readonly user: string;
  readonly password: string;
}

/** Options of {@link openConnectProxy}. */
export interface ConnectProxyOptions {
  readonly endpoint: ServiceEndpoint;
  readonly clock: Clock;
  readonly table: ModeTable;
  readonly zone: Zone;
  /** Endpoints that may be reached. */
  readonly reaches: readonly ServiceEndpoint[];
  readonly credentials: ProxyCredentials;
  /** Where the proxy speaks TLS: certificates of a private CA. Default: it does not. */
  readonly leaves?: LeafStore;
}

/** Time a request may take to arrive, ms. */
const REQUEST_TIMEOUT_MS = 5_000;

const REASONS = {
  403: "Forbidden",
  405: "Method Not Allowed",
  407: "Proxy Authentication Required",
  502: "Bad Gateway",
} as const;

type Refusal = keyof typeof REASONS;

/** Opens the listener. Throws `listen-failed`. */
export async function openConnectProxy(options: ConnectProxyOptions): Promise<ClientGate> {
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => {
      request.resume();
      response.writeHead(405, { allow: "CONNECT", "x-lifeline": LAB_LABEL, connection: "close" }).end();
    },
  );
  server.on("clientError", (_error, socket) => socket.destroy());
  server.on("connect", (request: IncomingMessage, connection: Socket, head: Buffer) => {
    const found = admit(request, clientOf(connection.remoteAddress), options);
    if (typeof found === "number") return refuse(connection, found);
    tunnel(connection, found, head, options.clock);
  });
  return openClientGate(options.endpoint, (connection, client) => {
    serve(server, connection, client, options).catch(() => connection.destroy());
  });
}

async function serve(server: Server, connection: Socket, client: string, options: ConnectProxyOptions): Promise<void> {
  const { table, leaves, clock } = options;
  const mode = table.modeOf("proxy", client);
  if (mode === "reset" || mode === "down") return void connection.resetAndDestroy();
  if (mode === "stall") return void connection.resume();
  if (leaves === undefined) return void server.emit("connection", connection);
  const hello = await peekClientHello(connection, clock);
  if (hello === undefined) return void connection.destroy();
  const leaf = await leaves.leafFor("untrusted", hello.serverName ?? options.endpoint.host);
  acceptTls(connection, leaf, ["http/1.1"], (session) => server.emit("connection", session));
}

/** Where the request may go, or the status that refuses it. */
function admit(request: IncomingMessage, client: string, options: ConnectProxyOptions): ServiceEndpoint | Refusal {
  switch (options.table.modeOf("proxy", client)) {
    case "forbidden":
      return 403;
    case "bad-gateway":
      return 502;
    case "auth-required":
      if (!isAuthorized(request, options.credentials)) return 407;
      break;
    default:
      break;
  }
  return reach(request.url ?? "", options) ?? 403;
}

function isAuthorized(request: IncomingMessage, { user, password }: ProxyCredentials): boolean {
  const expected = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  return request.headers["proxy-authorization"] === expected;
}

/** The lab's endpoint that `authority` (host:port) means. Pure. */
export function reach(
  authority: string,
  { zone, reaches }: Pick<ConnectProxyOptions, "zone" | "reaches">,
): ServiceEndpoint | undefined {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(authority) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined) return undefined;
  const known = zone.find(host)?.addresses ?? [];
  // IPv4 first: the lab's paths carry it everywhere.
  const addresses = isIP(host) === 0 ? [...addressesOf(known, 4), ...addressesOf(known, 6)] : [host];
  const wanted = addresses.map((address) => endpointName(address, Number(port)));
  return reaches.find((endpoint) => wanted.includes(endpointName(endpoint.host, endpoint.port)));
}

function refuse(connection: Socket, status: Refusal): void {
  const challenge = status === 407 ? 'Proxy-Authenticate: Basic realm="lab"\r\n' : "";
  connection.end(
    `HTTP/1.1 ${status} ${REASONS[status]}\r\n${challenge}X-Lifeline: ${LAB_LABEL}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
  );
}

function tunnel(connection: Socket, to: ServiceEndpoint, head: Buffer, clock: Clock): void {
  const far = connect(to);
  giveUpUnless(far, "connect", clock);
  connection.once("close", () => far.destroy());
  const fail = () => {
    if (connection.writable) refuse(connection, 502);
  };
  // An error and a close may both occur; only the first of them answers the connection.
  far.once("error", fail).once("close", fail);
  far.once("connect", () => {
    // Inside a tunnel the proxy sends nothing of its own.
    far.off("error", fail).off("close", fail);
    connection.write("HTTP/1.1 200 Connection established\r\n\r\n");
    if (head.length > 0) far.write(head);
    join(connection, far);
  });
}
