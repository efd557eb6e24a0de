/** What targets inside the tunnel are like. */
import type { Target } from "@lifeline/measure";
import type { Entry } from "../entry.ts";

/** Payload of a datagram to a closed port in the tunnel, bytes; undefined for other targets. */
export function payloadBytesOf({ options }: Target): number | undefined {
  return options.probe === "udp" && options.expectRefusal ? options.payloadBytes : undefined;
}

/** Whether the deciding attempts were lost, whatever else the tunnel received meanwhile. */
export function isLost({ own: { reason } }: Pick<Entry, "own">): boolean {
  return reason === "timeout" || reason === "tunnel-one-way";
}
