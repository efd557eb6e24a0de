/**
 * One request to a time server and its answer, with plain NTP or protected by NTS.
 *
 * 1. Requests to one server are kept apart (packet-pacing.ts). A kiss-o'-death ends in `rate-limited` with the time for
 *    which the caller is to leave the server alone.
 * 2. The round trip is that of RFC 5905 §8: the time since sending, without the time that the server took.
 * 3. Only a synchronised server shows how far this host's clock is off (M4).
 */
import { type Clock, endpointName, NS_PER_MS, NS_PER_US, type Outcome, pause, type Target } from "@lifeline/measure";
import { elapsedNs, ntpFromWallMs } from "@lifeline/stamp";
import { type Arrival, type DatagramEnd, exchangeDatagram } from "./datagram.ts";
import type { NtpAnswer } from "./ntp-packet.ts";
import { noteLateness, outcome, type Trace } from "./probe-result.ts";
import { judgeDatagramError } from "./udp.ts";
import type { ProbeWorld } from "./world.ts";

/** Where the request goes, and how long to wait for its answer. */
export type TimeServer = Pick<Target, "port" | "family" | "timeoutMs"> & { readonly address: string };

/** A request, and how to read its answer. */
export interface TimeRequest {
  readonly packet: Uint8Array;
  /** The answer; undefined: the datagram is another one, and the wait goes on. */
  readonly read: (datagram: Uint8Array) => NtpAnswer | undefined;
  /** The outcome when no answer came, and so many other datagrams. */
  readonly silent: (strays: number) => Outcome;
}

/** Asks once. Fills in address, round trip, other datagrams, and what the server said of its time. */
export async function askTime(
  world: ProbeWorld,
  server: TimeServer,
  { packet, read, silent }: TimeRequest,
  trace: Trace,
): Promise<Outcome> {
  const { address, port } = server;
  trace.evidence.address = address;
  const name = endpointName(address, port);
  const waitMs = world.pacing.reserve(name, now(world.clock));
  if (waitMs === undefined) {
    trace.evidence.code = "PACED";
    world.noteStep?.("time", "nothing is sent: too many requests wait for this server");
    return outcome("agent-overload", "plan");
  }
  if (waitMs > 0) {
    world.noteStep?.("time", `waits ${Math.ceil(waitMs)} ms, because packets to one time server are kept apart`);
    await pause(world.clock, waitMs);
  }

  const started = { wallMs: world.clock.wallMs(), ns: now(world.clock) };
  const { end, strays, localAddress } = await exchangeDatagram(world, server, packet, ({ bytes }) => {
    const answer = read(bytes);
    return answer === undefined ? { kind: "stray" } : { kind: "answer", value: answer };
  });
  if (localAddress !== undefined) trace.evidence.localAddress = localAddress;
  if (strays > 0) trace.evidence.strays = strays;
  const sentAtMs = sentAt(end, started, world.clock);
  return judgeEnd(world, name, end, sentAtMs, () => silent(strays), trace);
}

function now(clock: Clock): number {
  return clock.monotonicNs();
}

/**
 * Longest time that this process may have spent beside the exchange, ns, for `started` to say when the request left.
 * The offset errs by less than the second from which a clock counts as wrong.
 */
const BESIDE_MAX_NS = 500 * NS_PER_MS;

/** This host's wall time when the request left; undefined when this process was too busy to know. */
function sentAt(
  end: DatagramEnd<NtpAnswer>,
  started: { readonly wallMs: number; readonly ns: number },
  clock: Clock,
): number | undefined {
  if (end.kind !== "answered") return undefined;
  const besideNs = now(clock) - started.ns - end.arrival.elapsedNs;
  return besideNs <= BESIDE_MAX_NS ? started.wallMs : undefined;
}

function judgeEnd(
  world: ProbeWorld,
  name: string,
  end: DatagramEnd<NtpAnswer>,
  sentAtMs: number | undefined,
  silent: () => Outcome,
  trace: Trace,
): Outcome {
  if (end.kind === "expired") return end.stalled ? outcome("stalled", "first-byte") : silent();
  if (end.kind === "error") return judgeDatagramError(end, trace);
  const { value: answer, arrival, late } = end;
  const pauseMs = pauseOf(world, name, answer);
  if (pauseMs !== undefined) {
    trace.evidence.code = answer.kiss ?? "";
    trace.evidence.retryAfterMs = pauseMs;
    return outcome("rate-limited", "first-byte");
  }
  noteAnswer(world, answer, arrival, sentAtMs, trace);
  const stalled = noteLateness(late, arrival.elapsedNs, "first-byte", trace);
  if (stalled !== undefined) return stalled;
  if (!answer.isSynchronised) return outcome("time-unsynchronised", "first-byte");
  world.pacing.answered(name);
  return outcome("answered", "first-byte");
}

/** How long a server is left alone that does not want requests of this host (DENY, RSTR), ms: four hours. */
const DENIED_MS = 14_400_000;

const MS_PER_S = 1_000;

/** How long the server asks to be left alone, ms (RFC 5905 §7.4); undefined: it does not. */
function pauseOf({ pacing }: ProbeWorld, name: string, { kiss, pollExponent }: NtpAnswer): number | undefined {
  if (kiss === "DENY" || kiss === "RSTR") return DENIED_MS;
  // A server that answers RATE names the interval that it allows.
  return kiss === "RATE" ? pacing.pauseAfterRate(name, 2 ** pollExponent * MS_PER_S) : undefined;
}

/** Notes the server's state. Of a synchronised one also the round trip and this host's clock. */
function noteAnswer(
  { onClockSample }: ProbeWorld,
  answer: NtpAnswer,
  { elapsedNs: waitedNs, source }: Arrival,
  sentAtMs: number | undefined,
  trace: Trace,
): void {
  const { stratum, rootDelayUs, rootDispersionUs, receivedAt, sentAt: answeredAt, kiss } = answer;
  if (kiss !== undefined && kiss !== "") trace.evidence.code = kiss;
  trace.evidence.time = { stratum, rootDelayUs, rootDispersionUs };
  if (!answer.isSynchronised) return;
  const rttNs = waitedNs - elapsedNs(receivedAt, answeredAt);
  // A server that took less than no time, or longer than the whole exchange, stepped its clock meanwhile.
  if (rttNs < 0 || rttNs > waitedNs) return;
  trace.rtt = { ns: Math.max(NS_PER_US, rttNs), source };
  if (sentAtMs === undefined) return;
  const aheadNs = elapsedNs(ntpFromWallMs(sentAtMs), receivedAt);
  const backNs = elapsedNs(ntpFromWallMs(sentAtMs + waitedNs / NS_PER_MS), answeredAt);
  const offsetNs = (aheadNs + backNs) / 2;
  trace.evidence.time = { ...trace.evidence.time, offsetUs: Math.round(offsetNs / NS_PER_US) };
  onClockSample?.({ offsetMs: offsetNs / NS_PER_MS, rttMs: rttNs / NS_PER_MS });
}
