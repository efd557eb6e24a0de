/**
 * One TCP connection to one address (M1), timed by the kernel where possible.
 *
 * 1. The round trip is that of the handshake: the kernel's `tcpi_rtt`, or else the monotonic duration of `connect`.
 * 2. A handshake that the kernel finished within the threshold is connected, however late this process reads that (M3).
 * 3. A handshake or a reset that was late, or that this process was too slow to read, has no duration.
 * 4. A handshake that was late is connected, and the trace says which flaw it has: a slow path, or a lost SYN.
 * 5. However the dial ends, the socket is either given to the caller connected, or destroyed.
 */
import { connect, type LookupFunction, type Socket } from "node:net";
import { endpointName, type IpFamily, LATE_WATCH_MS, NS_PER_MS, type Outcome } from "@lifeline/measure";
import { stepMs } from "./attempt-steps.ts";
import { type Deadline, type Expired, isExpired, startDeadline } from "./deadline.ts";
import { codeOf, reasonOfErrno } from "./errno.ts";
import type { TcpInfo } from "./kernel.ts";
import { noteLateness, outcome, type Trace } from "./probe-result.ts";
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
    world.noteStep?.("tcp", `nothing was sent to ${endpointName(address, port)}: ${started.code}`);
    return { kind: "ended", outcome: outcome("agent-resource", "connect") };
  }
  const { deadline, handshake, opened } = started;
  world.noteStep?.("tcp", `SYN to ${endpointName(address, port)}, threshold ${target.handshakeTimeoutMs} ms`);
  const first = await handshake.race(opened);
  handshake.cancel();
  const ended = judgeOpening(world, socket, handshake, first, trace);
  if (ended === undefined) {
    if (socket.localAddress !== undefined) trace.evidence.localAddress = socket.localAddress;
    world.noteStep?.("tcp", `connected from ${socket.localAddress}; ${openedText(first, trace)}`);
    return { kind: "connected", socket, deadline };
  }
  world.noteStep?.("tcp", `${openedText(first, trace)}: ${ended.reason}`);
  deadline.cancel();
  socket.destroy();
  return { kind: "ended", outcome: ended };
}

function openedText(first: Opened | Expired, { evidence }: Trace): string {
  if (first.kind === "expired") return `no answer; SYNs sent again: ${evidence.synRetransmits ?? 0}`;
  if (first.kind === "error") return `${first.code} after ${stepMs(first.elapsedNs)}`;
  if (first.info === undefined) return `no TCP_INFO; this process measured ${stepMs(first.elapsedNs)}`;
  const { rttNs, totalRetransmits } = first.info;
  return `TCP_INFO: round trip ${stepMs(rttNs)}, segments sent again: ${totalRetransmits}`;
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
  { address, timeoutMs, handshakeTimeoutMs }: DialTarget,
): Promise<Started> {
  return new Promise((resolve) => {
    socket.once("connectionAttempt", () => {
      const onSilence = (giveUp: () => void) => {
        const isWatched = world.watch.silent({ address, giveUp });
        if (isWatched) world.noteStep?.("tcp", `silent at its threshold; watched for ${LATE_WATCH_MS} ms more`);
        return isWatched;
      };
      const deadline = startDeadline(world.clock, timeoutMs, onSilence);
      const handshake = startDeadline(world.clock, handshakeTimeoutMs, onSilence);
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
    world.watch.heard();
    return judgeHandshake(deadline, first, trace);
  }

  trace.evidence.code = first.code;
  const reason = reasonOfErrno(first.code, "connect");
  if (reason !== "refused") return outcome(reason, "connect");
  // A reset is an answer of the host, so it has a round trip, but the kernel does not time it.
  trace.rtt = { ns: first.elapsedNs, source: "monotonic" };
  const lateness = deadline.lateness(first.elapsedNs);
  if (lateness === "stalled") trace.rtt = undefined;
  return noteLateness(lateness, first.elapsedNs, "connect", trace) ?? outcome("refused", "connect");
}

/**
 * Least time between the first SYN and the one that was answered, ns, where that is another one: Linux sends a SYN
 * again after 1 s (RFC 6298 §2, TCP_TIMEOUT_INIT). The margin is for timestamps in whole milliseconds and for a busy
 * process.
 */
const SYN_SPACING_NS = 900 * NS_PER_MS;

/**
 * Undefined when the handshake is done. Its duration and its round trip are noted only when it was in time; otherwise
 * its flaw is.
 */
function judgeHandshake(
  deadline: Deadline,
  { info, elapsedNs }: Opened & { kind: "open" },
  trace: Trace,
): Outcome | undefined {
  noteRetransmits(info, trace);
  const kernelNs = info !== undefined && info.rttNs > 0 ? info.rttNs : undefined;
  const isSentAgain = info !== undefined && info.totalRetransmits > 0;
  // With TCP timestamps the kernel's figure is that of the SYN that was answered, whichever it was (RFC 7323 §4).
  const isLost = isSentAgain && kernelNs !== undefined && elapsedNs - kernelNs >= SYN_SPACING_NS;
  const wholeNs = kernelNs === undefined || isLost ? elapsedNs : kernelNs;
  const lateness = deadline.lateness(wholeNs, wholeNs === kernelNs);
  if (lateness === "late" && isLost) {
    trace.flaw = outcome("syn-lost", "connect");
    return undefined;
  }
  if (lateness !== undefined) return noteLateness(lateness, wholeNs, "connect", trace);
  trace.phases.connectNs = wholeNs;
  trace.rtt = kernelNs === undefined ? { ns: elapsedNs, source: "monotonic" } : { ns: kernelNs, source: "kernel" };
  return undefined;
}

function noteRetransmits(info: TcpInfo | undefined, trace: Trace): void {
  if (info !== undefined && info.totalRetransmits > 0) trace.evidence.synRetransmits = info.totalRetransmits;
}
