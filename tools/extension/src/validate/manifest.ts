/** `manifest.yaml`: what an extension says of itself (Talos: pkg/machinery/extensions). */
import * as v from "valibot";
import { type Problem, quoted } from "./problem.ts";
import { mapping, readYaml, someText } from "./strict-yaml.ts";
import { type CoreVersion, readVersion, readVersionRange } from "./version-range.ts";

/** Where it lies in the layer. */
export const MANIFEST = "manifest.yaml";

const schema = mapping({
  version: v.string("v1alpha1"),
  metadata: mapping({
    name: v.pipe(someText, v.regex(/^[-_a-z0-9]+$/, "a name of -, _, a to z and 0 to 9")),
    version: someText,
    author: someText,
    description: someText,
    compatibility: mapping({ talos: mapping({ version: someText }) }),
    extraInfo: v.optional(v.string("text")),
  }),
});

/** Checks a manifest. `talos`: versions that the extension must be for. */
export function checkManifest(bytes: Uint8Array, talos: readonly CoreVersion[]): readonly Problem[] {
  const { document, value, problems } = readYaml(MANIFEST, bytes, schema);
  const version: unknown = isMapping(document) ? (document["version"] ?? "") : "";
  const all = [...problems];
  if (document !== undefined && version !== "v1alpha1") {
    const found = `unsupported manifest version: ${quoted(String(version))}`;
    all.push({ code: "manifest-version", path: `${MANIFEST}#version`, found, want: '"v1alpha1"' });
  }
  if (value === undefined) return all;
  const { version: own, compatibility } = value.metadata;
  if (readVersion(own) === undefined) {
    const want = "MAJOR.MINOR.PATCH, or with -PRERELEASE; no +BUILD, which is no part of an image's tag";
    all.push({ code: "metadata-version", path: `${MANIFEST}#metadata.version`, found: quoted(own), want });
  }
  return [...all, ...checkRange(compatibility.talos.version, talos)];
}

function checkRange(text: string, talos: readonly CoreVersion[]): readonly Problem[] {
  const path = `${MANIFEST}#metadata.compatibility.talos.version`;
  const range = readVersionRange(text);
  if (!range.ok) {
    const found = `error parsing Talos version constraint: ${range.why}`;
    return [{ code: "version-range", path, found, want: 'a range of blang/semver, such as ">= v1.10.0"' }];
  }
  return talos
    .filter((version) => !range.holds(version))
    .map((version) => {
      const found = `version constraint ${text} can't be satisfied with Talos version ${version.join(".")}`;
      return { code: "version-unsatisfied", path, found, want: `a range with ${version.join(".")} in it` };
    });
}

function isMapping(document: unknown): document is Readonly<Record<string, unknown>> {
  return typeof document === "object" && document !== null && !Array.isArray(document);
}
