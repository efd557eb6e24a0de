/** The path through the proxy, compared with the direct path. */
import { endpointName, proxyName } from "@lifeline/measure";
import { type Entry, isAnswering, isFailing } from "../entry.ts";

/** Blames the proxy where the direct path to the same endpoint works. */
export function withProxyPath(entry: Entry, entries: readonly Entry[]): Entry {
  const { proxy } = entry.target;
  if (proxy === undefined) return entry;
  const direct = entries.filter((other) => isDirectOf(other, entry));
  const name = proxyName(proxy);
  if (isFailing(entry) && direct.some(isAnswering)) {
    const evidence = `${entry.evidence} The same endpoint answers without the proxy ${name}: the proxy is at fault.`;
    const where = endpointName(entry.target.host, entry.target.port);
    const nextStep = `Owner of the HTTP proxy ${name}: pass CONNECT to ${where} unchanged.`;
    return { ...entry, cause: "proxy", evidence, nextStep };
  }
  if (isAnswering(entry) && direct.length > 0 && direct.every(isFailing)) {
    return { ...entry, evidence: `${entry.evidence} Only the path through the proxy ${name} is open.` };
  }
  return entry;
}

function isDirectOf({ target: other }: Entry, { target }: Entry): boolean {
  return (
    other.proxy === undefined &&
    other.requirementId === target.requirementId &&
    other.host === target.host &&
    other.port === target.port &&
    other.options.probe === target.options.probe
  );
}
