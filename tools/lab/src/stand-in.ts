/**
 * The stand-in Omni: the three listeners of the real one, speaking the real protocols, with faults to inject.
 *
 * 1. It never claims to be Omni: pages, certificates and state all carry the word `lab`.
 * 2. It never dials out, and resolves no names.
 * 3. A fault acts on the public socket, never on the data sent through it.
 */
import type { Clock } from "@lifeline/measure";
import type { Logger } from "pino";
import { createApiEndpoint, LAB_LABEL } from "./api-endpoint.ts";
import { controlOf, openControl } from "./control.ts";
import { LabError } from "./lab-error.ts";
import { LISTENER_NAMES, type ListenerName } from "./listener-fault.ts";
import { createMachineApi } from "./machine-api.ts";
import { openSiderolink } from "./siderolink.ts";
import { createStandInCertificate, type StandInCertificate } from "./stand-in-certificate.ts";
import type { Endpoint, StandIn, StandInState } from "./stand-in-state.ts";
import { removeStateFile, writeStateFile } from "./state-file.ts";
import { type Listener, openTcpGate } from "./tcp-gate.ts";

/** Options of {@link startStandIn}. */
export interface StandInOptions {
  /** Names the certificate is valid for beside 127.0.0.1, ::1 and localhost; at most 16. */
  readonly names?: readonly string[];
  /** Unix socket of the control endpoint, at most 107 bytes; default none. */
  readonly controlPath?: string | undefined;
  /**
   * File that holds the {@link StandInState} while the stand-in runs, rewritten at every change of fault; default none.
   */
  readonly stateFile?: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

const NAMES_MAX = 16;
/** Where the stand-in listens, at ports of the kernel's choice. */
const HOST = "127.0.0.1";

const PROTOCOLS = { api: "https", "machine-api": "grpcs", siderolink: "stamp" } as const;

/**
 * Starts all three listeners. Throws {@link LabError} `bad-input` or `listen-failed`; then nothing is left listening.
 */
export async function startStandIn(options: StandInOptions): Promise<StandIn> {
  const { names = [], clock } = options;
  if (names.length > NAMES_MAX) {
    throw new LabError("bad-input", `names: ${names.length} names; expected at most ${NAMES_MAX}`);
  }
  const certificate = await createStandInCertificate(clock, names);
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    await Promise.all(closers.map((closer) => closer()));
  };
  try {
    const listeners = await openListeners(options, certificate, closers);
    const standIn = assemble(listeners, certificate.caPem, options, close);
    await publish(standIn, options, closers);
    return standIn;
  } catch (error) {
    await close();
    throw error;
  }
}

type Listeners = Record<ListenerName, Listener>;
type Closers = (() => Promise<void>)[];

async function openListeners(
  { clock, log }: StandInOptions,
  certificate: StandInCertificate,
  closers: Closers,
): Promise<Listeners> {
  const open = async (opening: Promise<Listener>) => {
    const listener = await opening;
    closers.push(() => listener.close());
    return listener;
  };
  const machineApi = createMachineApi(certificate);
  closers.push(async () => machineApi.close());
  return {
    api: await open(openTcpGate({ host: HOST, port: 0, serve: createApiEndpoint(certificate) })),
    "machine-api": await open(openTcpGate({ host: HOST, port: 0, serve: machineApi.serve })),
    siderolink: await open(openSiderolink({ host: HOST, clock, log })),
  };
}

/** Lets others find the stand-in, once there is one to find. */
async function publish(standIn: StandIn, options: StandInOptions, closers: Closers): Promise<void> {
  const { controlPath, stateFile } = options;
  if (controlPath !== undefined) {
    const control = await openControl(controlPath, controlOf(standIn));
    closers.push(() => control.close());
  }
  if (stateFile !== undefined) {
    await writeStateFile(stateFile, standIn.state());
    closers.push(() => removeStateFile(stateFile));
  }
}

function assemble(
  listeners: Listeners,
  caPem: string,
  { log, stateFile }: Pick<StandInOptions, "log" | "stateFile">,
  closeAll: () => Promise<void>,
): StandIn {
  let closing: Promise<void> | undefined;
  const endpoint = ({ host, port }: Listener): Endpoint => ({ host, port });
  const state = (): StandInState => ({
    label: LAB_LABEL,
    pid: process.pid,
    listeners: LISTENER_NAMES.map((name) => ({
      name,
      protocol: PROTOCOLS[name],
      ...endpoint(listeners[name]),
      fault: listeners[name].faults.fault,
    })),
    caPem,
  });
  return {
    api: endpoint(listeners.api),
    machineApi: endpoint(listeners["machine-api"]),
    siderolink: endpoint(listeners.siderolink),
    caPem,
    state,
    async fault(scope, fault) {
      const names = scope === "all" ? LISTENER_NAMES : [scope];
      const turns = await Promise.allSettled(names.map((name) => listeners[name].faults.turn(fault)));
      if (stateFile !== undefined && closing === undefined) await writeStateFile(stateFile, state());
      const failed = turns.find((turn) => turn.status === "rejected");
      if (failed !== undefined) throw failed.reason;
      log.info({ listener: scope, fault }, "fault changed");
    },
    close() {
      closing ??= closeAll();
      return closing;
    },
  };
}
