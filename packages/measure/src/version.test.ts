import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { LIFELINE_VERSION } from "./version.ts";

it("is the version of every package", () => {
  const root = join(import.meta.dirname, "../../..");
  const manifests = globSync("{package.json,{packages,apps}/*/package.json}", { cwd: root });
  expect(manifests.length).toBeGreaterThan(10);
  const versions = manifests.map((path) => JSON.parse(readFileSync(join(root, path), "utf8")).version as unknown);
  expect(new Set(versions)).toEqual(new Set([LIFELINE_VERSION]));
});
