/**
 * One TCP connection to one address (M1), timed by the kernel where possible.
 *
 * 1. The round trip is that of the handshake: the kernel's `tcpi_rtt`, or else the monotonic duration of `connect`.
 * 2. A handshake that the kernel finished within the threshold is connected, however late this process reads that (M3).
 * 3. A handshake or a reset that was late, or that this process was too slow to read, has no duration.
 * 4. However the dial ends, the socket is either given to the caller connected, or destroyed.
 */
import { connect, type LookupFunction, type Socket } from "node:net";
import type { IpFamily, Outcome } from "@lifeline/measure";
import { type Deadline, isExpired, startDeadline } from "./deadline.ts";
import { codeOf, reasonOfErrno } from "./errno.ts";
import type { TcpInfo } from "./kernel.ts";
import { outcome, type Trace } from "./probe-result.ts";
import { streamFd } from "./socket-fd.ts";
import type { ProbeWorld } from "./world.ts";

/** Where to dial. */
export interface DialTarget {
  readonly address: string;
  readonly port: number;
  readonly family: IpFamily;
  /** Threshold of the whole attempt, ms. */
  readonly timeoutMs: number;
  /** Threshold of the handshake alone, ms; at most `timeoutMs`. */
  readonly handshakeTimeoutMs: number;
}

/** A connection and the deadline that began with its SYN, which the caller cancels; or how the attempt ended. */
export type Dialled =
  | { readonly kind: "connected"; readonly socket: Socket; readonly deadline: Deadline }
  | { readonly kind: "ended"; readonly outcome: Outcome };

/** connect(2) is about to be called, and both thresholds run; or an error came before it. */
type Started =
  | {
      readonly kind: "started";
      readonly deadline: Deadline;
      readonly handshake: Deadline;
      readonly opened: Promise<Opened>;
    }
  | { readonly kind: "error"; readonly code: string };

/** The first event of a socket, with what was read within the event itself. */
type Opened =
  | { readonly kind: "open"; readonly elapsedNs: number; readonly info: TcpInfo | undefined }
  | { readonly kind: "error"; readonly elapsedNs: number; readonly code: string };

/** Connects once. Fills in rtt, connectNs, addresses, SYN retransmissions and the errno of a failure. */
export async function dial(world: ProbeWorld, target: DialTarget, trace: Trace): Promise<Dialled> {
  const { address, port, family } = target;
  trace.evidence.address = address;
  // One family and one address, so Node's address selection has nothing to choose.
  const socket = connect({ host: address, port, family, autoSelectFamily: false, noDelay: true, lookup: noLookup });
  const started = await whenStarted(world, socket, target);
  if (started.kind === "error") {
    // Nothing was sent, so this node is to blame whatever the code is.
    trace.evidence.code = started.code;
    return { kind: "ended", outcome: outcome("agent-resource", "connect") };
  }
  const { deadline, handshake, opened } = started;
  const first = await handshake.race(opened);
  handshake.cancel();
  const ended = judgeOpening(world, socket, handshake, first, trace);
  if (ended === undefined) {
    if (socket.localAddress !== undefined) trace.evidence.localAddress = socket.localAddress;
    return { kind: "connected", socket, deadline };
  }
  deadline.cancel();
  socket.destroy();
  return { kind: "ended", outcome: ended };
}

/** Fails for everything but a literal: a name was resolved before, and never by the system's resolver (M1). */
const noLookup: LookupFunction = (hostname, _options, done) => {
  done(Object.assign(new Error(`${hostname} is no address`), { code: "ENOTFOUND" }), "", 0);
};

/**
 * The deadlines start when connect(2) is about to be called, not when `connect` was. An errno of connect(2) itself is
 * emitted before any promise callback runs, so the listeners for it are added within the event.
 */
function whenStarted(
  world: ProbeWorld,
  socket: Socket,
  { timeoutMs, handshakeTimeoutMs }: DialTarget,
): Promise<Started> {
  return new Promise((resolve) => {
    socket.once("connectionAttempt", () => {
      const deadline = startDeadline(world.clock, timeoutMs);
      const handshake = startDeadline(world.clock, handshakeTimeoutMs);
      resolve({ kind: "started", deadline, handshake, opened: whenOpen(world, socket, handshake) });
    });
    // Stays for the socket's life: an error before connect(2) ends the dial. A later one is handled elsewhere, and must
    // not be thrown.
    socket.on("error", (error) => resolve({ kind: "error", code: codeOf(error) }));
  });
}

function whenOpen(world: ProbeWorld, socket: Socket, deadline: Deadline): Promise<Opened> {
  return new Promise((resolve) => {
    socket.once("connect", () => {
      resolve({ kind: "open", elapsedNs: deadline.elapsedNs(), info: tcpInfoOf(world, socket) });
    });
    socket.once("error", (error) => resolve({ kind: "error", elapsedNs: deadline.elapsedNs(), code: codeOf(error) }));
  });
}

function tcpInfoOf(world: ProbeWorld, socket: Socket): TcpInfo | undefined {
  const fd = world.kernel === undefined ? undefined : streamFd(socket);
  return fd === undefined ? undefined : world.kernel?.tcpInfo(fd);
}

/** How the dial ended, or undefined when it is connected. */
function judgeOpening(
  world: ProbeWorld,
  socket: Socket,
  deadline: Deadline,
  first: Opened | { kind: "expired"; stalled: boolean },
  trace: Trace,
): Outcome | undefined {
  if (isExpired(first)) {
    noteRetransmits(tcpInfoOf(world, socket), trace);
    return outcome(first.stalled ? "stalled" : "timeout", "connect");
  }
  if (first.kind === "open") {
    return judgeHandshake(deadline, first, trace);
  }

  trace.evidence.code = first.code;
  const reason = reasonOfErrno(first.code, "connect");
  if (reason !== "refused") return outcome(reason, "connect");
  const late = deadline.lateness(first.elapsedNs);
  if (late !== undefined) return outcome(late, "connect");
  // A reset is an answer of the host, so it has a round trip, but the kernel does not time it.
  trace.rtt = { ns: first.elapsedNs, source: "monotonic" };
  return outcome("refused", "connect");
}

/** Undefined when the whole handshake was in time. Only then are its duration and its round trip noted. */
function judgeHandshake(deadline: Deadline, { info, elapsedNs }: Opened & { kind: "open" }, trace: Trace) {
  noteRetransmits(info, trace);
  const kernelNs = info !== undefined && info.rttNs > 0 ? info.rttNs : undefined;
  // After a lost SYN the kernel's figure is that of the last SYN alone, not of the whole handshake.
  const wholeNs = kernelNs !== undefined && info?.totalRetransmits === 0 ? kernelNs : elapsedNs;
  const late = deadline.lateness(wholeNs);
  if (late !== undefined) return outcome(late, "connect");
  trace.phases.connectNs = wholeNs;
  trace.rtt = kernelNs === undefined ? { ns: elapsedNs, source: "monotonic" } : { ns: kernelNs, source: "kernel" };
  return undefined;
}

function noteRetransmits(info: TcpInfo | undefined, trace: Trace): void {
  if (info !== undefined && info.totalRetransmits > 0) trace.evidence.synRetransmits = info.totalRetransmits;
}
