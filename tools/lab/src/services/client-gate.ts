/** A TCP listener that knows its clients by address, so that the connections of one can be ended. */
import type { Socket } from "node:net";
import { openTcpGate } from "../tcp-gate.ts";
import { clientOf } from "./mode-table.ts";
import { EVERY_CLIENT } from "./modes.ts";

/** Where a service listens. */
export interface ServiceEndpoint {
  /** IP literal. */
  readonly host: string;
  /** 0–65535; 0 lets the kernel choose. */
  readonly port: number;
}

/** An open listener. */
export interface ClientGate extends ServiceEndpoint {
  /** Destroys the connections of `client`, or all. */
  disconnect(client: string): void;
  /** Closes the listening socket, so that the kernel refuses, or opens it again on the same port. */
  setDown(isDown: boolean): Promise<void>;
  /** Connections closed at once because too many were open (S2). */
  readonly overflowed: number;
  close(): Promise<void>;
}

/** Opens the listener; `serve` takes over each connection. Throws `listen-failed`. */
export async function openClientGate(
  endpoint: ServiceEndpoint,
  serve: (connection: Socket, client: string) => void,
): Promise<ClientGate> {
  const connections = new Map<Socket, string>();
  const gate = await openTcpGate({
    ...endpoint,
    serve(connection) {
      const client = clientOf(connection.remoteAddress);
      connections.set(connection, client);
      connection.once("close", () => connections.delete(connection));
      serve(connection, client);
    },
  });
  return {
    host: gate.host,
    port: gate.port,
    disconnect(client) {
      for (const [connection, from] of connections) {
        if (client === EVERY_CLIENT || client === from) connection.destroy();
      }
    },
    setDown: (isDown) => gate.faults.turn(isDown ? "refuse" : "none"),
    get overflowed() {
      return gate.overflowed;
    },
    close: () => gate.close(),
  };
}
