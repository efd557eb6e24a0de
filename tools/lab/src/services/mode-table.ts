/** The mode for each client, service and name. A client's own entry precedes the entry for every client. */
import { LabError } from "../lab-error.ts";
import { EVERY_CLIENT, type ModeRequest, QUIET_MODES, type ServiceMode, type ServiceName } from "./modes.ts";

/** Entries kept: a lab has a handful of clients and six services. */
const ENTRIES_MAX = 1_024;

/** The modes in force. */
export interface ModeTable {
  /** What holds for `client` at `service`, about `name` where one is known by then. */
  modeOf<Service extends ServiceName>(service: Service, client: string, name?: string): ServiceMode<Service>;
  /** The same, when it does not depend on a name; undefined when it does. */
  modeForAnyName<Service extends ServiceName>(service: Service, client: string): ServiceMode<Service> | undefined;
  /** Puts a mode in force. Throws `busy` when {@link ENTRIES_MAX} entries are held. */
  set(request: ModeRequest): void;
  /** Removes every entry. */
  clear(): void;
  /** Every mode in force that differs from the quiet modes. */
  entries(): readonly ModeRequest[];
}

/** An address as the table knows it: IPv4 is IPv4, also when it arrives at an IPv6 socket (RFC 4291 §2.5.5.2). */
export function clientOf(remoteAddress: string | undefined): string {
  return (remoteAddress ?? "").replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "");
}

/** Names are compared without case and final dot (RFC 4343). */
export function sameName(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

/** Creates the table, all quiet. */
export function createModeTable(): ModeTable {
  const entries = new Map<string, ModeRequest>();
  const keyOf = (service: ServiceName, client: string) => `${service} ${client}`;
  const find = (service: ServiceName, client: string) =>
    entries.get(keyOf(service, client)) ?? entries.get(keyOf(service, EVERY_CLIENT));

  return {
    modeOf(service, client, name) {
      const entry = find(service, client);
      const isMeant = entry !== undefined && (entry.names === undefined || isAmong(name, entry.names));
      return (isMeant ? entry.mode : QUIET_MODES[service]) as ServiceMode<typeof service>;
    },
    modeForAnyName(service, client) {
      const entry = find(service, client);
      if (entry?.names !== undefined) return undefined;
      return (entry?.mode ?? QUIET_MODES[service]) as ServiceMode<typeof service>;
    },
    set(request) {
      const key = keyOf(request.service, request.client);
      if (!entries.has(key) && entries.size >= ENTRIES_MAX) {
        throw new LabError("busy", `${entries.size} modes are in force; expected fewer than ${ENTRIES_MAX}`);
      }
      // A client may be set quiet while everyone else is not, so a quiet entry is kept too.
      entries.set(key, request);
    },
    clear: () => entries.clear(),
    entries: () => [...entries.values()],
  };
}

function isAmong(name: string | undefined, names: readonly string[]): boolean {
  return name !== undefined && names.some((one) => sameName(one) === sameName(name));
}
