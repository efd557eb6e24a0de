/** Which of the advertised SideroLink endpoints does the tunnel use? */
import { endpointName } from "@lifeline/measure";
import { type Entry, isAt } from "../entry.ts";

/** The entries of the advertised UDP endpoints that apply. */
export function endpointsOf(entries: readonly Entry[]): readonly Entry[] {
  return entries.filter(
    (entry) => isAt(entry, "siderolink") && entry.target.options.probe === "udp" && entry.verdict !== "not-applicable",
  );
}

/** Whether the entry's endpoint is the observed host:port, by its name or by the address it resolved to. */
export function isObserved({ target, own }: Entry, observed: string): boolean {
  const address = own.lookback.last?.evidence.address;
  const names = [target.host, ...(address === undefined ? [] : [address])];
  return names.some((host) => endpointName(host, target.port) === observed);
}
