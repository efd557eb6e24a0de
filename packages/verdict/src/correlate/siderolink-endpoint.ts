/** The advertised SideroLink endpoints, and which of them the tunnel uses. */
import { endpointName } from "@lifeline/measure";
import { type Entry, isAt } from "../entry.ts";

/** The UDP entries of the advertised endpoints, except those that do not apply. */
export function endpointsOf(entries: readonly Entry[]): readonly Entry[] {
  return entries.filter(
    (entry) => isAt(entry, "siderolink") && entry.target.options.probe === "udp" && entry.verdict !== "not-applicable",
  );
}

/** Whether the entry's endpoint is the observed host:port, by its name or by its resolved address. */
export function isObserved({ target, own }: Entry, observed: string): boolean {
  const address = own.lookback.last?.evidence.address;
  const names = [target.host, ...(address === undefined ? [] : [address])];
  return names.some((host) => endpointName(host, target.port) === observed);
}
