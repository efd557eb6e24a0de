/** Parses YAML text against a schema. */
import type * as v from "valibot";
import { parseYaml } from "./catalogue-file.ts";
import { CatalogueError } from "./error.ts";
import { checked } from "./field.ts";

/** Reads a YAML document by `schema`. @throws CatalogueError with every problem of the file. */
export function parsed<Output>(schema: v.GenericSchema<unknown, Output>, file: string, yaml: string): Output {
  const result = checked(schema, parseYaml(file, yaml), file);
  if ("output" in result) return result.output;
  const [first, ...rest] = result.problems;
  if (first === undefined) throw new TypeError("a failed check without a problem");
  throw new CatalogueError([first, ...rest]);
}
