/**
 * Documents that Talos reads, with the rules of its decoders (pkg/machinery/config). The imager ignores unknown keys of
 * a profile; this does not.
 */
import * as v from "valibot";

const text = v.pipe(v.string(), v.nonEmpty());
/** The name of a service (Talos, extension services: `^[-_a-z0-9]+$`). */
const serviceName = v.pipe(v.string(), v.regex(/^[-_a-z0-9]+$/));

/** Gives files and variables to an extension's service: at least one of either. */
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

/** An image in a registry or on disk. */
const asset = v.union([v.strictObject({ imageRef: text }), v.strictObject({ ociPath: text })]);

/** The profile of an installer with extensions. */
export const imagerProfile = v.strictObject({
  baseProfileName: v.literal("installer"),
  arch: v.picklist(["amd64", "arm64"]),
  platform: text,
  version: v.pipe(v.string(), v.regex(/^v1\.\d+\.\d+$/)),
  input: v.strictObject({ baseInstaller: v.optional(asset), systemExtensions: v.pipe(v.array(asset), v.nonEmpty()) }),
});
