/**
 * What the kernel's command line says of SideroLink. It holds the join token: every function here gives one fact and nothing else of
 * the text, and nobody keeps the text (S1).
 */
import { isIP } from "node:net";
import { endpointOfUrl } from "./wire-text.ts";

/**
 * The Machine API (`siderolink.api=URL`): scheme, host and port alone. The URL's query carries the join token, and its user part could
 * carry another secret: neither leaves this function. Without a scheme Talos dials plaintext gRPC. Empty when there is none, or
 * none that Talos could dial.
 */
export function machineApiOf(kernelArguments: string): string {
  const url = machineApiUrl(kernelArguments);
  return url === undefined ? "" : (endpointOfUrl(url) ?? "");
}

/** Whether the argument asks for WireGuard over gRPC; undefined when it does not, for then the Machine API may still say so. */
export function asksForGrpcTunnel(kernelArguments: string): true | undefined {
  const url = URL.parse(machineApiUrl(kernelArguments) ?? "");
  // As Go's strconv.ParseBool, by which Talos reads it.
  return /^(1|t|true)$/i.test(url?.searchParams.get("grpc_tunnel") ?? "") ? true : undefined;
}

/**
 * The /64 of the in-tunnel addresses that `talos.events.sink` and `talos.logging.kernel` name, as four groups: where the tunnel will
 * be, before its interface is up. Empty when neither names a unique local address (RFC 4193).
 */
export function namedPrefixOf(kernelArguments: string): string {
  for (const [, name = ""] of kernelArguments.matchAll(/(?:^|\s)talos\.(?:events\.sink|logging\.kernel)=(\S+)/g)) {
    const address = /\[([0-9A-Fa-f:]+)\]/.exec(name)?.[1] ?? "";
    if (isIP(address) === 6 && /^f[cd]/i.test(address)) return leadingGroups(address);
  }
  return "";
}

function machineApiUrl(kernelArguments: string): string | undefined {
  const given = /(?:^|\s)siderolink\.api=(\S+)/.exec(kernelArguments)?.[1];
  return given === undefined || given.includes("://") ? given : `grpc://${given}`;
}

/** Groups of 16 bits in an address, and in a /64. */
const ADDRESS_GROUPS = 8;
const PREFIX_GROUPS = 4;

/** The first four groups of an address, without leading zeros. */
function leadingGroups(address: string): string {
  const [head = "", tail] = address.split("::");
  const before = head.split(":").filter((group) => group !== "");
  const after = (tail ?? "").split(":").filter((group) => group !== "");
  const zeros = new Array<string>(Math.max(0, ADDRESS_GROUPS - before.length - after.length)).fill("0");
  const groups = [...before, ...zeros, ...after].slice(0, PREFIX_GROUPS);
  return groups.map((group) => Number.parseInt(group, 16).toString(16)).join(":");
}
