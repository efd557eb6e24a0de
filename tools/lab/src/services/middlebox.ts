/**
 * A middlebox that terminates TLS. A path fault redirects a node's port 443 to it.
 *
 * 1. It dials only hosts of the lab: the address of the requested name, in the lab's zone, at the port it stands in
 *    for.
 * 2. It agrees the application protocol with the true server first, so a trusted interception is seamless.
 */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { Clock } from "@lifeline/measure";
import { type ClientGate, openClientGate, type ServiceEndpoint } from "./client-gate.ts";
import { type ClientHello, peekClientHello } from "./client-hello.ts";
import type { LeafStore } from "./leaf-store.ts";
import type { ModeTable } from "./mode-table.ts";
import { acceptTls } from "./tls-service.ts";
import type { Zone } from "./zone.ts";

/** Options of {@link openMiddlebox}. */
export interface MiddleboxOptions {
  readonly endpoint: ServiceEndpoint;
  /** The true server; for a name in the zone its first address takes the host's place. */
  readonly upstream: ServiceEndpoint;
  readonly clock: Clock;
  readonly table: ModeTable;
  readonly leaves: LeafStore;
  readonly zone: Zone;
  /** The root that the true servers' certificates end at. */
  readonly publicRootPem: string;
}

/** Time a server of the lab may take to answer, ms; ten times a slow one. */
const UPSTREAM_TIMEOUT_MS = 5_000;

/** Opens the listener. Throws `listen-failed`. */
export async function openMiddlebox(options: MiddleboxOptions): Promise<ClientGate> {
  return openClientGate(options.endpoint, (connection, client) => {
    serve(connection, client, options).catch(() => connection.destroy());
  });
}

async function serve(connection: Socket, client: string, options: MiddleboxOptions): Promise<void> {
  const mode = options.table.modeOf("middlebox", client);
  if (mode === "stall") return void connection.resume();
  const hello = await peekClientHello(connection, options.clock);
  if (hello === undefined) return void connection.destroy();
  if (mode === "reset") return void connection.resetAndDestroy();
  const upstream = upstreamOf(hello, options);
  if (mode === "pass") {
    const far = connectTcp(upstream);
    giveUpUnless(far, "connect", options.clock);
    return join(connection, far);
  }

  const { session, protocol } = await dial(connection, upstream, hello, options);
  const leaf = await options.leaves.leafFor("intercepted", hello.serverName ?? upstream.host);
  acceptTls(connection, leaf, protocol === undefined ? [] : [protocol], (plain) => join(plain, session));
}

function upstreamOf({ serverName }: ClientHello, { zone, upstream }: MiddleboxOptions): ServiceEndpoint {
  const known = serverName === undefined ? undefined : zone.find(serverName);
  return { host: known?.addresses[0] ?? upstream.host, port: upstream.port };
}

/**
 * Agrees TLS with the true server. Rejects when it does not answer, or its certificate is not of the lab's public root.
 */
function dial(connection: Socket, to: ServiceEndpoint, hello: ClientHello, options: MiddleboxOptions) {
  return new Promise<{ session: TLSSocket; protocol: string | undefined }>((resolve, reject) => {
    const session = connectTls({
      ...to,
      ca: options.publicRootPem,
      ...(hello.serverName === undefined ? {} : { servername: hello.serverName }),
      ...(hello.alpn.length === 0 ? {} : { ALPNProtocols: [...hello.alpn] }),
    });
    // The client may disconnect first.
    connection.once("close", () => session.destroy());
    giveUpUnless(session, "secureConnect", options.clock);
    session.once("close", () => reject(new Error("closed")));
    session.on("error", reject);
    session.once("secureConnect", () => {
      resolve({ session, protocol: session.alpnProtocol || undefined });
    });
  });
}

/** Destroys a socket that has not come to `event` within {@link UPSTREAM_TIMEOUT_MS}. */
export function giveUpUnless(socket: Socket, event: "connect" | "secureConnect", clock: Clock): void {
  const timer = clock.after(UPSTREAM_TIMEOUT_MS, () => socket.destroy());
  socket.once(event, () => timer.cancel()).once("close", () => timer.cancel());
}

/** Passes bytes both ways until either side ends. Backpressure bounds what is held. */
export function join(near: Socket, far: Socket): void {
  far.on("error", () => near.destroy());
  near.on("error", () => far.destroy());
  near.once("close", () => far.destroy());
  far.once("close", () => near.destroy());
  near.pipe(far).pipe(near);
}
