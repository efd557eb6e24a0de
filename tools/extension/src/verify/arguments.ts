/** The command line of `npm run extension:verify`. */
import { type Command, kind, type Program, readCommand, type Settings } from "@lifeline/settings";
import type { ArchitectureName } from "../architecture.ts";
import { TALOS_ZSTD_LEVEL } from "../squashfs.ts";

/** Talos releases whose extension services run alike: up to v1.12 with a private IPC and 1024 open files. */
export type Profile = "v1.12" | "v1.14";

/** The parsed command line. */
export interface Arguments {
  readonly json: boolean;
  /** OCI image layout of the extension. */
  readonly from: string;
  readonly architectures: readonly ArchitectureName[];
  readonly profiles: readonly Profile[];
  /** 1 to 22. */
  readonly zstdLevel: number;
  /** Time that an agent runs before its memory is read, ms. */
  readonly settleMs: number;
  /** Limit for anything that must happen, ms. */
  readonly waitMaxMs: number;
  /** A directory for this run, which is in its namespaces; undefined: it has to enter them. */
  readonly inside: string | undefined;
}

const ARCHITECTURES = ["amd64", "arm64"] as const;
const PROFILES = ["v1.12", "v1.14"] as const;

const SETTINGS = {
  from: { type: kind.path("DIR"), default: "out/extension/oci", help: "OCI image layout" },
  arch: {
    type: kind.word([...ARCHITECTURES, "all"], "A"),
    default: "all",
    help: "amd64, arm64 or all; another architecture than this machine's is only started, under QEMU",
  },
  profile: {
    type: kind.word([...PROFILES, "all"], "P"),
    default: "all",
    help: "v1.12 (private IPC, 1024 open files), v1.14 (IPC of the host) or all",
  },
  zstdLevel: {
    type: kind.integer(1, 22, ""),
    default: TALOS_ZSTD_LEVEL,
    help: "level of compression; a lower one than Talos's is quicker, and its size is no figure",
  },
  settle: {
    type: kind.integer(1, 600, "seconds"),
    default: 25,
    help: "how long an agent runs before its memory is read; it returns unused pages after 20 s",
  },
  wait: { type: kind.integer(1, 600, "seconds"), default: 120, help: "how long anything that must happen may take" },
  json: { type: kind.boolean, default: false, help: "prints one JSON array of checks: of, name, isRight, seen" },
  inside: { type: kind.path("DIR"), help: "given by this program to itself, in its namespaces" },
} as const satisfies Settings;

const PROGRAM: Program<typeof SETTINGS> = {
  name: "npm run extension:verify",
  summary: "checks the extension that npm run extension has built, then runs it as Talos does",
  settings: SETTINGS,
  notes: `It runs with squashfs, overlay and runc: first without network and configuration, then enrolled at a real collector, through
an outage, a stop and a restart. It needs root and Linux, and runs in namespaces of its own.

exit codes: 0 every check passed, or this machine cannot run the extension and the output says why; 1 a check failed; 2 wrong arguments.
With CI=true a machine that cannot run it is a failure.
`,
};

/** Reads the arguments. Throws a ConfigError. */
export function readArguments(args: readonly string[]): Command<Arguments> {
  return readCommand(PROGRAM, args, {}, ({ values: { arch, profile, settle, wait, ...rest } }) => ({
    ...rest,
    architectures: ARCHITECTURES.filter((one) => arch === "all" || arch === one),
    profiles: PROFILES.filter((one) => profile === "all" || profile === one),
    settleMs: settle * 1_000,
    waitMaxMs: wait * 1_000,
  }));
}
