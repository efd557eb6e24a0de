/**
 * Stand-in for Omni's SideroLink port: a STAMP reflector (RFC 8762) that shares the port, as it may beside a real Omni.
 *
 * It has no WireGuard. A real WireGuard is silent to unknown peers, so a probe has nothing to learn from it.
 */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { type Clock, endpointName } from "@lifeline/measure";
import { startReflector } from "@lifeline/reflector";
import type { Logger } from "pino";
import { createFaultSwitch } from "./fault-switch.ts";
import { LabError, reasonText } from "./lab-error.ts";
import type { Listener } from "./tcp-gate.ts";

/** Opens the reflector on `host`, an IPv4 address and a port of the kernel's choice. Throws `listen-failed`. */
export async function openSiderolink(options: {
  readonly host: string;
  readonly clock: Clock;
  readonly log: Logger;
}): Promise<Listener> {
  const { host } = options;
  const reflector = await start({ ...options, port: 0 });
  const { port } = reflector.address;
  let holder: Holder | undefined = reflector;

  const stop = async () => {
    await holder?.close();
    holder = undefined;
  };
  const faults = createFaultSwitch({
    // Datagrams make no connections.
    disconnect: () => undefined,
    async inject(fault) {
      await stop();
      if (fault !== "refuse") holder = await openSilent(host, port);
    },
    async lift() {
      await stop();
      holder = await start({ ...options, port });
    },
  });
  const close = async () => {
    await faults.end();
    await stop();
  };
  return { host, port, faults, close };
}

/** What holds the port. */
interface Holder {
  close(): Promise<unknown>;
}

/** A socket that takes every datagram and answers none. */
async function openSilent(host: string, port: number): Promise<Holder> {
  const socket: Socket = createSocket("udp4").bind(port, host);
  socket.on("message", () => undefined);
  await once(socket, "listening");
  return {
    async close() {
      const closed = once(socket, "close");
      socket.close();
      await closed;
    },
  };
}

async function start(options: Parameters<typeof openSiderolink>[0] & { readonly port: number }) {
  try {
    return await startReflector(options);
  } catch (error) {
    // The system's own errors carry a code; anything else is broken code.
    if (!(error instanceof Error && "code" in error)) throw error;
    const endpoint = endpointName(options.host, options.port);
    throw new LabError("listen-failed", `${endpoint}/udp: ${reasonText(error)}`, { cause: error });
  }
}
