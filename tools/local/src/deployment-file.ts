/** The deployment that the collector reads: the stand-in's, or that of the Omni which the flags name. */
import { getServers } from "node:dns";
import { isIP } from "node:net";
import { resolve } from "node:path";
import { withScheme } from "@lifeline/catalogue";
import type { StandInState } from "@lifeline/lab";
import type { RealOmni } from "./arguments.ts";

/** Name of the stand-in, which keeps its rows distinct from those of a real Omni (`.test`: RFC 6761 §6.2). */
export const LAB_HOST = "omni.lab.test";

/** Time server for a host that is no Talos node: Talos's own default (talos pkg/machinery/constants). */
const DEFAULT_TIME_SERVER = "time.cloudflare.com";

/** The deployment of the stand-in. */
export function labDeployment({ listeners, caPem }: StandInState) {
  const at = (name: string) => `${LAB_HOST}:${listeners.find((one) => one.name === name)?.port}`;
  return {
    version: 1,
    name: "lab",
    kind: "on-prem",
    omni: {
      api: `https://${at("api")}`,
      machineApi: `https://${at("machine-api")}`,
      siderolink: [at("siderolink")],
      stampReflectors: [at("siderolink")],
      caPem,
    },
    // This host measures the public domains as an Omni host needs them. It pulls nothing as a node would.
    egress: { nodesPullDirectly: false },
    network: { timeServers: [DEFAULT_TIME_SERVER], resolvers: hostResolvers() },
  };
}

/** The resolvers of this host, as addresses. One with a port of its own is left out. */
function hostResolvers(): string[] {
  return getServers().filter((server) => isIP(server) !== 0);
}

/** The deployment of a real Omni. */
export function realDeployment({ api: typed, machineApi, siderolink, caFile }: RealOmni) {
  const api = withScheme(typed);
  const isSaas = /^https:\/\/[^/]+\.omni\.siderolabs\.io\/?$/i.test(api);
  return {
    version: 1,
    name: "omni",
    kind: isSaas ? "saas" : "on-prem",
    omni: {
      api,
      siderolink,
      ...(machineApi === undefined ? {} : { machineApi }),
      ...(caFile === undefined ? {} : { caFile: resolve(caFile) }),
    },
    network: { timeServers: [DEFAULT_TIME_SERVER] },
  };
}
