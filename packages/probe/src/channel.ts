/**
 * From a target to a connection for an application protocol: name, TCP, and where they are required a proxy's tunnel
 * and TLS. TLS to an https proxy carries the TLS to the target.
 *
 * Through a proxy, the name, the addresses and `connectNs` are those of the proxy. There is no round trip, because none
 * to the endpoint was measured. A failure before the tunnel is open is blamed on the proxy, unless this agent is to
 * blame. A proxy that was reached and does not answer CONNECT in time is `proxy-unreachable` too; then the sample has
 * `connectNs`.
 */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import {
  endpointName,
  type Outcome,
  type ProxyEndpoint,
  proxyName,
  reasonFacts,
  type Target,
  type Trust,
} from "@lifeline/measure";
import type { Deadline, Expired } from "./deadline.ts";
import { dial } from "./dial.ts";
import { locate } from "./locate.ts";
import { emptyTrace, noteLateness, outcome, type Trace } from "./probe-result.ts";
import { encodeConnect, requestTunnel, type Tunnelled } from "./proxy-tunnel.ts";
import { openSocks } from "./socks5.ts";
import { secure } from "./tls-session.ts";
import type { ProbeWorld } from "./world.ts";

/**
 * Threshold of the TCP handshake below an application protocol, ms. Linux sends a SYN again after 1 s (RFC 6298 §2,
 * TCP_TIMEOUT_INIT). Below that a connect is one SYN and one sample of loss (M1), and a dropped SYN shows as early
 * under TLS as under TCP.
 */
const SYN_THRESHOLD_MS = 950;

/** The one status of an open tunnel for Go's net/http and for Talos's dialer; RFC 9110 §9.3.6 allows each of 2xx. */
const TUNNEL_OPEN = 200;

/** RFC 9110 §15.5.8. */
const PROXY_AUTHENTICATION_REQUIRED = 407;

/** What the connection is for. */
export interface ChannelOptions {
  /** Absent: cleartext. */
  readonly trust: Trust | undefined;
  /** ALPN protocols offered over TLS. What the server picked is `trace.evidence.alpn`. */
  readonly alpn: readonly string[];
}

/** A connection and its running deadline, which the caller ends with {@link closeChannel}; or how the attempt ended. */
export type Channel =
  | { readonly kind: "open"; readonly socket: Socket; readonly deadline: Deadline }
  | { readonly kind: "ended"; readonly outcome: Outcome };

/** Opens a channel. A certificate with a fault ends it, with the chain in the trace. */
export async function openChannel(
  world: ProbeWorld,
  target: Target,
  { trust, alpn }: ChannelOptions,
  trace: Trace,
): Promise<Channel> {
  const { proxy } = target;
  const carried =
    proxy === undefined ? await connectTo(world, target, trace) : await tunnel(world, target, proxy, trace);
  if (carried.kind === "ended" || trust === undefined) return carried;

  const { socket, deadline } = carried;
  const securing = secure(world, socket, deadline, { host: target.host, trust, alpn }, trace);
  const secured = await securing.catch((error: unknown) => {
    // A defect: Node refused these options. The connection must not stay open.
    closeChannel(carried);
    throw error;
  });
  const fault = secured.kind === "ended" ? secured.outcome : secured.fault;
  if (secured.kind === "secure" && fault === undefined) {
    // A session over another one does not close that one.
    secured.socket.once("close", () => socket.destroy());
    return { kind: "open", socket: secured.socket, deadline };
  }
  assert(fault !== undefined, "a channel that is not open has a reason");
  deadline.cancel();
  // This also destroys the TLS session on top of it.
  socket.destroy();
  return { kind: "ended", outcome: fault };
}

/** A TCP connection to the host and port of `target`. */
async function connectTo(world: ProbeWorld, target: Target, trace: Trace): Promise<Channel> {
  const located = await locate(world, target, trace);
  if (located.kind === "ended") return located;
  const { port, family, timeoutMs } = target;
  const handshakeTimeoutMs = Math.min(timeoutMs, SYN_THRESHOLD_MS);
  const dialled = await dial(world, { address: located.address, port, family, timeoutMs, handshakeTimeoutMs }, trace);
  return dialled.kind === "ended" ? dialled : { ...dialled, kind: "open" };
}

/** A connection to the target through `proxy`. */
async function tunnel(world: ProbeWorld, target: Target, proxy: ProxyEndpoint, trace: Trace): Promise<Channel> {
  trace.evidence.proxy = proxyName(proxy);
  world.noteStep?.("proxy", `through ${proxyName(proxy)}${proxy.cleartextConnect ? ", asked in cleartext" : ""}`);
  const connected = await connectTo(world, { ...target, host: proxy.host, port: proxy.port }, trace);
  // The addresses and the round trip are the proxy's, not the endpoint's.
  delete trace.evidence.answers;
  trace.rtt = undefined;
  if (connected.kind === "ended") return ended(proxyFault(connected.outcome, trace));
  const scheme = proxy.cleartextConnect ? "http" : (proxy.scheme ?? "http");
  const secured = scheme === "https" ? await secureProxy(world, connected, proxy, trace) : connected;
  if (secured.kind === "ended") {
    closeChannel(connected);
    return secured;
  }
  const asksSocks = scheme === "socks5" || scheme === "socks5h";
  const fault = await (asksSocks ? socksFault : connectFault)(world, secured, target, trace);
  if (fault === undefined) return secured;
  closeChannel(secured);
  return ended(fault);
}

type OpenChannel = Extract<Channel, { kind: "open" }>;

