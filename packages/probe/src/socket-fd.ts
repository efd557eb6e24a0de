/** The file descriptor under a Node socket, which Node keeps to itself: undefined when this Node hides it. */
import type { Socket as DatagramSocket } from "node:dgram";
import type { Socket as StreamSocket } from "node:net";

/** The descriptor of a TCP socket. Node keeps it at `_handle.fd` (lib/net.js). */
export function streamFd(socket: StreamSocket): number | undefined {
  return fdOf(Reflect.get(socket, "_handle"));
}

/** The descriptor of a UDP socket. Node keeps it under a symbol (lib/internal/dgram.js, kStateSymbol), and Node 26 no more. */
export function datagramFd(socket: DatagramSocket): number | undefined {
  const key = Object.getOwnPropertySymbols(socket).find((symbol) => symbol.description === "state symbol");
  const state: unknown = key === undefined ? undefined : Reflect.get(socket, key);
  return typeof state === "object" && state !== null ? fdOf(Reflect.get(state, "handle")) : undefined;
}

function fdOf(handle: unknown): number | undefined {
  if (typeof handle !== "object" || handle === null) return undefined;
  const fd: unknown = Reflect.get(handle, "fd");
  return typeof fd === "number" && fd >= 0 ? fd : undefined;
}
