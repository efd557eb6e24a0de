/** Tables of procfs (proc(5)): lines of words. */
import { readFileSync } from "node:fs";

/** The text of a file; empty when it cannot be read. */
export function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** The words of each line of a table. */
export function rowsOf(table: string): readonly (readonly string[])[] {
  return table.split("\n").map((line) => line.trim().split(/\s+/));
}
