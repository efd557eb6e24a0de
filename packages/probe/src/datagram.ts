/**
 * One datagram to one address and what comes back, on a connected UDP socket. The kernel then delivers only what that
 * address sent, and the ICMP errors that it calls fatal.
 *
 * 1. Each attempt has a new socket. Its port distinguishes the answer to this attempt from answers to others.
 * 2. An arrival is timed by the kernel's stamp where it can be read, so a stall of this process changes neither the
 *    round trip nor the threshold (M3).
 * 3. An ICMP error is timed when this process reads it. The kernel stamps errors only in a socket's error queue
 *    (IP_RECVERR, ip(7)). libuv 1.52 crashes when it finds one there: it negates the errno as an unsigned number
 *    (unix/udp.c, uv__udp_recvmsg_errqueue), and Node ends the process for so large a datagram.
 * 4. However the exchange ends, the socket is closed.
 */
import type { Socket } from "node:dgram";
import { type Clock, endpointName, type IpFamily, LATE_WATCH_MS, type RttSource } from "@lifeline/measure";
import { type NoteStep, stepMs } from "./attempt-steps.ts";
import { type ArrivalTime, arrivalTime, connectedSocket } from "./connected-socket.ts";
import { type Deadline, type Expired, startDeadline } from "./deadline.ts";
import { codeOf, type ErrnoPlace } from "./errno.ts";
import type { KernelClock } from "./kernel.ts";
import type { Silence, SilenceWatch } from "./silence-watch.ts";
import { datagramFd } from "./socket-fd.ts";

/** The two clocks that time an exchange, and the owner of the attempt. */
export interface DatagramClocks {
  readonly clock: Clock;
  /** Undefined where the kernel's stamps cannot be read: arrivals are then timed by `clock`. */
  readonly kernel: KernelClock | undefined;
  /** The owner of the attempt. */
  readonly watch: SilenceWatch;
  /** Notes a step of the attempt; absent: the attempt is not traced. */
  readonly noteStep?: NoteStep;
}

/** Where to send, and how long to wait. */
export interface DatagramTarget {
  readonly address: string;
  readonly port: number;
  readonly family: IpFamily;
  readonly timeoutMs: number;
}

/** A datagram that came back. */
export interface Arrival extends ArrivalTime {
  readonly bytes: Uint8Array;
}

/** What an arrival is: the answer to this attempt, which ends the wait, or a datagram of something else. */
export type ArrivalMatch<T> = { readonly kind: "answer"; readonly value: T } | { readonly kind: "stray" };

/** How an exchange ended. */
export type DatagramEnd<T> =
  | {
      readonly kind: "answered";
      readonly value: T;
      readonly arrival: Arrival;
      /** Set when it arrived after the threshold. */
      readonly late: "late" | "stalled" | undefined;
    }
  | {
      readonly kind: "error";
      readonly code: string;
      readonly place: ErrnoPlace;
      readonly elapsedNs: number;
      readonly source: RttSource;
      /** Set when it was read after the threshold. */
      readonly late: "late" | "stalled" | undefined;
    }
  | Expired;

/** How an exchange ended, and how many datagrams of something else arrived meanwhile. */
export interface DatagramExchange<T> {
  readonly end: DatagramEnd<T>;
  readonly strays: number;
  /** The address of this host from which it was sent; undefined when the socket could not be connected. */
  readonly localAddress: string | undefined;
}

/** Sends `payload` once and waits until `match` finds an answer, an error arrives, or the time is over. */
export async function exchangeDatagram<T>(
  clocks: DatagramClocks,
  target: DatagramTarget,
  payload: Uint8Array,
  match: (arrival: Arrival) => ArrivalMatch<T>,
): Promise<DatagramExchange<T>> {
  const socket = await connectedSocket(target.family, target.address, target.port);
  if (typeof socket === "string") return { end: neverSent(socket), strays: 0, localAddress: undefined };
  try {
    const localAddress = socket.address().address;
    const to = endpointName(target.address, target.port);
    clocks.noteStep?.("udp", `${payload.byteLength} bytes to ${to} from ${localAddress}`);
    const exchange = await sendAndWait(clocks, socket, target, payload, match);
    noteDatagramEnd(clocks.noteStep, exchange);
    return { ...exchange, localAddress };
  } finally {
    socket.close();
  }
}

/** Notes how an exchange ended. */
export function noteDatagramEnd(
  note: NoteStep | undefined,
  { end, strays }: Pick<DatagramExchange<unknown>, "end" | "strays">,
): void {
  const others = strays === 0 ? "" : `; other datagrams that arrived: ${strays}`;
  note?.("udp", `${endText(end)}${others}`);
}

function endText(end: DatagramEnd<unknown>): string {
  if (end.kind === "expired") return "no answer before the threshold";
  if (end.kind === "error") return `${end.code} after ${stepMs(end.elapsedNs)}`;
  const { bytes, elapsedNs, source } = end.arrival;
  return `${bytes.byteLength} bytes came back after ${stepMs(elapsedNs)}, by the ${source} clock`;
}

/** The end of an exchange whose socket could not be connected, with the code of what prevented it. */
export function neverSent(code: string): Extract<DatagramEnd<never>, { kind: "error" }> {
  return { kind: "error", code, place: "datagram-send", elapsedNs: 0, source: "monotonic", late: undefined };
}

/** The lateness of what arrived, which the kernel's stamp tells whatever this process did. */
export function latenessOf(deadline: Deadline, { elapsedNs, source }: ArrivalTime): "late" | "stalled" | undefined {
  return deadline.lateness(elapsedNs, source === "kernel");
}

function isWatched({ watch, noteStep }: DatagramClocks, silence: Silence): boolean {
  const isLonger = watch.silent(silence);
  if (isLonger) noteStep?.("udp", `silent at its threshold; watched for ${LATE_WATCH_MS} ms more`);
  return isLonger;
}

async function sendAndWait<T>(
  clocks: DatagramClocks,
  socket: Socket,
  { address, timeoutMs }: DatagramTarget,
  payload: Uint8Array,
  match: (arrival: Arrival) => ArrivalMatch<T>,
): Promise<Omit<DatagramExchange<T>, "localAddress">> {
  const fd = datagramFd(socket);
  if (fd !== undefined) clocks.kernel?.stampArrivals(fd);
  let strays = 0;
  const first = Promise.withResolvers<DatagramEnd<T>>();
  const deadline = startDeadline(clocks.clock, timeoutMs, (giveUp) => isWatched(clocks, { address, giveUp }));
  socket.on("message", (bytes) => {
    const ageNs = fd === undefined ? undefined : clocks.kernel?.sinceArrivalNs(fd);
    const arrival = { bytes, ...arrivalTime(ageNs, deadline.elapsedNs()) };
    const found = match(arrival);
    if (found.kind === "stray") strays += 1;
    else first.resolve({ kind: "answered", value: found.value, arrival, late: latenessOf(deadline, arrival) });
  });
  const failAt = (place: ErrnoPlace) => (error: Error) => {
    const elapsedNs = deadline.elapsedNs();
    const late = deadline.lateness(elapsedNs);
    first.resolve({ kind: "error", code: codeOf(error), place, elapsedNs, source: "monotonic", late });
  };
  socket.on("error", failAt("datagram-answer"));
  // Node hands the datagram to the kernel within this call, so the deadline and the packet start together.
  socket.send(payload, (error) => {
    if (error !== null) failAt("datagram-send")(error);
  });
  const end = await deadline.race(first.promise);
  deadline.cancel();
  return { end, strays };
}
