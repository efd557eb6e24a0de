/** From a target to a connection that an application protocol can be spoken on: name, TCP and, where it is asked, TLS. */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import type { Outcome, Target, Trust } from "@lifeline/measure";
import type { Deadline } from "./deadline.ts";
import { dial } from "./dial.ts";
import type { Trace } from "./finding.ts";
import { locate } from "./locate.ts";
import { secure } from "./tls-session.ts";
import type { ProbeWorld } from "./world.ts";

/**
 * Longest the handshake below an application protocol may take, ms. Linux sends a SYN again after 1 s (RFC 6298 §2,
 * TCP_TIMEOUT_INIT): below that a connect is one SYN and one sample of loss (M1), and a dropped SYN shows as soon under TLS as
 * under TCP.
 */
const SYN_THRESHOLD_MS = 950;

/** What the connection is to carry. */
export interface ChannelWish {
  /** Absent: cleartext. */
  readonly trust: Trust | undefined;
  /** ALPN protocols offered over TLS. What the server picked is `trace.evidence.alpn`. */
  readonly alpn: readonly string[];
}

/** A connection and its running deadline, both the caller's to end with {@link closeChannel}; or how the attempt ended. */
export type Channel =
  | { readonly kind: "open"; readonly socket: Socket; readonly deadline: Deadline }
  | { readonly kind: "ended"; readonly outcome: Outcome };

/** Opens a channel; a certificate that is not good ends it, with the chain in the trace. */
export async function openChannel(
  world: ProbeWorld,
  target: Target,
  { trust, alpn }: ChannelWish,
  trace: Trace,
): Promise<Channel> {
  const located = await locate(world, target, trace);
  if (located.kind === "ended") return located;
  const { host, port, family, timeoutMs } = target;
  const handshakeTimeoutMs = Math.min(timeoutMs, SYN_THRESHOLD_MS);
  const dialled = await dial(world, { address: located.address, port, family, timeoutMs, handshakeTimeoutMs }, trace);
  if (dialled.kind === "ended") return dialled;
  const { socket, deadline } = dialled;
  if (trust === undefined) return { kind: "open", socket, deadline };

  const secured = await secure(world, socket, deadline, { host, trust, alpn }, trace);
  const fault = secured.kind === "ended" ? secured.outcome : secured.fault;
  if (secured.kind === "secure" && fault === undefined) return { kind: "open", socket: secured.socket, deadline };
  assert(fault !== undefined, "a channel that is not open has a reason");
  deadline.cancel();
  // Destroys the session above it as well.
  socket.destroy();
  return { kind: "ended", outcome: fault };
}

/** Ends an open channel, whatever state it is in. */
export function closeChannel({ socket, deadline }: Extract<Channel, { kind: "open" }>): void {
  deadline.cancel();
  socket.destroy();
}
