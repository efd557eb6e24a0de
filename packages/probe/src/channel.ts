/**
 * From a target to a connection for an application protocol: name, TCP, and where they are required a proxy's tunnel
 * and TLS.
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
  reasonFacts,
  type Target,
  type Trust,
} from "@lifeline/measure";
import type { Deadline, Expired } from "./deadline.ts";
import { dial } from "./dial.ts";
import { locate } from "./locate.ts";
import { noteLateness, outcome, type Trace } from "./probe-result.ts";
import { encodeConnect, requestTunnel, type Tunnelled } from "./proxy-tunnel.ts";
import { secure } from "./tls-session.ts";
import type { ProbeWorld } from "./world.ts";

/**
 * Threshold of the TCP handshake below an application protocol, ms. Linux sends a SYN again after 1 s (RFC 6298 §2,
 * TCP_TIMEOUT_INIT). Below that a connect is one SYN and one sample of loss (M1), and a dropped SYN shows as early
 * under TLS as under TCP.
 */
const SYN_THRESHOLD_MS = 950;

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
  if (secured.kind === "secure" && fault === undefined) return { kind: "open", socket: secured.socket, deadline };
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
  const name = endpointName(proxy.host, proxy.port);
  trace.evidence.proxy = name;
  const request = encodeConnect(endpointName(target.host, target.port), world.proxyAuthorization(name));
  if (request === undefined) {
    trace.evidence.code = "ERR_INVALID_CHAR";
    return { kind: "ended", outcome: outcome("agent-resource", "plan") };
  }
  const connected = await connectTo(world, { ...target, ...proxy }, trace);
  // The addresses and the round trip are the proxy's, not the endpoint's.
  delete trace.evidence.answers;
  trace.rtt = undefined;
  if (connected.kind === "ended") return { kind: "ended", outcome: proxyFault(connected.outcome, trace) };

  const { socket, deadline } = connected;
  const tunnelled = await deadline.race(requestTunnel(socket, request));
  const fault = judgeTunnel(tunnelled, deadline, trace);
  if (fault === undefined) return connected;
  closeChannel(connected);
  return { kind: "ended", outcome: fault };
}

/** Blames the proxy, unless the reason blames this agent or nobody: the proxy may have no address of this family. */
function proxyFault({ reason, phase }: Outcome, trace: Trace): Outcome {
  const { blame } = reasonFacts(reason);
  if (blame === "agent" || blame === "nobody") return { reason, phase };
  trace.evidence.code ??= "ETIMEDOUT";
  return outcome("proxy-unreachable", "proxy");
}

/** The outcome of a proxy's answer; undefined: the tunnel is open. */
function judgeTunnel(tunnelled: Tunnelled | Expired, deadline: Deadline, trace: Trace): Outcome | undefined {
  if (tunnelled.kind === "expired") {
    return proxyFault(outcome(tunnelled.stalled ? "stalled" : "handshake-timeout", "proxy"), trace);
  }
  if (tunnelled.kind === "error") {
    trace.evidence.code = tunnelled.code;
    return outcome("proxy-unreachable", "proxy");
  }
  const { status } = tunnelled;
  trace.evidence.proxyStatus = status;
  if (status === PROXY_AUTHENTICATION_REQUIRED) return outcome("proxy-auth", "proxy");
  if (status < 200 || status > 299) return outcome("proxy-refused", "proxy");
  const tookNs = deadline.elapsedNs();
  return noteLateness(deadline.lateness(tookNs), tookNs, "proxy", trace);
}

/** Ends an open channel in whatever state it is. */
export function closeChannel({ socket, deadline }: Extract<Channel, { kind: "open" }>): void {
  deadline.cancel();
  socket.destroy();
}