function ended(result: Outcome): Channel {
  return { kind: "ended", outcome: result };
}

/** TLS to the proxy itself. Its chain is evidence only where it is at fault. */
async function secureProxy(
  world: ProbeWorld,
  { socket, deadline }: OpenChannel,
  { host, trust = { kind: "public" } }: ProxyEndpoint,
  trace: Trace,
): Promise<Channel> {
  const own = emptyTrace();
  const secured = await secure(world, socket, deadline, { host, trust, alpn: ["http/1.1"] }, own);
  const fault = secured.kind === "ended" ? secured.outcome : secured.fault;
  if (secured.kind === "secure" && fault === undefined) return { kind: "open", socket: secured.socket, deadline };
  assert(fault !== undefined, "a session that is not secure has a reason");
  const { code, chain } = own.evidence;
  if (code !== undefined) trace.evidence.code = code;
  if (secured.kind === "ended") return ended(proxyFault(fault, trace));
  if (chain !== undefined) trace.evidence.chain = chain;
  return ended(outcome("proxy-untrusted", "proxy"));
}

/** Why CONNECT does not open the tunnel; undefined: it does. */
async function connectFault(
  world: ProbeWorld,
  { socket, deadline }: OpenChannel,
  { host, port }: Target,
  trace: Trace,
): Promise<Outcome | undefined> {
  const request = encodeConnect(endpointName(host, port), world.proxyCredentials(trace.evidence.proxy ?? ""));
  if (request === undefined) {
    trace.evidence.code = "ERR_INVALID_CHAR";
    return outcome("agent-resource", "plan");
  }
  world.noteStep?.("proxy", `CONNECT ${endpointName(host, port)}`);
  const tunnelled = await deadline.race(requestTunnel(socket, request));
  world.noteStep?.("proxy", tunnelledText(tunnelled));
  return judgeTunnel(tunnelled, deadline, trace);
}

/** Why SOCKS does not open the tunnel; undefined: it does. */
async function socksFault(
  world: ProbeWorld,
  { socket, deadline }: OpenChannel,
  { host, port }: Target,
  trace: Trace,
): Promise<Outcome | undefined> {
  const credentials = world.proxyCredentials(trace.evidence.proxy ?? "");
  world.noteStep?.("proxy", `SOCKS5 CONNECT ${endpointName(host, port)}`);
  const end = await deadline.race(openSocks(socket, host, port, credentials));
  world.noteStep?.("proxy", `SOCKS5: ${"code" in end ? end.code : end.kind}`);
  switch (end.kind) {
    case "expired":
      return unanswered(end, trace);
    case "auth":
      return outcome("proxy-auth", "proxy");
    case "refused":
      trace.evidence.code = end.code;
      return outcome("proxy-refused", "proxy");
    case "error":
      trace.evidence.code = end.code;
      return outcome("proxy-unreachable", "proxy");
    case "open":
      return inTime(deadline, trace);
  }
}

/** Blames the proxy, unless the reason names this agent or no owner: the proxy may have no address of this family. */
function proxyFault({ reason, phase }: Outcome, trace: Trace): Outcome {
  const { blame } = reasonFacts(reason);
  if (blame === "agent" || blame === "none") return { reason, phase };
  trace.evidence.code ??= "ETIMEDOUT";
  return outcome("proxy-unreachable", "proxy");
}

/** The outcome of a proxy's answer; undefined: the tunnel is open. */
function judgeTunnel(tunnelled: Tunnelled | Expired, deadline: Deadline, trace: Trace): Outcome | undefined {
  if (tunnelled.kind === "expired") return unanswered(tunnelled, trace);
  if (tunnelled.kind === "error") {
    trace.evidence.code = tunnelled.code;
    return outcome("proxy-unreachable", "proxy");
  }
  const { status, authentication } = tunnelled;
  trace.evidence.proxyStatus = status;
  if (status === PROXY_AUTHENTICATION_REQUIRED) return authFault(authentication, trace);
  if (status !== TUNNEL_OPEN) return outcome("proxy-refused", "proxy");
  return inTime(deadline, trace);
}

function tunnelledText(tunnelled: Tunnelled | Expired): string {
  if (tunnelled.kind === "expired") return "no answer to CONNECT";
  if (tunnelled.kind === "error") return `no tunnel: ${tunnelled.code}`;
  const { status, authentication } = tunnelled;
  return `status ${status}${authentication.length === 0 ? "" : `, accepts ${authentication.join(", ")}`}`;
}

function unanswered({ stalled }: Expired, trace: Trace): Outcome {
  return proxyFault(outcome(stalled ? "stalled" : "handshake-timeout", "proxy"), trace);
}

function inTime(deadline: Deadline, trace: Trace): Outcome | undefined {
  const tookNs = deadline.elapsedNs();
  return noteLateness(deadline.lateness(tookNs), tookNs, "proxy", trace);
}

/** Go's net/http, and so Talos, authenticates to a proxy by Basic alone. */
function authFault(authentication: readonly string[], trace: Trace): Outcome {
  const isBasic = authentication.some((kind) => kind.toLowerCase() === "basic");
  if (isBasic || authentication.length === 0) return outcome("proxy-auth", "proxy");
  trace.evidence.code = authentication.join(", ");
  return outcome("proxy-auth-scheme", "proxy");
}

/** Ends an open channel in whatever state it is. */
export function closeChannel({ socket, deadline }: Extract<Channel, { kind: "open" }>): void {
  deadline.cancel();
  socket.destroy();
}
