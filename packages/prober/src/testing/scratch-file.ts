/** A file of a test's own. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

const directories: string[] = [];
afterAll(() => {
  for (const path of directories) rmSync(path, { recursive: true, force: true });
});

/** Writes `text` to a file that is removed after the tests, and gives its path. */
export function scratchFile(text: string): string {
  const directory = mkdtempSync(join(tmpdir(), "lifeline-prober-"));
  directories.push(directory);
  const path = join(directory, "file");
  writeFileSync(path, text);
  return path;
}
