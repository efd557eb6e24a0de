/**
 * A public TCP listener whose faults are real: the socket itself is closed, filtered or left unanswered.
 *
 * It hands each accepted connection, untouched, to the server behind it, so TLS stays end to end.
 */
import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";
import { endpointName } from "@lifeline/measure";
import { createFaultSwitch, type FaultSwitch } from "./fault-switch.ts";
import { type FullListener, openFullListener } from "./full-listener.ts";
import { LabError, reasonText } from "./lab-error.ts";
import type { Fault } from "./listener-fault.ts";

/** A listener of the stand-in. */
export interface Listener {
  readonly host: string;
  readonly port: number;
  readonly faults: FaultSwitch;
  /** Stops listening and destroys open connections. Idempotent; never throws. */
  close(): Promise<void>;
}

/** A TCP {@link Listener}, with its count of rejected connections. */
export interface TcpGate extends Listener {
  /** Connections closed at once because {@link CONNECTIONS_MAX} were open. */
  readonly overflowed: number;
}

/** Connections one listener holds at once, stalled ones included; those beyond are closed and counted. */
export const CONNECTIONS_MAX = 4_096;

/**
 * Pending accepts; Node's default of 511 costs SYN retransmissions when a fleet reconnects. The kernel caps it at
 * net.core.somaxconn.
 */
const BACKLOG = 4_096;

/** Opens the gate. `port` 0 lets the kernel choose. Throws `listen-failed`. */
export async function openTcpGate(options: {
  readonly host: string;
  readonly port: number;
  /** Takes over one accepted connection. */
  readonly serve: (connection: Socket) => void;
}): Promise<TcpGate> {
  const connections = new Set<Socket>();
  let arriving: Fault = "none";
  let overflowed = 0;
  /** Holds the port while packets to it vanish. */
  let full: FullListener | undefined;

  const accept = (connection: Socket) => {
    connections.add(connection);
    connection.once("close", () => connections.delete(connection));
    // A peer that resets is the peer's business; without a listener it would end the process.
    connection.on("error", () => undefined);
    admit(connection, arriving, options.serve);
  };
  const server = createServer({ noDelay: true }, accept);
  server.maxConnections = CONNECTIONS_MAX;
  server.on("drop", () => (overflowed += 1));
  const port = await listen(server, options.host, options.port);

  const disconnect = () => {
    for (const connection of connections) connection.destroy();
  };
  const faults = createFaultSwitch({
    disconnect(next) {
      arriving = next;
      disconnect();
    },
    async inject(fault) {
      if (fault === "refuse") await stopListening(server);
      if (fault === "drop") full = await drop(server, options.host, port);
    },
    async lift(fault) {
      full?.close();
      if (fault !== "stall") await listen(server, options.host, port);
      full = undefined;
    },
  });

  return {
    host: options.host,
    port,
    faults,
    get overflowed() {
      return overflowed;
    },
    async close() {
      await faults.end();
      arriving = "refuse";
      disconnect();
      full?.close();
      await stopListening(server);
    },
  };
}

/** Drops packets to the port silently, by a listener that accepts no connection. */
async function drop(server: Server, host: string, port: number): Promise<FullListener> {
  await stopListening(server);
  try {
    return await openFullListener(host, port);
  } catch (error) {
    await listen(server, host, port);
    throw error;
  }
}

function admit(connection: Socket, fault: Fault, serve: (connection: Socket) => void): void {
  switch (fault) {
    case "none":
      serve(connection);
      return;
    case "stall":
      // Discard the peer's bytes: the kernel acknowledges them, and the stand-in never answers.
      connection.resume();
      return;
    case "refuse":
    case "drop":
      // Accepted by the kernel just before the fault took hold.
      connection.destroy();
      return;
  }
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) =>
      reject(new LabError("listen-failed", `${endpointName(host, port)}/tcp: ${reasonText(error)}`, { cause: error }));
    server.once("error", fail);
    server.listen({ host, port, backlog: BACKLOG, exclusive: true }, () => {
      server.off("error", fail);
      const address = server.address();
      assert(address !== null && typeof address === "object", "a TCP listener has an address and a port");
      resolve(address.port);
    });
  });
}

/** Resolves once the port is closed and every connection is gone; at once when it was not listening. */
function stopListening(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}
