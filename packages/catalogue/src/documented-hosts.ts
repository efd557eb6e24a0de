/** Hosts that answers may redirect to, and that may give tokens: those that the documents or the deployment name. */
import { literalFamily } from "@lifeline/measure";
import type { Catalogue } from "./catalogue.ts";
import type { Deployment } from "./deployment.ts";
import type { Requirement } from "./requirement.ts";

/** Most hosts that a target carries (MAX_DOCUMENTED_HOSTS of the wire). */
const HOSTS_MAX = 64;

/**
 * Host names and wildcard domains, those of the deployment first. The row that an answer belongs to need not be the one
 * that names the host: registries redirect to storage that has a row of its own.
 */
export function documentedHosts({ requirements }: Catalogue, deployment: Deployment): readonly string[] {
  const named = [...deploymentHosts(deployment), ...requirements.flatMap(hostsOf)];
  const hosts = named.filter((host) => literalFamily(host) === undefined).map((host) => host.toLowerCase());
  return [...new Set(hosts)].slice(0, HOSTS_MAX).sort();
}

function hostsOf({ place }: Requirement): readonly string[] {
  if (place.kind === "hosts") return place.hosts;
  return place.kind === "wildcard" ? [place.pattern] : [];
}

function deploymentHosts({ omni, egress, airGapped }: Deployment): readonly string[] {
  const endpoints = [omni.api, omni.machineApi, omni.identityProvider, omni.etcdBackup, omni.vault];
  const mirrors = (airGapped?.mirrors ?? []).map(({ with: endpoint }) => endpoint);
  const hosts = [...endpoints, ...mirrors].flatMap((endpoint) => (endpoint === undefined ? [] : [endpoint.host]));
  return [...egress.redirectHosts, ...hosts];
}
