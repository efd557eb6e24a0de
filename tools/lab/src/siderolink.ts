/**
 * Stand-in for Omni's SideroLink port: a STAMP reflector (RFC 8762) that shares the port, as it may beside a real Omni.
 *
 * It has no WireGuard. A real WireGuard is silent to unknown peers, so a probe has nothing to learn from it.
 */
import { type Clock, endpointName } from "@lifeline/measure";
import { startReflector } from "@lifeline/reflector";
import type { Logger } from "pino";
import { createFaultSwitch } from "./fault-switch.ts";
import { LabError, reasonText } from "./lab-error.ts";
import { startDropping, stopDropping } from "./packet-drop.ts";
import type { Listener } from "./tcp-gate.ts";
import { udpSocketFd } from "./udp-socket.ts";

/** Opens the reflector. `port` 0 lets the kernel choose. Throws `listen-failed`. */
export async function openSiderolink(options: {
  readonly host: string;
  readonly port: number;
  readonly clock: Clock;
  readonly log: Logger;
}): Promise<Listener> {
  const { host } = options;
  let reflector = await start(options);
  const { port } = reflector.address;
  let listening = true;

  const stop = async () => {
    if (!listening) return;
    listening = false;
    await reflector.close();
  };
  const faults = createFaultSwitch({
    // Datagrams make no connections.
    disconnect: () => undefined,
    async inject(fault) {
      if (fault === "refuse") return stop();
      const dropping = await startDropping(await udpSocketFd(port));
      if (dropping === "not-permitted") {
        throw new LabError(
          "fault-unavailable",
          `${fault}: this kernel lets no unprivileged process filter a UDP socket`,
        );
      }
    },
    async lift(fault) {
      if (fault !== "refuse") return stopDropping(await udpSocketFd(port));
      reflector = await start({ ...options, port });
      listening = true;
    },
  });
  const close = async () => {
    await faults.end();
    await stop();
  };
  return { host, port, faults, close };
}

async function start(options: Parameters<typeof openSiderolink>[0]) {
  try {
    return await startReflector(options);
  } catch (error) {
    // The system's own errors carry a code; anything else is broken code.
    if (!(error instanceof Error && "code" in error)) throw error;
    const endpoint = endpointName(options.host, options.port);
    throw new LabError("listen-failed", `${endpoint}/udp: ${reasonText(error)}`, { cause: error });
  }
}
