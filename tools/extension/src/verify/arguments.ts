/** The command line of `npm run extension:verify`. */
import { parseArgs } from "node:util";
import type { ArchitectureName } from "../architecture.ts";
import { ExtensionError } from "../extension-error.ts";

/** How Talos runs an extension's container: up to v1.12, and from v1.14. */
export type Profile = "v1.12" | "v1.14";

export interface Arguments {
  readonly help: boolean;
  readonly json: boolean;
  /** Directory of the OCI layout. */
  readonly from: string;
  readonly architectures: readonly ArchitectureName[];
  readonly profiles: readonly Profile[];
  /** Of zstd, 1 to 22; default 18, which is Talos's. */
  readonly zstdLevel: number;
  /** How long an agent runs before its memory is read, ms; 1 to 600 s, default 25: it returns unused pages after 20. */
  readonly settleMs: number;
  /** How long anything that must happen may take, ms; 1 to 600 s, default 120. */
  readonly waitMaxMs: number;
  /** Directory of the run, which the outer process makes; undefined in the outer process. */
  readonly inside: string | undefined;
}

export const USAGE = `npm run extension:verify -- [--from DIR] [--arch A] [--profile P] [--zstd-level N] [--settle S] [--wait S] [--json]

Checks the extension that npm run extension has built, then runs it as Talos does, with squashfs, overlay and runc: first without network
and configuration, then enrolled at a real collector, through an outage, a stop and a restart. It needs root and Linux, and runs in
namespaces of its own. Exit codes: 0 every check passed, or this machine cannot run the extension and the output says why; 1 a check failed;
2 wrong arguments. With CI=true a machine that cannot run it is a failure.

  --from DIR       OCI image layout (default out/extension/oci)
  --arch A         amd64, arm64 or all (default); another architecture than this machine's is only started, under QEMU
  --profile P      v1.12 (private IPC, 1024 open files), v1.14 (IPC of the host) or all (default)
  --zstd-level N   1 to 22 (default 18, which is Talos's; a lower one is quicker, and its size is no figure)
  --settle S       seconds that an agent runs before its memory is read, 1 to 600 (default 25; it returns unused pages after 20)
  --wait S         seconds that anything which must happen may take, 1 to 600 (default 120)
  --json           print one JSON array of checks: of, name, isRight, seen
`;

/** Reads the arguments. Throws ExtensionError `usage`. */
export function readArguments(args: readonly string[]): Arguments {
  const values = parsed(args);
  return {
    help: values.help === true,
    json: values.json === true,
    from: values.from ?? "out/extension/oci",
    architectures: words("--arch", values.arch, ["amd64", "arm64"]),
    profiles: words("--profile", values.profile, ["v1.12", "v1.14"]),
    zstdLevel: integer("--zstd-level", values["zstd-level"] ?? "18", 22),
    settleMs: integer("--settle", values.settle ?? "25", 600) * 1_000,
    waitMaxMs: integer("--wait", values.wait ?? "120", 600) * 1_000,
    inside: values.inside,
  };
}

function parsed(args: readonly string[]) {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const options = {
    from: text,
    arch: text,
    profile: text,
    "zstd-level": text,
    settle: text,
    wait: text,
    inside: text,
    json: flag,
    help: flag,
  };
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    // Node's message names the argument.
    throw new ExtensionError("usage", error instanceof Error ? error.message : String(error));
  }
}

function integer(name: string, given: string, max: number): number {
  const value = Number(given);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new ExtensionError("usage", `${name}: got '${given}', want an integer from 1 to ${max}`);
}

function words<Word extends string>(name: string, given: string | undefined, known: readonly Word[]): readonly Word[] {
  if (given === undefined || given === "all") return known;
  const word = known.find((each) => each === given);
  if (word !== undefined) return [word];
  throw new ExtensionError("usage", `${name}: got '${given}', want one of ${known.join(", ")}, all`);
}
