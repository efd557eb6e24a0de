/** The part of the bundled catalogue that --only selects. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Catalogue, loadCatalogue, matchesPattern, requirementJson } from "@lifeline/catalogue";
import { noMatch } from "@lifeline/cli";
import { stringify } from "yaml";

/** Writes the matching rows as a catalogue of their own, so that nothing else is measured. Returns the file's path. */
export function writeSubset(only: string, directory: string): string {
  const { version, title, requirements } = catalogueSubset(only);
  const rows = requirements.map((row) => JSON.parse(requirementJson(row)));
  const path = join(directory, "catalogue.yaml");
  writeFileSync(path, stringify({ schema: 1, version, title, requirements: rows }));
  return path;
}

/**
 * The rows of the bundled catalogue that match `only`. Throws CliError `usage` when there is none, naming the closest.
 */
export function catalogueSubset(only: string): Catalogue {
  const whole = loadCatalogue();
  const requirements = whole.requirements.filter(({ id }) => matchesPattern(only, id));
  if (requirements.length > 0) return { ...whole, requirements };
  throw noMatch(
    only,
    whole.requirements.map(({ id }) => id),
  );
}
