/**
 * One datagram to one address and what comes back, on a connected UDP socket: the kernel then hands over only what that
 * address sent, and the ICMP errors it calls fatal.
 *
 * 1. A fresh socket for each attempt: its port tells the answer of this attempt from those of others.
 * 2. Arrival is the kernel's stamp where it can be read, so neither the round trip nor the threshold feels this process (M3).
 * 3. An ICMP error's arrival is when this process was told. The kernel stamps errors only in a socket's error queue (IP_RECVERR, ip(7)),
 *    and libuv 1.52 must not find one there: it negates the errno as an unsigned number (unix/udp.c, uv__udp_recvmsg_errqueue),
 *    and Node ends the process for so large a datagram.
 * 4. Whatever ends the exchange, the socket is closed.
 */
import type { Socket } from "node:dgram";
import type { Clock, IpFamily, RttSource } from "@lifeline/measure";
import { type ArrivalTime, arrivalTime, connectedSocket } from "./connected-socket.ts";
import { type Expired, startDeadline } from "./deadline.ts";
import { codeOf, type ErrnoPlace } from "./errno.ts";
import type { KernelClock } from "./kernel.ts";
import { datagramFd } from "./socket-fd.ts";

/** The two clocks that time an exchange. */
export interface DatagramClocks {
  readonly clock: Clock;
  /** Undefined where the kernel's stamps cannot be read: arrivals are then timed by `clock`. */
  readonly kernel: KernelClock | undefined;
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

/** What the caller makes of an arrival: it ends the wait with a value, or it was not ours. */
export type Reading<T> = { readonly kind: "ours"; readonly value: T } | { readonly kind: "stray" };

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
      /** Set when it came, as far as is known, after the threshold. */
      readonly late: "late" | "stalled" | undefined;
    }
  | Expired;

/** How an exchange ended, and how many datagrams were not ours meanwhile. */
export interface DatagramExchange<T> {
  readonly end: DatagramEnd<T>;
  readonly strays: number;
  /** The address of this host that it was sent from; undefined when the socket could not be connected. */
  readonly localAddress: string | undefined;
}

/** Sends `payload` once and waits until `read` accepts a datagram, an error comes, or the time is up. */
export async function exchangeDatagram<T>(
  clocks: DatagramClocks,
  target: DatagramTarget,
  payload: Uint8Array,
  read: (arrival: Arrival) => Reading<T>,
): Promise<DatagramExchange<T>> {
  const socket = await connectedSocket(target.family, target.address, target.port);
  if (typeof socket === "string") return { end: neverSent(socket), strays: 0, localAddress: undefined };
  try {
    const localAddress = socket.address().address;
    return { ...(await sendAndWait(clocks, socket, target, payload, read)), localAddress };
  } finally {
    socket.close();
  }
}

/** The end of an exchange whose socket could not be connected, by the code of what hindered it. */
export function neverSent(code: string): Extract<DatagramEnd<never>, { kind: "error" }> {
  return { kind: "error", code, place: "datagram-send", elapsedNs: 0, source: "monotonic", late: undefined };
}

async function sendAndWait<T>(
  clocks: DatagramClocks,
  socket: Socket,
  { timeoutMs }: DatagramTarget,
  payload: Uint8Array,
  read: (arrival: Arrival) => Reading<T>,
): Promise<Omit<DatagramExchange<T>, "localAddress">> {
  const fd = datagramFd(socket);
  if (fd !== undefined) clocks.kernel?.stampArrivals(fd);
  let strays = 0;
  const first = Promise.withResolvers<DatagramEnd<T>>();
  const deadline = startDeadline(clocks.clock, timeoutMs);
  socket.on("message", (bytes) => {
    const ageNs = fd === undefined ? undefined : clocks.kernel?.sinceArrivalNs(fd);
    const arrival = { bytes, ...arrivalTime(ageNs, deadline.elapsedNs()) };
    const reading = read(arrival);
    if (reading.kind === "stray") strays += 1;
    else first.resolve({ kind: "answered", value: reading.value, arrival, late: deadline.lateness(arrival.elapsedNs) });
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
