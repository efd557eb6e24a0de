/** What `npm run extension` is told. */
import { parseArgs } from "node:util";
import { ExtensionError } from "./extension-error.ts";

export interface Arguments {
  readonly help: boolean;
  /** Directory of what is made, from the caller's; undefined: one of its own for each kind, in out/ below the repository's root. */
  readonly out: string | undefined;
  readonly json: boolean;
  /** Container images of the other programs as well. */
  readonly images: boolean;
  /** For machines in maintenance mode, instead of nodes: the agent's configuration, and the join token, by file. */
  readonly maintenance: { readonly configFile: string; readonly tokenFile: string } | undefined;
  /** What each step gives, instead of an image. */
  readonly steps: boolean;
  /** The newest Debian packages into the lock file, first. */
  readonly updateLock: boolean;
}

export const USAGE = `npm run extension -- [--out DIR] [--images] [--json] [--update-lock]
npm run extension -- --maintenance FILE --join-token FILE [--out DIR] [--json]
npm run extension -- --steps [--json]

Makes the agent a Talos system extension for amd64 and arm64, without Docker, in DIR (default out/extension): oci/ (an OCI image layout),
lifeline-agent-ARCH.tar (manifest.yaml and rootfs/) and lifeline-agent.spdx.json. The same source gives the same digests.

  --images       container images of collector, reflector and CLI as well, in out/images/NAME/oci (with --out: DIR/images)
  --maintenance FILE, --join-token FILE
                 instead: the variant for machines in maintenance mode, in DIR (default out/extension-maintenance). It brings the agent's
                 configuration and the join token of these files: whoever can pull the image, or read media made of it, has the token
  --steps        how large the image would be after each step that makes it small; nothing is written
  --json         one JSON object on stdout
  --update-lock  take the newest Debian packages, and write them to tools/extension/debian.lock.json

SOURCE_DATE_EPOCH is the time of every file; by default the commit's.
`;

/** @throws ExtensionError `usage` */
export function readArguments(args: readonly string[]): Arguments {
  const { help = false, out, json = false, images = false, steps = false, ...rest } = parsed(args);
  const maintenance = maintenanceOf(rest.maintenance, rest["join-token"]);
  if (steps && (images || out !== undefined || maintenance !== undefined))
    throw new ExtensionError("usage", "--steps writes nothing: want it without --out, --images and --maintenance");
  if (images && maintenance !== undefined)
    throw new ExtensionError("usage", "--images are the same beside either extension: want it without --maintenance");
  return { help, out, json, images, maintenance, steps, updateLock: rest["update-lock"] ?? false };
}

function maintenanceOf(configFile: string | undefined, tokenFile: string | undefined): Arguments["maintenance"] {
  if (configFile !== undefined && tokenFile !== undefined) return { configFile, tokenFile };
  if (configFile === undefined && tokenFile === undefined) return undefined;
  throw new ExtensionError(
    "usage",
    configFile === undefined
      ? "--join-token: got it without --maintenance; other images are told of a token on the node"
      : "--maintenance: got it without --join-token; want a token for the image (lifeline token create --ephemeral)",
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
    // Node's own words name the argument.
    throw new ExtensionError("usage", error instanceof Error ? error.message : String(error));
  }
}
