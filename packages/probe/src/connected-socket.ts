/**
 * Connected UDP sockets: the kernel delivers only what the one address sent, and the ICMP errors that it calls fatal
 * (udp(7)).
 */
import { createSocket, type Socket } from "node:dgram";
import type { IpFamily, RttSource } from "@lifeline/measure";
import { codeOf } from "./errno.ts";

/**
 * Connects a socket to `address`, or gives the code of what prevented it and leaves nothing open. Its own port is never
 * `port`: a reflector does not answer what comes from the number of its own port, because that may be another
 * reflector.
 */
export async function connectedSocket(family: IpFamily, address: string, port: number): Promise<Socket | string> {
  const first = await connectedOnce(family, address, port);
  if (typeof first === "string" || first.address().port !== port) return first;
  // Closed after the second is bound, so that the kernel cannot give the same port again.
  const second = await connectedOnce(family, address, port);
  first.close();
  return second;
}

function connectedOnce(family: IpFamily, address: string, port: number): Promise<Socket | string> {
  const socket = createSocket(family === 4 ? { type: "udp4" } : { type: "udp6", ipv6Only: true });
  return new Promise((resolve) => {
    const fail = (error: Error) => {
      socket.close();
      resolve(codeOf(error));
    };
    socket.once("error", fail);
    socket.connect(port, address, (error?: Error) => {
      socket.off("error", fail);
      if (error === undefined) resolve(socket);
      else fail(error);
    });
  });
}

/** A time since sending, and the clock that it is from. */
export interface ArrivalTime {
  /** ns */
  readonly elapsedNs: number;
  readonly source: RttSource;
}

/**
 * When something arrived: `ageNs` ago by the kernel's stamp, if that is after sending, else `elapsedNs` after sending,
 * when this process read it. The caller reads the age first, so that the time between its two readings is not taken off
 * the round trip.
 */
export function arrivalTime(ageNs: number | undefined, elapsedNs: number): ArrivalTime {
  const isPlausible = ageNs !== undefined && ageNs < elapsedNs;
  return isPlausible ? { elapsedNs: elapsedNs - ageNs, source: "kernel" } : { elapsedNs, source: "monotonic" };
}
