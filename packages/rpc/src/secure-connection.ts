/** A connection as calls see it, and why connections are closed. */
import type { Socket } from "node:net";
import type { Server as RpcServer } from "@grpc/grpc-js";
import type { ClientCertificate } from "./client-certificate.ts";

/** The connection of a call. */
export interface Connection {
  readonly certificate: ClientCertificate | undefined;
  /** The caller has authenticated under this name by other means than its certificate. */
  authenticate(name: string): void;
  /**
   * A call has begun. Closes an unauthenticated connection that has made more than {@link UNAUTHENTICATED_CALLS_MAX}.
   */
  countCall(): void;
}

/** Why a connection was closed. */
export type RefusedConnection =
  | "handshake"
  | "handshake-too-large"
  | "too-many"
  | "too-many-waiting"
  | "too-many-unauthenticated"
  | "too-many-of-name"
  | "too-many-bytes"
  | "too-many-calls"
  | "unauthenticated-too-long"
  | "same-peer";

/** Numbers of connections. */
export interface ConnectionCounts {
  readonly all: number;
  /** Their handshake has not begun. */
  readonly waiting: number;
  /** Their handshake has begun, and they are not authenticated. */
  readonly unauthenticated: number;
}

/** The peer of a connection, in the form in which grpc-js names the peer of a call. */
export function peerOf({ remoteAddress, remotePort }: Pick<Socket, "remoteAddress" | "remotePort">): string {
  return `${remoteAddress}:${remotePort}`;
}

/** By server, and by the peer's address and port as grpc-js names it. */
export const connectionsOf = new WeakMap<RpcServer, Map<string, Connection>>();

/** The connection of a call; undefined on a listener without TLS. */
export function connectionOf(server: RpcServer, peer: string): Connection | undefined {
  return connectionsOf.get(server)?.get(peer);
}
