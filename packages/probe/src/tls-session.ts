/**
 * A TLS handshake over a connected socket. The chain is captured, and judged afterwards.
 *
 * 1. Node accepts any certificate, so that the handshake completes and the chain can be read. No data is sent over the
 *    connection before {@link judgePeer} has found no fault.
 * 2. Sessions are never resumed: each attempt tests the whole handshake.
 */
import type { Socket } from "node:net";
import { connect, type PeerCertificate, type TLSSocket } from "node:tls";
import type { Outcome, Trust } from "@lifeline/measure";
import { noteChain } from "./attempt-steps.ts";
import { type Deadline, isExpired } from "./deadline.ts";
import { codeOf } from "./errno.ts";
import { noteLateness, outcome, type Trace } from "./probe-result.ts";
import { alertOf, CLOSED, reasonOfTlsCode } from "./tls-code.ts";
import { judgePeer, serverNameOf } from "./trust.ts";
import type { ProbeWorld } from "./world.ts";

/** What is required of the peer. */
export interface HandshakeOptions {
  /** The host that the certificate must be for. */
  readonly host: string;
  readonly trust: Trust;
  /** Offered in this order; empty offers none. */
  readonly alpn: readonly string[];
}

/** A session, where `fault` says what is wrong with its certificate; or how the attempt ended without one. */
export type Secured =
  | { readonly kind: "secure"; readonly socket: TLSSocket; readonly fault: Outcome | undefined }
  | { readonly kind: "ended"; readonly outcome: Outcome };

type HandshakeEnd = { readonly kind: "secure" } | { readonly kind: "error"; readonly code: string };

/**
 * Completes TLS over `socket`. Fills in tlsNs, version, ALPN and chain. The caller destroys the socket, which ends the
 * session.
 */
export async function secure(
  world: ProbeWorld,
  socket: Socket,
  deadline: Deadline,
  options: HandshakeOptions,
  trace: Trace,
): Promise<Secured> {
  const found = world.trust.contextFor(options.trust);
  if (found.kind === "unreadable") {
    trace.evidence.code = found.code;
    return ended(outcome("agent-resource", "plan"));
  }
  const startedNs = deadline.elapsedNs();
  world.noteStep?.("tls", `handshake for ${options.host}, ALPN ${options.alpn.join(", ") || "none"}`);
  let shown: PeerCertificate | undefined;
  const session = connect({
    socket,
    secureContext: found.context,
    rejectUnauthorized: false,
    host: options.host,
    servername: serverNameOf(options.host),
    ALPNProtocols: [...options.alpn],
    // The name is judged with the chain after the handshake. Node has read the whole chain for this call.
    checkServerIdentity: (_host, certificate) => {
      shown = certificate;
      return undefined;
    },
  });
  const handshake = await deadline.race(whenSecure(session));
  if (isExpired(handshake)) {
    world.noteStep?.("tls", "no end of the handshake before the threshold");
    return ended(outcome(handshake.stalled ? "stalled" : "handshake-timeout", "tls"));
  }
  if (handshake.kind === "error") {
    const { code } = handshake;
    trace.evidence.code = code;
    const alert = alertOf(code);
    if (alert !== undefined) trace.evidence.tlsAlert = alert;
    world.noteStep?.("tls", alert === undefined ? `handshake failed: ${code}` : `alert ${alert} (${code})`);
    return ended(outcome(reasonOfTlsCode(code), "tls"));
  }
  const tookNs = deadline.elapsedNs();
  const stalled = noteLateness(deadline.lateness(tookNs), tookNs, "tls", trace);
  if (stalled !== undefined) return ended(stalled);
  trace.phases.tlsNs = deadline.elapsedNs() - startedNs;
  const fault = examine(world, session, options, shown, trace);
  return { kind: "secure", socket: session, fault };
}

function whenSecure(session: TLSSocket): Promise<HandshakeEnd> {
  return new Promise((resolve) => {
    session.once("secureConnect", () => resolve({ kind: "secure" }));
    // Node reports a closed connection as ECONNRESET, as if the peer had reset it.
    session.once("end", () => resolve({ kind: "error", code: CLOSED }));
    session.once("close", () => resolve({ kind: "error", code: "ECONNRESET" }));
    // Stays for the session's life: an error after the end of the attempt must not be thrown.
    session.on("error", (error) => resolve({ kind: "error", code: codeOf(error) }));
  });
}

/** Fills in what was negotiated, and returns what is wrong with the certificate. */
function examine(
  world: ProbeWorld,
  session: TLSSocket,
  options: HandshakeOptions,
  shown: PeerCertificate | undefined,
  trace: Trace,
): Outcome | undefined {
  const version = session.getProtocol();
  if (version !== null) trace.evidence.tlsVersion = version;
  trace.evidence.alpn = session.alpnProtocol || "";
  const { chain, fault } = judgePeer(session, options, world.trust, shown);
  trace.evidence.chain = chain;
  world.noteStep?.("tls", `${version ?? "TLS"}, ALPN ${trace.evidence.alpn || "none"}`);
  noteChain(world.noteStep, chain);
  if (fault === undefined) return undefined;
  world.noteStep?.("tls", `certificate refused: ${fault.code}`);
  trace.evidence.code = fault.code;
  return outcome(fault.reason, "tls");
}

function ended(result: Outcome): Secured {
  return { kind: "ended", outcome: result };
}
