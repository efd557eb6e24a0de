/** Mirrors that replace nothing: a misspelt name would take a row out of the measurement without a word. */
import type { Catalogue } from "./catalogue.ts";
import type { Deployment } from "./deployment.ts";
import { ANY_REGISTRY } from "./deployment-schema.ts";
import { type Problem, refuseProblems, shownValue } from "./error.ts";
import { nearest } from "./nearest.ts";
import type { Place } from "./requirement.ts";

/**
 * Refuses a deployment with a mirror of a host that no row of the catalogue names. `file` is the name that problems
 * carry. Throws CatalogueError `unknown-host` with every such mirror.
 */
export function refuseUnmatchedMirrors(file: string, { airGapped }: Deployment, catalogue: Catalogue): void {
  const hosts = new Set(catalogue.requirements.flatMap(({ place }) => hostsOf(place)));
  const problems = (airGapped?.mirrors ?? []).flatMap(({ replaces }, index): readonly Problem[] => {
    if (replaces === ANY_REGISTRY || hosts.has(replaces.toLowerCase())) return [];
    const hint = nearest(replaces, hosts);
    const expected = `a host or wildcard of catalogue ${catalogue.version}${hint === undefined ? "" : `; the nearest is ${hint}`}`;
    const path = `airGapped.mirrors[${index}].replaces`;
    return [{ code: "unknown-host", file, path, value: shownValue(replaces), expected }];
  });
  refuseProblems(problems);
}

function hostsOf(place: Place): readonly string[] {
  const names =
    place.kind === "hosts"
      ? place.hosts
      : place.kind === "wildcard"
        ? [place.pattern, ...place.known]
        : (place.defaults ?? []);
  return names.map((name) => name.toLowerCase());
}
