/**
 * The file descriptor of a Node socket, from internals of Node; undefined when this version of Node does not have them.
 */
import type { Socket as DatagramSocket } from "node:dgram";
import type { Socket as StreamSocket } from "node:net";

/** The descriptor of a TCP socket. Node keeps it at `_handle.fd` (lib/net.js). */
export function streamFd(socket: StreamSocket): number | undefined {
  return fdOf(Reflect.get(socket, "_handle"));
}

/**
 * The descriptor of a UDP socket. Node keeps it under a symbol (lib/internal/dgram.js, kStateSymbol), and Node 26 does
 * not.
 */
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
