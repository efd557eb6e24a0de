/** The flow that a path's fault is about: source and destination, as a firewall's owner needs them (J2). */
import { type Cause, endpointName, type Target } from "@lifeline/measure";
import type { Entry } from "./entry.ts";

/** Faults that somebody on the path between two addresses must fix. */
const PATH_CAUSES: ReadonlySet<Cause> = new Set<Cause>([
  "timeout",
  "loss",
  "latency",
  "refused",
  "wrong-endpoint",
  "unreachable",
  "filtered",
  "reset",
  "udp-blocked",
  "forward-path-blocked",
  "return-path-blocked",
  "path-mtu",
  "dead-address",
  "proxy",
]);

/**
 * The step with the flow it is about, such as `Flow: from 10.3.0.7 (node a1) to omni.example.com (203.0.113.7) TCP 443,
 * IPv4.` An address that no sample shows is left out. The step alone where the cause is no fault of a path, or where
 * neither end is known.
 */
export function withFlow(entry: Entry, nodeName: string | undefined): string {
  const { nextStep, cause, target } = entry;
  // No firewall between the node and Omni sees a flow inside the tunnel.
  const isSeen = target.inTunnel !== true && target.options.probe !== "link";
  if (nextStep === "" || !isSeen || !PATH_CAUSES.has(cause)) return nextStep;
  const source = sourceOf(entry, nodeName);
  if (source === "") return nextStep;
  const ends = cause === "return-path-blocked" ? [destinationOf(entry), source] : [source, destinationOf(entry)];
  return `${nextStep} Flow: from ${ends.join(" to ")}, IPv${target.family}.`;
}

/** Behind a proxy that works, the flow that fails begins at the proxy. */
function sourceOf(entry: Entry, nodeName: string | undefined): string {
  const { target, cause } = entry;
  if (target.proxy !== undefined && cause !== "proxy") {
    return `the proxy ${endpointName(target.proxy.host, target.proxy.port)}`;
  }
  const { seen, lookback } = entry.own;
  const address = seen?.evidence.localAddress ?? lookback.last?.evidence.localAddress;
  const name = nodeName === undefined ? "" : `node ${nodeName}`;
  if (address === undefined) return name;
  return name === "" ? address : `${address} (${name})`;
}

function destinationOf(entry: Entry): string {
  const { target, cause } = entry;
  if (target.proxy === undefined) return placeOf(entry, target.host, `${transportOf(target)} ${target.port}`);
  if (cause === "proxy") return placeOf(entry, target.proxy.host, `TCP ${target.proxy.port}`);
  // The proxy resolves the name, so no sample shows the address.
  return `${target.host} ${transportOf(target)} ${target.port}`;
}

function placeOf(entry: Entry, host: string, port: string): string {
  const address = sampleOf(entry)?.evidence.address;
  return address === undefined || address === host ? `${host} ${port}` : `${host} (${address}) ${port}`;
}

/** The sample that shows the fault, or the latest one. */
function sampleOf({ own }: Entry) {
  return own.seen ?? own.lookback.last;
}

function transportOf({ options }: Target): "UDP" | "TCP" {
  switch (options.probe) {
    case "udp":
    case "stamp":
    case "mtu":
    case "ntp":
      return "UDP";
    case "dns":
      return options.transport === "udp" ? "UDP" : "TCP";
    default:
      return "TCP";
  }
}
