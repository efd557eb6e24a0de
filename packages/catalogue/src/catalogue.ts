/** A catalogue: the rows of one version. Parsing, extension by a user's own rows, and JSON output. */
import * as v from "valibot";

import { CatalogueError, type Problem, refuseProblems } from "./error.ts";
import { listOf, record, text, version } from "./field.ts";
import { parsed } from "./parsed.ts";
import type { Requirement } from "./requirement.ts";
import { requirementSchema } from "./requirement-schema.ts";

/** Most rows of a catalogue, extra files included; the bundled ones have about thirty. */
export const MAX_REQUIREMENTS = 512;

/** All rows of one version, in the order of the file. */
export interface Catalogue {
  /** `vMAJOR.MINOR`; the version of the documentation it was taken from. */
  readonly version: string;
  readonly title: string;
  readonly requirements: readonly Requirement[];
}

const catalogueSchema = record({
  schema: v.literal(1, "1, the version of this file format"),
  version,
  title: text,
  requirements: listOf(requirementSchema, "requirements", 1, MAX_REQUIREMENTS),
});

const extraSchema = record({
  schema: v.literal(1, "1, the version of this file format"),
  requirements: listOf(requirementSchema, "requirements", 1, MAX_REQUIREMENTS),
});

/**
 * Reads a complete catalogue from YAML text.
 *
 * @param file the name that problems carry.
 * @throws CatalogueError with every problem of the file.
 */
export function parseCatalogue(file: string, yaml: string): Catalogue {
  const { title, requirements, version } = parsed(catalogueSchema, file, yaml);
  refuseProblems(duplicates(file, requirements, new Map()));
  return { version, title, requirements };
}

/** A user's own rows, and the file they came from. */
export interface ExtraRequirements {
  readonly file: string;
  readonly requirements: readonly Requirement[];
}

/** Reads a user's own rows: a catalogue file without `version` and `title`. Throws as {@link parseCatalogue} does. */
export function parseExtra(file: string, yaml: string): ExtraRequirements {
  const { requirements } = parsed(extraSchema, file, yaml);
  refuseProblems(duplicates(file, requirements, new Map()));
  return { file, requirements };
}

/**
 * The catalogue with a user's rows after its own.
 *
 * @throws CatalogueError `duplicate-id` when an id is taken already, `bad-value` over {@link MAX_REQUIREMENTS} rows.
 */
export function extendCatalogue(base: Catalogue, extra: ExtraRequirements): Catalogue {
  const taken = new Map(base.requirements.map(({ id }) => [id, `catalogue ${base.version}`]));
  refuseProblems(duplicates(extra.file, extra.requirements, taken));
  const requirements = [...base.requirements, ...extra.requirements];
  if (requirements.length > MAX_REQUIREMENTS) {
    const expected = `at most ${MAX_REQUIREMENTS} requirements in all`;
    const value = String(requirements.length);
    throw new CatalogueError([{ code: "bad-value", file: extra.file, path: "requirements", value, expected }]);
  }
  return { ...base, requirements };
}

/** The row of that id, or undefined. */
export function findRequirement(catalogue: Catalogue, id: string): Requirement | undefined {
  return catalogue.requirements.find((requirement) => requirement.id === id);
}

/** A row as JSON with two-space indentation and keys in the order of the schema, so equal rows give equal text. */
export function requirementJson(requirement: Requirement): string {
  return JSON.stringify(v.parse(requirementSchema, requirement), null, 2);
}

function duplicates(file: string, requirements: readonly Requirement[], taken: Map<string, string>): Problem[] {
  const seen = new Map(taken);
  const problems: Problem[] = [];
  for (const [index, { id }] of requirements.entries()) {
    const path = `requirements[${index}].id`;
    const owner = seen.get(id);
    if (owner === undefined) seen.set(id, path);
    else
      problems.push({
        code: "duplicate-id",
        file,
        path,
        value: `"${id}"`,
        expected: `an id that ${owner} does not use`,
      });
  }
  return problems;
}
