/** The command line of `npm run extension`. */
import { parseArgs } from "node:util";
import { ExtensionError } from "./extension-error.ts";

export interface Arguments {
  readonly help: boolean;
  /** Output directory; undefined: that of the variant, in out/ below the repository's root. */
  readonly out: string | undefined;
  readonly json: boolean;
  /** Whether to build container images of the other programs as well. */
  readonly images: boolean;
  /** Files for the variant for maintenance mode; undefined: the other variant. */
  readonly maintenance: { readonly configFile: string; readonly tokenFile: string } | undefined;
  /** Whether to measure what each step saves, and build nothing. */
  readonly steps: boolean;
  /** Whether to write the newest Debian packages to the lock file first. */
  readonly updateLock: boolean;
}

export const USAGE = `npm run extension -- [--out DIR] [--images] [--json] [--update-lock]
npm run extension -- --maintenance FILE --join-token FILE [--out DIR] [--json]
npm run extension -- --steps [--json]

Builds the agent as a Talos system extension for amd64 and arm64, without Docker, in DIR (default out/extension): oci/ (an OCI image layout),
lifeline-agent-ARCH.tar (manifest.yaml and rootfs/) and lifeline-agent.spdx.json. The same source gives the same digests.

  --images       build container images of collector, reflector and CLI too, in out/images/NAME/oci (with --out: DIR/images)
  --maintenance FILE, --join-token FILE
                 build the variant for machines in maintenance mode instead, in DIR (default out/extension-maintenance). The image holds
                 these files: the agent's configuration and the join token. Everybody who can pull the image, or read media made of it, has
                 the token
  --steps        print how large the image is after each step that makes it small; write nothing
  --json         print one JSON object
  --update-lock  first write the newest Debian packages to tools/extension/debian.lock.json

SOURCE_DATE_EPOCH sets the time of every file; the default is the commit's.
`;

/** Reads the arguments. Throws ExtensionError `usage`. */
export function readArguments(args: readonly string[]): Arguments {
  const { help = false, out, json = false, images = false, steps = false, ...rest } = parsed(args);
  const maintenance = maintenanceOf(rest.maintenance, rest["join-token"]);
  if (steps && (images || out !== undefined || maintenance !== undefined))
    throw new ExtensionError("usage", "--steps writes nothing; use it without --out, --images and --maintenance");
  if (images && maintenance !== undefined)
    throw new ExtensionError("usage", "--images does not depend on the variant; use it without --maintenance");
  return { help, out, json, images, maintenance, steps, updateLock: rest["update-lock"] ?? false };
}

function maintenanceOf(configFile: string | undefined, tokenFile: string | undefined): Arguments["maintenance"] {
  if (configFile !== undefined && tokenFile !== undefined) return { configFile, tokenFile };
  if (configFile === undefined && tokenFile === undefined) return undefined;
  throw new ExtensionError(
    "usage",
    configFile === undefined
      ? "--join-token: only an image for maintenance mode holds a token; use it with --maintenance"
      : "--maintenance: the image needs a token; use it with --join-token (lifeline token create --ephemeral)",
  );
}

function parsed(args: readonly string[]) {
  const flag = { type: "boolean" } as const;
  const options = {
    out: { type: "string" },
    json: flag,
    images: flag,
    maintenance: { type: "string" },
    "join-token": { type: "string" },
    steps: flag,
    "update-lock": flag,
    help: flag,
  } as const;
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    // Node's message names the argument.
    throw new ExtensionError("usage", error instanceof Error ? error.message : String(error));
  }
}
