/** What is known of a connection, and why one is ended. */
import type { Socket } from "node:net";
import type { Server as RpcServer } from "@grpc/grpc-js";
import type { ClientCertificate } from "./client-certificate.ts";

/** What a call knows of the connection it came by. */
export interface Connection {
  readonly certificate: ClientCertificate | undefined;
  /** Says that the caller has proven who it is in another way than by certificate, and as whom. */
  authenticate(name: string): void;
  /** A call has begun on it. Ends a connection that has proven nothing with {@link UNAUTHENTICATED_CALLS_MAX} of them. */
  countCall(): void;
}

/** Why a connection was ended before a call. */
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

/** Connections at a moment. */
export interface ConnectionCounts {
  readonly all: number;
  /** Their handshake has not begun. */
  readonly waiting: number;
  /** Their handshake has begun, and they have proven nothing. */
  readonly unauthenticated: number;
}

/** The peer of a connection, as grpc-js names that of a call. */
export function peerOf({ remoteAddress, remotePort }: Pick<Socket, "remoteAddress" | "remotePort">): string {
  return `${remoteAddress}:${remotePort}`;
}

/** By server, and by the peer's address and port as grpc-js names it. */
export const connectionsOf = new WeakMap<RpcServer, Map<string, Connection>>();

/** The connection of a call; undefined on a listener without TLS. */
export function connectionOf(server: RpcServer, peer: string): Connection | undefined {
  return connectionsOf.get(server)?.get(peer);
}
