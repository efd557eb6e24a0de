/**
 * Facts about SideroLink from the kernel's command line. It holds the join token. Every function here returns one fact
 * and nothing else of the text, and the text is not kept (S1).
 */
import { isIP } from "node:net";
import { type MachineApiUrl, machineApiUrl } from "./endpoint-url.ts";
import { inlineApiUrl } from "./inline-config.ts";

/**
 * The Machine API (`siderolink.api=URL`, or the `apiUrl` of a SideroLinkConfig document): scheme, host and port alone.
 * The URL's query carries the join token, and its user part could carry another secret: neither leaves this function.
 * Undefined when there is none. One that cannot be read is not an absent one.
 */
export function machineApiOf(kernelArguments: string): MachineApiUrl | undefined {
  const given = givenUrl(kernelArguments);
  return given === undefined ? undefined : machineApiUrl(given);
}

/**
 * True when the argument enables WireGuard over gRPC. Undefined when it does not: the Machine API may still enable it.
 */
export function requestsGrpcTunnel(kernelArguments: string): true | undefined {
  const query = /\?([^#]*)/.exec(givenUrl(kernelArguments) ?? "")?.[1] ?? "";
  // Talos reads it by Go's strconv.ParseBool; older versions take `y` too.
  return /^(1|t|true|y)$/i.test(new URLSearchParams(query).get("grpc_tunnel") ?? "") ? true : undefined;
}

/**
 * The /64 of the in-tunnel addresses that `talos.events.sink` and `talos.logging.kernel` name, as four groups: where
 * the tunnel will be before its interface is up. Undefined when neither names a unique local address (RFC 4193).
 */
export function namedPrefixOf(kernelArguments: string): string | undefined {
  for (const [, name = ""] of kernelArguments.matchAll(/(?:^|\s)talos\.(?:events\.sink|logging\.kernel)=(\S+)/g)) {
    const address = /\[([0-9A-Fa-f:]+)\]/.exec(name)?.[1] ?? "";
    if (isIP(address) === 6 && /^f[cd]/i.test(address)) return leadingGroups(address);
  }
  return undefined;
}

/**
 * The URL as it is given. A document wins over the argument, and the first of several arguments counts (talos
 * controllers/siderolink/config.go, apiEndpoint).
 */
function givenUrl(kernelArguments: string): string | undefined {
  const argument = /(?:^|\s)siderolink\.api=(\S*)/.exec(kernelArguments)?.[1]?.replace(/^"(.*)"$/, "$1");
  return inlineApiUrl(kernelArguments) ?? (argument === "" ? undefined : argument);
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
