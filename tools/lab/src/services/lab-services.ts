/**
 * The services of the lab's Omni host, in one process: DNS, Omni's API and the public hosts, the Machine API, a
 * TLS-ending middlebox and a CONNECT proxy. Each speaks the real protocol, and each client address can be treated
 * differently.
 *
 * 1. They say `lab` wherever a protocol has room for it.
 * 2. They resolve names in the lab's own zone, and dial nothing but the lab's own endpoints.
 * 3. A change of mode ends the connections of the clients it concerns, so that no session outlives it.
 */
import { writeFile } from "node:fs/promises";
import { join as joinPath } from "node:path";
import type { Clock } from "@lifeline/measure";
import type { Logger } from "pino";
import { LAB_LABEL } from "../api-endpoint.ts";
import { openControl } from "../control.ts";
import { LabError, reasonText } from "../lab-error.ts";
import { createLabCas, type LabCas } from "./lab-cas.ts";
import { type ListenerOptions, type OpenListener, openListeners, type ServiceListener } from "./listeners.ts";
import { createModeTable, type ModeTable } from "./mode-table.ts";
import { EVERY_CLIENT, type ModeRequest, readModeRequest, type ServiceMode, type ServiceName } from "./modes.ts";
import { createZone, type ZoneName } from "./zone.ts";

/** Options of {@link startServices}; a service without endpoints does not run. */
export interface ServicesOptions extends ListenerOptions {
  readonly clock: Clock;
  readonly log?: Logger;
  /** Names of the lab; at most 256. */
  readonly names: readonly ZoneName[];
  /** Unix socket of the control endpoint; default none. */
  readonly controlPath?: string;
  /** Existing folder that gets public-root.pem, interception-root.pem and private-root.pem; default none. */
  readonly caFolder?: string;
}

/** The state of the services; contains no secret. */
export interface ServicesState {
  readonly label: typeof LAB_LABEL;
  readonly pid: number;
  readonly listeners: readonly ServiceListener[];
  /** Every mode set since the start or the last {@link Services.quiet}. */
  readonly modes: readonly ModeRequest[];
  /** Connections closed at once because too many were open (S2). */
  readonly overflowed: number;
  readonly publicRootPem: string;
  readonly interceptionRootPem: string;
  readonly privateRootPem: string;
}

/** Running services. */
export interface Services {
  state(): ServicesState;
  /**
   * Puts a mode in force for `client` (IP literal, or `*`), about `names` alone where given. Resolves when it is, and
   * the client's open connections to the service are gone. Throws `bad-input`, `busy`, `listen-failed` or `closed`.
   */
  setMode<Service extends ServiceName>(
    client: string,
    service: Service,
    mode: ServiceMode<Service>,
    names?: readonly string[],
  ): Promise<void>;
  /** Ends every fault. */
  quiet(): Promise<void>;
  /** Closes everything. Idempotent. */
  close(): Promise<void>;
}

/** Which listener serves a service. */
const LISTENER_OF: Record<ServiceName, ServiceListener["name"]> = {
  dns: "dns",
  api: "web",
  public: "web",
  "machine-api": "machine-api",
  middlebox: "middlebox",
  proxy: "proxy",
};

/** Starts the services. Throws `bad-input` or `listen-failed`; then nothing is left listening. */
export async function startServices(options: ServicesOptions): Promise<Services> {
  const zone = createZone(options.names);
  const cas = await createLabCas(options.clock);
  const table = createModeTable();
  const closers: (() => Promise<void>)[] = [];
  const closeAll = async () => {
    await Promise.all(closers.map((close) => close()));
  };
  try {
    const listeners = await openListeners(options, { clock: options.clock, zone, cas, table }, closers);
    if (options.caFolder !== undefined) await writeRoots(options.caFolder, cas);
    const services = assemble(listeners, table, cas, options, closeAll);
    if (options.controlPath !== undefined) {
      const control = await openControl(options.controlPath, controlOf(services));
      closers.push(() => control.close());
    }
    return services;
  } catch (error) {
    await closeAll();
    throw error;
  }
}

function assemble(
  listeners: readonly OpenListener[],
  table: ModeTable,
  cas: LabCas,
  { log }: ServicesOptions,
  closeAll: () => Promise<void>,
): Services {
  let closing: Promise<void> | undefined;
  const { publicRootPem, interceptionRootPem, privateRootPem } = cas;

  const settle = async (service: ServiceName, client: string) => {
    for (const { name, gate } of listeners) {
      if (name !== LISTENER_OF[service]) continue;
      gate.disconnect(client);
      await gate.setDown?.(service === "proxy" && table.modeOf("proxy", EVERY_CLIENT) === "down");
    }
  };
  const requireOpen = () => {
    if (closing !== undefined) throw new LabError("closed", "mode: the services are closed; start others");
  };
  return {
    state: () => ({
      label: LAB_LABEL,
      pid: process.pid,
      listeners: listeners.map(({ name, gate: { host, port } }) => ({ name, host, port })),
      modes: table.entries(),
      overflowed: listeners.reduce((sum, { gate }) => sum + (gate.overflowed ?? 0), 0),
      publicRootPem,
      interceptionRootPem,
      privateRootPem,
    }),
    async setMode(client, service, mode, names) {
      requireOpen();
      const request = readModeRequest({ client, service, mode, ...(names === undefined ? {} : { names }) });
      table.set(request);
      await settle(service, client);
      log?.info({ client, service, mode, names }, "mode changed");
    },
    async quiet() {
      requireOpen();
      const before = table.entries();
      table.clear();
      for (const { service, client } of before) await settle(service, client);
      log?.info("all quiet");
    },
    close() {
      closing ??= closeAll();
      return closing;
    },
  };
}

function controlOf(services: Services) {
  return {
    state: () => services.state(),
    commands: {
      "/mode": {
        expected: '{"client": …, "service": …, "mode": …, "names": [… (optional)]}',
        run(request: unknown) {
          const { client, service, mode, names } = readModeRequest(request);
          return services.setMode(client, service, mode, names);
        },
      },
    },
  };
}

async function writeRoots(folder: string, cas: LabCas): Promise<void> {
  const roots = {
    "public-root.pem": cas.publicRootPem,
    "interception-root.pem": cas.interceptionRootPem,
    "private-root.pem": cas.privateRootPem,
  };
  for (const [name, text] of Object.entries(roots)) {
    await writeFile(joinPath(folder, name), text).catch((error: unknown) => {
      throw new LabError("bad-input", `ca-folder: cannot be written: ${reasonText(error)}`, { cause: error });
    });
  }
}
