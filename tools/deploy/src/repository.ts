/** Files of the checkout. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Document, parseAllDocuments } from "yaml";

/** Its root. */
export const ROOT = join(import.meta.dirname, "../../..");

/** Files of the checkout by pattern, relative to {@link ROOT}, sorted. */
export function filesOf(pattern: string): readonly string[] {
  return globSync(pattern, { cwd: ROOT }).sort();
}

/** The text of a file of the checkout. Throws when it cannot be read. */
export function textOf(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** The YAML documents of a file of the checkout. Throws when it cannot be read. */
export function yamlOf(path: string): readonly Document[] {
  const documents = parseAllDocuments(textOf(path), { stringKeys: true });
  return "empty" in documents ? [] : documents;
}
