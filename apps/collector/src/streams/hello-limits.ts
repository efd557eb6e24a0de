/** How large the fields of a Hello may be before it is refused as no agent's (S2). */
import type { reportPb } from "@lifeline/wire";
import type { Refused } from "./refused.ts";

/** Longest text and list that are read, far beyond any fact there is. */
const MAX_TEXT_LENGTH = 4_096;
const MAX_LIST_ENTRIES = 256;

/** The first field that is too large; undefined: none is. */
export function oversizedField(hello: reportPb.Hello): Refused | undefined {
  const texts: [field: string, text: string | undefined][] = [
    ["agent_version", hello.agentVersion],
    ["hostname", hello.hostname],
    ["talos_version", hello.talosVersion],
    ["plan_revision", hello.planRevision],
    ["siderolink_prefix", hello.siderolinkPrefix],
    ["machine_api", hello.machineApi],
    ["machine_api_unreadable", hello.machineApiUnreadable],
    ["proxy.https_proxy", hello.proxy?.httpsProxy],
    ["proxy.http_proxy", hello.proxy?.httpProxy],
    ["proxy.https_proxy_fault", hello.proxy?.httpsProxyFault],
    ["talos.wireguard_endpoint", hello.talos?.wireguardEndpoint],
  ];
  const lists: [field: string, list: readonly unknown[] | undefined][] = [
    ["roles", hello.roles],
    ["ip_versions", hello.ipVersions],
    ["resolvers", hello.resolvers],
    ["addresses", hello.addresses],
    ["gateways", hello.gateways],
    ["proxy.no_proxy", hello.proxy?.noProxy],
  ];
  return tooLong(texts, MAX_TEXT_LENGTH, "characters") ?? tooLong(lists, MAX_LIST_ENTRIES, "entries");
}

function tooLong(
  fields: readonly [field: string, value: { readonly length: number } | undefined][],
  most: number,
  unit: string,
): Refused | undefined {
  const found = fields.find(([, value]) => (value?.length ?? 0) > most);
  if (found === undefined) return undefined;
  return { field: `hello.${found[0]}`, detail: `got ${found[1]?.length} ${unit}, want at most ${most}` };
}
