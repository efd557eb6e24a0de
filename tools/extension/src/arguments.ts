/** What `npm run extension` is told. */
import { parseArgs } from "node:util";
import { ExtensionError } from "./extension-error.ts";

export interface Arguments {
  readonly help: boolean;
  /** Directory of what is made, from the caller's; undefined: out/extension and out/images below the repository's root. */
  readonly out: string | undefined;
  readonly json: boolean;
  /** Container images of the other programs as well. */
  readonly images: boolean;
  /** What each step gives, instead of an image. */
  readonly steps: boolean;
  /** The newest Debian packages into the lock file, first. */
  readonly updateLock: boolean;
}

export const USAGE = `npm run extension -- [--out DIR] [--images] [--json] [--update-lock]
npm run extension -- --steps [--json]

Makes the agent a Talos system extension for amd64 and arm64, without Docker, in DIR (default out/extension): oci/ (an OCI image layout),
lifeline-agent-ARCH.tar (manifest.yaml and rootfs/) and lifeline-agent.spdx.json. The same source gives the same digests.

  --images       container images of collector, reflector and CLI as well, in out/images/NAME/oci (with --out: DIR/images)
  --steps        how large the image would be after each step that makes it small; nothing is written
  --json         one JSON object on stdout
  --update-lock  take the newest Debian packages, and write them to tools/extension/debian.lock.json

SOURCE_DATE_EPOCH is the time of every file; by default the commit's.
`;

/** @throws ExtensionError `usage` */
export function readArguments(args: readonly string[]): Arguments {
  const { help = false, out, json = false, images = false, steps = false, ...rest } = parsed(args);
  if (steps && (images || out !== undefined))
    throw new ExtensionError("usage", "--steps writes nothing: want it without --out and --images");
  return { help, out, json, images, steps, updateLock: rest["update-lock"] ?? false };
}

function parsed(args: readonly string[]) {
  const flag = { type: "boolean" } as const;
  const options = {
    out: { type: "string" },
    json: flag,
    images: flag,
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
