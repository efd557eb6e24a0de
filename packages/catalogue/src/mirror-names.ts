/** Mirrors that replace nothing: a misspelt name would take a row out of the measurement without a word. */
import type { Catalogue } from "./catalogue.ts";
import type { Deployment } from "./deployment.ts";
import { ANY_REGISTRY } from "./deployment-schema.ts";
import { type Problem, refuseProblems, shownValue } from "./error.ts";
import { nearest } from "./nearest.ts";
import type { Place } from "./requirement.ts";

/** A host is suggested where at most a third of its characters differ: two swapped of `ghcr.io` are two of seven. */
const CLOSE_SHARE = 1 / 3;

/**
 * Refuses a deployment with a mirror of a host that no row of the catalogue names. `file` is the name that problems
 * carry. Throws CatalogueError `unknown-host` with every such mirror.
 */
export function refuseUnmatchedMirrors(file: string, { airGapped }: Deployment, catalogue: Catalogue): void {
  const hosts = new Set(catalogue.requirements.flatMap(({ place }) => hostsOf(place)));
  const servers = new Set(catalogue.requirements.flatMap(({ place }) => defaultsOf(place)));
  const problems = (airGapped?.mirrors ?? []).flatMap(({ replaces }, index): readonly Problem[] => {
    if (replaces === ANY_REGISTRY || hosts.has(replaces.toLowerCase())) return [];
    const hint = nearest(replaces, hosts, CLOSE_SHARE);
    const expected = servers.has(replaces.toLowerCase())
      ? "a host of the registries or the image factory; name resolvers and time servers of the site under network"
      : `a host or wildcard of catalogue ${catalogue.version}${hint === undefined ? "" : `; the nearest is ${hint}`}`;
    const path = `airGapped.mirrors[${index}].replaces`;
    return [{ code: "unknown-host", file, path, value: shownValue(replaces), expected }];
  });
  refuseProblems(problems);
}

/** Only hosts that serve over HTTP: what replaces Talos's resolvers and time servers has an address, and no URL. */
function hostsOf(place: Place): readonly string[] {
  if (place.kind === "service") return [];
  const names = place.kind === "hosts" ? place.hosts : [place.pattern, ...place.known];
  return names.map((name) => name.toLowerCase());
}

function defaultsOf(place: Place): readonly string[] {
  return place.kind === "service" ? (place.defaults ?? []) : [];
}
