/** `manifest.yaml`: what an extension says of itself (Talos: pkg/machinery/extensions). */
import * as v from "valibot";
import { readYamlFile, someText } from "./yaml-file.ts";

/** Its path in the layer. */
export const MANIFEST = "manifest.yaml";

/** The oldest Talos that the extension must be for: earlier ones install extensions in another way. */
const OLDEST_TALOS = "1.10.0";

const PARTS_MAX = 1_000;
/** A version as one number, for versions whose parts are below 1,000. */
const rankOf = (version: string) => version.split(".").reduce((rank, part) => rank * PARTS_MAX + Number(part), 0);

const schema = v.strictObject({
  version: v.literal("v1alpha1"),
  metadata: v.strictObject({
    name: someText,
    version: v.pipe(
      v.string(),
      v.regex(/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/, "want MAJOR.MINOR.PATCH, with -PRERELEASE or without; no +BUILD"),
    ),
    author: someText,
    description: someText,
    compatibility: v.strictObject({
      talos: v.strictObject({
        version: v.pipe(
          v.string(),
          v.regex(/^>= v\d{1,3}\.\d{1,3}\.\d{1,3}$/, 'want ">= vX.Y.Z"; no other form of range is accepted here'),
          v.check(
            (range) => rankOf(range.slice(">= v".length)) <= rankOf(OLDEST_TALOS),
            `want a range that includes Talos ${OLDEST_TALOS}`,
          ),
        ),
      }),
    }),
  }),
});

/** What is wrong with a manifest of an extension called `name`, a line each. */
export function manifestProblems(bytes: Uint8Array, name: string | undefined): readonly string[] {
  const { value, problems } = readYamlFile(MANIFEST, bytes, schema);
  if (value === undefined || name === undefined || value.metadata.name === name) return problems;
  return [`${MANIFEST}#metadata.name: got "${value.metadata.name}", want "${name}", the service's name`];
}
