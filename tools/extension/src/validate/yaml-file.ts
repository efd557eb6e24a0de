/** A YAML file of a layer, held against a schema that refuses unknown keys. Talos's own decoder ignores them. */
import * as v from "valibot";
import { parse, YAMLParseError } from "yaml";

/** Text that is not empty. */
export const someText = v.pipe(v.string(), v.nonEmpty("want some text"));

/** `value` is undefined when the file does not match the schema; `problems` has a line for each reason. */
export interface YamlReading<Value> {
  readonly value: Value | undefined;
  readonly problems: readonly string[];
}

/** Reads the one document of `path`. */
export function readYaml<const Schema extends v.GenericSchema>(
  path: string,
  bytes: Uint8Array,
  schema: Schema,
): YamlReading<v.InferOutput<Schema>> {
  try {
    const result = v.safeParse(schema, parse(Buffer.from(bytes).toString("utf8")));
    if (result.success) return { value: result.output, problems: [] };
    const problems = result.issues.map((issue) => `${path}#${v.getDotPath(issue) ?? ""}: ${issue.message}`);
    return { value: undefined, problems };
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    return { value: undefined, problems: [`${path}: ${error.message.split("\n", 1)[0]}`] };
  }
}
