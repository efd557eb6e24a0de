/** A YAML file of a layer, held against a schema that refuses unknown keys. Talos's own decoder ignores them. */
import { readYaml } from "@lifeline/yaml";
import * as v from "valibot";

/** Text that is not empty. */
export const someText = v.pipe(v.string(), v.nonEmpty("want some text"));

/** `value` is undefined when the file does not match the schema; `problems` has a line for each reason. */
export interface YamlReading<Value> {
  readonly value: Value | undefined;
  readonly problems: readonly string[];
}

/** Reads the one document of `path`. */
export function readYamlFile<const Schema extends v.GenericSchema>(
  path: string,
  bytes: Uint8Array,
  schema: Schema,
): YamlReading<v.InferOutput<Schema>> {
  const document = readYaml(Buffer.from(bytes).toString("utf8"));
  if (document.kind === "refused") {
    const problems = document.problems.map(
      ({ line, column, got, want }) => `${path}:${line}:${column}: got ${got}, want ${want}`,
    );
    return { value: undefined, problems };
  }
  const result = v.safeParse(schema, document.value);
  if (result.success) return { value: result.output, problems: [] };
  const problems = result.issues.map((issue) => `${path}#${v.getDotPath(issue) ?? ""}: ${issue.message}`);
  return { value: undefined, problems };
}
