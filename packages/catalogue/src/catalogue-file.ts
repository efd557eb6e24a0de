/** A catalogue or deployment file as plain values. */
import { readYaml } from "@lifeline/yaml";
import { CatalogueError, refuseProblems } from "./error.ts";

/**
 * Largest catalogue or deployment file read, in bytes of UTF-8: 256 KiB, about eight times the largest bundled
 * catalogue.
 */
export const MAX_FILE_BYTES = 262_144;

/** Parses one YAML document. @throws CatalogueError `too-large`, or `syntax` with line and column. */
export function parseYaml(file: string, text: string): unknown {
  const sizeBytes = Buffer.byteLength(text);
  if (sizeBytes > MAX_FILE_BYTES) throw tooLarge(file, sizeBytes);
  const result = readYaml(text);
  if (result.kind === "read") return result.value;
  const problems = result.problems.map(({ line, column, got: value, want: expected }) => {
    return { code: "syntax" as const, file, path: "", value, expected, line, column };
  });
  return refuseProblems(problems);
}

/** The error for a file over {@link MAX_FILE_BYTES}. */
export function tooLarge(file: string, sizeBytes: number): CatalogueError {
  const expected = `at most ${MAX_FILE_BYTES} bytes`;
  return new CatalogueError([{ code: "too-large", file, path: "", value: `${sizeBytes} bytes`, expected }]);
}
