/** The command line of `npm run extension`. */
import { type Command, kind, type Program, readCommand, type Settings } from "@lifeline/settings";

/** The parsed command line. */
export interface Arguments {
  /** Undefined: the default of the variant. */
  readonly out: string | undefined;
  readonly json: boolean;
  readonly images: boolean;
  /** Build the variant for maintenance mode, of these files. */
  readonly maintenance: { readonly configFile: string; readonly tokenFile: string } | undefined;
  readonly updateLock: boolean;
}

const SETTINGS = {
  out: {
    type: kind.path("DIR"),
    help: "where to (default out/extension, for maintenance mode out/extension-maintenance)",
  },
  images: {
    type: kind.boolean,
    default: false,
    help: "builds container images of collector, reflector and CLI too, in out/images/NAME/oci (with --out: DIR/images)",
  },
  maintenance: {
    type: kind.file,
    help: "the agent's configuration: builds the variant for machines in maintenance mode instead, which holds it",
  },
  joinToken: {
    type: kind.file,
    help: "the join token of that variant. Everybody who can pull the image, or read media made of it, has the token",
  },
  json: { type: kind.boolean, default: false, help: "prints one JSON object" },
  updateLock: {
    type: kind.boolean,
    default: false,
    help: "first writes the newest Debian packages to tools/extension/debian.lock.json",
  },
} as const satisfies Settings;

const PROGRAM: Program<typeof SETTINGS> = {
  name: "npm run extension",
  summary: "builds the agent as a Talos system extension for amd64 and arm64, without Docker",
  settings: SETTINGS,
  notes: `It writes oci/ (an OCI image layout), lifeline-agent-ARCH.tar (manifest.yaml and rootfs/) and lifeline-agent.spdx.json. The same
source gives the same digests. SOURCE_DATE_EPOCH sets the time of every file; the default is the commit's.
`,
};

/** Reads the arguments. Throws a ConfigError. */
export function readArguments(args: readonly string[]): Command<Arguments> {
  return readCommand(PROGRAM, args, {}, (given) => {
    const { maintenance: configFile, joinToken: tokenFile, ...rest } = given.values;
    given.needs("maintenance", ["joinToken"]);
    given.needs("joinToken", ["maintenance"]);
    if (rest.images && configFile !== undefined) {
      given.refuse("images", "true", "no --maintenance: the images do not depend on the variant");
    }
    given.check();
    const maintenance = configFile === undefined || tokenFile === undefined ? undefined : { configFile, tokenFile };
    return { ...rest, maintenance };
  });
}
