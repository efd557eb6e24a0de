/** What `npm run extension:verify` is told. */
import { parseArgs } from "node:util";
import type { Architecture } from "../validate/tar-entry.ts";
import { VerifyError } from "./verify-error.ts";

/** How Talos of a time runs an extension's container. */
export type Profile = "v1.12" | "v1.14";

/** What a run is told. */
export interface Arguments {
  readonly help: boolean;
  readonly json: boolean;
  /** Folder of the OCI layout. */
  readonly from: string;
  readonly architectures: readonly Architecture[];
  readonly profiles: readonly Profile[];
  /** 1 to 22; default 18, as Talos squashes. */
  readonly zstdLevel: number;
  /** How long an agent runs before its memory is read, ms; 1 to 600 s, default 25: it gives back what it can after 20. */
  readonly settleMs: number;
  /** Folder of the run, made by the outer process; undefined: this is the outer one. */
  readonly inside: string | undefined;
}

export const USAGE = `npm run extension:verify -- [--from DIR] [--arch A] [--profile P] [--zstd-level N] [--settle S] [--json]

Checks the extension that npm run extension has made, then runs it as Talos runs it: squashfs, overlay, runc, and a container without
network, environment or configuration; then enrolled at a real collector, through an outage, a stop and a restart. As root, on Linux, in
namespaces of its own. Exit codes: 0 all is right, or this machine cannot run it and says why; 1 something is wrong; 2 wrong arguments.
With CI in the environment a machine that cannot run it is a failure.

  --from DIR       OCI image layout (default out/extension/oci)
  --arch A         amd64, arm64 or all (default); another architecture than this machine's is only started, under QEMU
  --profile P      v1.12 (private IPC, 1024 open files), v1.14 (IPC of the host) or all (default)
  --zstd-level N   1 to 22 (default 18, as Talos does; less is quicker, and the size is then no figure)
  --settle S       seconds an agent runs before its memory is read, 1 to 600 (default 25; below 20 it has not given back what it can)
  --json           one JSON array of checks: profile, name, isRight, seen
`;

/** Reads them. @throws VerifyError `usage` */
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
    inside: text,
    json: flag,
    help: flag,
  };
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    // Node's own words name the argument.
    throw new VerifyError("usage", error instanceof Error ? error.message : String(error));
  }
}

function integer(name: string, given: string, max: number): number {
  const value = Number(given);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new VerifyError("usage", `${name}: got '${given}', want an integer from 1 to ${max}`);
}

function words<Word extends string>(name: string, given: string | undefined, known: readonly Word[]): readonly Word[] {
  if (given === undefined || given === "all") return known;
  const word = known.find((each) => each === given);
  if (word !== undefined) return [word];
  throw new VerifyError("usage", `${name}: got '${given}', want one of ${known.join(", ")}, all`);
}
