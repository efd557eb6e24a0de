/**
 * No file imports itself through other files, type imports included. Biome's rule `noImportCycles` finds the cycles;
 * `npm run lint` runs it with the other rules. These tests hold that the rule is on, that it covers type imports, and
 * that the sources are free of cycles.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";

const root = join(import.meta.dirname, "../../..");
const RULE = "suspicious/noImportCycles";

interface Report {
  readonly summary: { readonly unchanged: number };
  readonly diagnostics: readonly { readonly category: string; readonly location: { readonly path: string } }[];
}

/** Files of a directory that are part of a cycle; `checked`: how many were read. */
function cyclesIn(directory: string): { readonly files: readonly string[]; readonly checked: number } {
  const biome = join(root, "node_modules/.bin/biome");
  const args = ["lint", `--only=${RULE}`, "--reporter=json", "--max-diagnostics=none", "."];
  const { stdout } = spawnSync(biome, args, { cwd: directory, encoding: "utf8" });
  const { summary, diagnostics } = JSON.parse(stdout) as Report;
  const files = diagnostics.filter(({ category }) => category === `lint/${RULE}`).map(({ location }) => location.path);
  return { files: [...new Set(files)].sort(), checked: summary.unchanged };
}

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "import-cycles-"));
  const config = JSON.parse(readFileSync(join(root, "biome.json"), "utf8")) as Record<string, unknown>;
  // The directory is outside the repository.
  writeFileSync(join(directory, "biome.json"), JSON.stringify({ ...config, vcs: { enabled: false } }));
});
afterEach(() => rmSync(directory, { recursive: true }));

const write = (files: Readonly<Record<string, string>>) => {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
};

it("no source file is part of a cycle", () => {
  const { files, checked } = cyclesIn(root);
  expect(checked).toBeGreaterThan(500);
  expect(files).toEqual([]);
});

it.each([
  ["values", 'export { b } from "./b.ts";', 'export { a } from "./a.ts";'],
  [
    "types",
    'import type { B } from "./b.ts"; export type A = B[];',
    'import type { A } from "./a.ts"; export type B = A;',
  ],
  ["inline types", 'import { type B } from "./b.ts"; export type A = B[];', 'export type { A as B } from "./a.ts";'],
])("finds a cycle of %s", (_kind, a, b) => {
  write({ "a.ts": a, "b.ts": b, "c.ts": 'export * from "./a.ts";' });
  expect(cyclesIn(directory).files).toEqual(["a.ts", "b.ts"]);
});

it("finds a cycle over three files", () => {
  write({
    "a.ts": 'import type { B } from "./b.ts"; export type A = B[];',
    "b.ts": 'import type { C } from "./c.ts"; export type B = C[];',
    "c.ts": 'import type { A } from "./a.ts"; export type C = A;',
  });
  expect(cyclesIn(directory).files).toEqual(["a.ts", "b.ts", "c.ts"]);
});
