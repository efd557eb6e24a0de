/**
 * The system calls a container may make. containerd's default profile is compiled into it. Debian ships a similar one
 * as a file, in golang-github-containers-common. This takes what that file allows for the capabilities held, answers
 * everything else with EPERM as containerd does, and leaves out io_uring as containerd does since 2.0.
 */
import { existsSync, readFileSync } from "node:fs";
import * as v from "valibot";
import type { ArchitectureName } from "../architecture.ts";

/** Its path in Debian's package. */
const PROFILE = "/usr/share/containers/seccomp.json";

const condition = v.optional(
  v.nullable(v.object({ arches: v.optional(v.array(v.string())), caps: v.optional(v.array(v.string())) })),
);
const rule = v.object({
  names: v.array(v.string()),
  action: v.string(),
  args: v.optional(v.nullable(v.array(v.record(v.string(), v.unknown())))),
  includes: condition,
  excludes: condition,
});
const profile = v.object({
  archMap: v.array(v.object({ architecture: v.string(), subArchitectures: v.array(v.string()) })),
  syscalls: v.array(rule),
});

type Rule = v.InferOutput<typeof rule>;

/** Seccomp as the OCI runtime specification has it (config-linux.md). */
export interface Seccomp {
  readonly defaultAction: "SCMP_ACT_ERRNO";
  readonly defaultErrnoRet: number;
  readonly architectures: readonly string[];
  readonly syscalls: readonly { names: readonly string[]; action: string; args: readonly unknown[] }[];
}

const EPERM = 1;
const ARCHITECTURES: Readonly<Record<ArchitectureName, string>> = {
  amd64: "SCMP_ARCH_X86_64",
  arm64: "SCMP_ARCH_AARCH64",
};

/** The profile on this machine; undefined when there is none. */
export function seccompSource(): unknown {
  return existsSync(PROFILE) ? JSON.parse(readFileSync(PROFILE, "utf8")) : undefined;
}

/** The profile for an architecture and the capabilities held. Throws a ValiError when the file has another format. */
export function resolveSeccomp(
  source: unknown,
  architecture: ArchitectureName,
  capabilities: readonly string[],
): Seccomp {
  const { archMap, syscalls } = v.parse(profile, source);
  const own = archMap.find((each) => each.architecture === ARCHITECTURES[architecture]);
  const applies = ({ action, includes, excludes }: Rule) =>
    action === "SCMP_ACT_ALLOW" &&
    (includes?.arches?.includes(architecture) ?? true) &&
    (includes?.caps?.every((name) => capabilities.includes(name)) ?? true) &&
    !(excludes?.caps?.some((name) => capabilities.includes(name)) ?? false);
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: EPERM,
    architectures: [ARCHITECTURES[architecture], ...(own?.subArchitectures ?? [])],
    syscalls: syscalls.filter(applies).flatMap(({ names, action, args }) => {
      const kept = names.filter((name) => !name.startsWith("io_uring_"));
      return kept.length === 0 ? [] : [{ names: kept, action, args: args ?? [] }];
    }),
  };
}
