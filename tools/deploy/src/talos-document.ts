/** Documents that Talos reads, as strict as its own decoders (pkg/machinery/config) and, for the imager's profile, stricter: that one ignores what it does not know. */
import * as v from "valibot";

const text = v.pipe(v.string(), v.nonEmpty());
/** The name of a service (Talos, extension services: `^[-_a-z0-9]+$`). */
const serviceName = v.pipe(v.string(), v.regex(/^[-_a-z0-9]+$/));

/** Brings files and variables to an extension's service; at least one of both. */
export const extensionServiceConfig = v.pipe(
  v.strictObject({
    apiVersion: v.literal("v1alpha1"),
    kind: v.literal("ExtensionServiceConfig"),
    name: serviceName,
    configFiles: v.optional(
      v.array(
        v.strictObject({ content: text, mountPath: v.pipe(v.string(), v.regex(/^\/usr\/local\/etc\/[\w./-]+$/)) }),
      ),
      [],
    ),
    environment: v.optional(v.array(v.pipe(v.string(), v.regex(/^[A-Z_]+=.+$/))), []),
  }),
  v.check(
    ({ configFiles, environment }) => configFiles.length + environment.length > 0,
    "at least one file or variable",
  ),
);

/** An image, by reference or on disk. */
const asset = v.union([v.strictObject({ imageRef: text }), v.strictObject({ ociPath: text })]);

/** What the imager makes of which images, as far as an installer with extensions goes. */
export const imagerProfile = v.strictObject({
  baseProfileName: v.literal("installer"),
  arch: v.picklist(["amd64", "arm64"]),
  platform: text,
  version: v.pipe(v.string(), v.regex(/^v1\.\d+\.\d+$/)),
  input: v.strictObject({ baseInstaller: v.optional(asset), systemExtensions: v.pipe(v.array(asset), v.nonEmpty()) }),
});
