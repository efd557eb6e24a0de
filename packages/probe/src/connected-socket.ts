/** Connected UDP sockets: the kernel hands over only what the one address sent, and the ICMP errors it calls fatal (udp(7)). */
import { createSocket, type Socket } from "node:dgram";
import type { IpFamily, RttSource } from "@lifeline/measure";
import { codeOf } from "./errno.ts";

/**
 * Connects a socket to `address`; gives the code of what hindered it, and nothing is then left open. Its own port is never `port`: a
 * reflector takes what comes from there for another reflector's, and does not answer.
 */
export async function connectedSocket(family: IpFamily, address: string, port: number): Promise<Socket | string> {
  const first = await connectedOnce(family, address, port);
  if (typeof first === "string" || first.address().port !== port) return first;
  // Closed only afterwards, so that the kernel cannot give the port again.
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

/** A time since sending, and whose it is. */
export interface ArrivalTime {
  /** ns */
  readonly elapsedNs: number;
  readonly source: RttSource;
}

/**
 * When something arrived: by the kernel's stamp, `ageNs` ago, when it is one that can be true, else when this process looked,
 * `elapsedNs` after sending. The age is read first: what passes between the two readings is then never taken off the round trip.
 */
export function arrivalTime(ageNs: number | undefined, elapsedNs: number): ArrivalTime {
  const isTrue = ageNs !== undefined && ageNs < elapsedNs;
  return isTrue ? { elapsedNs: elapsedNs - ageNs, source: "kernel" } : { elapsedNs, source: "monotonic" };
}
