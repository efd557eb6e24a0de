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
  /**
   * Puts a mode in force: in the place of those about the same names; without names, about all. Throws `busy` when
   * {@link ENTRIES_MAX} entries are held.
   */
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
  let entries: readonly ModeRequest[] = [];
  const entriesOf = (service: ServiceName, client: string) => {
    const own = entries.filter((entry) => entry.service === service);
    const named = own.filter((entry) => entry.client === client);
    return named.length > 0 ? named : own.filter((entry) => entry.client === EVERY_CLIENT);
  };

  return {
    modeOf(service, client, name) {
      const entry = entriesOf(service, client).find(({ names }) => names === undefined || isAmong(name, names));
      return (entry?.mode ?? QUIET_MODES[service]) as ServiceMode<typeof service>;
    },
    modeForAnyName(service, client) {
      const found = entriesOf(service, client);
      if (found.some(({ names }) => names !== undefined)) return undefined;
      return (found[0]?.mode ?? QUIET_MODES[service]) as ServiceMode<typeof service>;
    },
    set(request) {
      const { service, client, names } = request;
      const isReplaced = (entry: ModeRequest) =>
        entry.service === service && entry.client === client && overlaps(names, entry.names);
      const kept = entries.filter((entry) => !isReplaced(entry));
      if (kept.length >= ENTRIES_MAX) {
        throw new LabError("busy", `${kept.length} modes are in force; expected fewer than ${ENTRIES_MAX}`);
      }
      // A client may be set quiet while everyone else is not, so a quiet entry is kept too.
      entries = [...kept, request];
    },
    clear() {
      entries = [];
    },
    entries: () => entries,
  };
}

/** Whether two lists have a name in common; a missing list has them all. */
function overlaps(names: readonly string[] | undefined, others: readonly string[] | undefined): boolean {
  return names === undefined || others === undefined || others.some((name) => isAmong(name, names));
}

function isAmong(name: string | undefined, names: readonly string[]): boolean {
  return name !== undefined && names.some((one) => sameName(one) === sameName(name));
}
