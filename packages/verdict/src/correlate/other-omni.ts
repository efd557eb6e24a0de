/** A node that was given another Omni than the deployment's. */
import { type Entry, isAnswering, isAt, isFailing } from "../entry.ts";
import type { CorrelationContext } from "./correlation-context.ts";

/**
 * Names both Omnis where the node's siderolink.api is not the deployment's Machine API. Two names of one Omni are no
 * fault: the evidence shows that they lead to one server.
 */
export function withOtherOmni(entry: Entry, entries: readonly Entry[], { site }: CorrelationContext): Entry {
  const other = site?.otherOmni;
  if (other === undefined) return entry;
  const { given, named } = other;
  if (isAt(entry, "machine-api") && !entry.comparison) {
    const fact = `This node was given the Machine API ${given} (siderolink.api); the deployment names ${named}.`;
    const evidence = `${entry.evidence} ${fact}`;
    if (isOneOmni(entries, given, named)) return { ...entry, evidence: `${evidence} Both lead to one server.` };
    if (!isFailing(entry) && !isAnswering(entry)) return { ...entry, evidence };
    const nextStep = `Node owner: the node was given another Omni, ${given}: boot it with ${named} as siderolink.api; deployment owner: or, if ${given} is the right one, name it as omni.machineApi.`;
    return {
      ...entry,
      verdict: isFailing(entry) ? entry.verdict : "degraded",
      cause: "other-omni",
      evidence,
      nextStep,
    };
  }
  if (!isAt(entry, "siderolink") || entry.verdict !== "met") return entry;
  const root = entries.find((one) => isAt(one, "machine-api") && one.cause === "other-omni");
  if (root === undefined) return entry;
  const evidence = `${entry.evidence} The tunnel is that of another Omni, ${given}, and proves nothing about the endpoint of ${named}.`;
  return {
    ...entry,
    verdict: "unknown",
    cause: "other-omni",
    evidence,
    nextStep: root.nextStep,
    followsFrom: root.target.id,
  };
}

/**
 * Whether both lead to one server: the node's Machine API shows a certificate of the deployment's private CA, or has
 * the port that the deployment names and the address of the deployment's API.
 */
function isOneOmni(entries: readonly Entry[], given: string, named: string): boolean {
  const machine = entries.filter((one) => isAt(one, "machine-api") && isAnswering(one));
  if (machine.some(({ target }) => "trust" in target.options && target.options.trust?.kind === "private")) return true;
  const portOf = (endpoint: string) => endpoint.slice(endpoint.lastIndexOf(":"));
  if (portOf(given) !== portOf(named)) return false;
  const addresses = new Set(entries.filter((one) => isAt(one, "api")).flatMap(addressOf));
  return machine.flatMap(addressOf).some((address) => addresses.has(address));
}

function addressOf({ own, target }: Entry): readonly string[] {
  const address = own.seen?.evidence.address;
  return address === undefined || target.proxy !== undefined ? [] : [address];
}
