/** What a run needs of this machine, and in what it differs from Talos. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import * as v from "valibot";
import { type ArchitectureName, HERE } from "../architecture.ts";
import { isInstalled } from "../command.ts";
import { resolveSeccomp, type Seccomp, seccompSource } from "./seccomp.ts";

/** Programs of the run, and the Debian packages they are in. */
const PROGRAMS: Readonly<Record<string, string>> = {
  runc: "runc",
  mksquashfs: "squashfs-tools",
  ip: "iproute2",
  unshare: "util-linux",
  setpriv: "util-linux",
  mount: "mount",
};

/** Programs that start another architecture's programs (Debian: qemu-user-static). */
export const QEMU: Readonly<Record<ArchitectureName, string>> = {
  amd64: "qemu-x86_64-static",
  arm64: "qemu-aarch64-static",
};

/** Why a run is not possible on this machine, a sentence each; empty when it is possible. */
export function obstacles(architectures: readonly ArchitectureName[]): readonly string[] {
  if (process.platform !== "linux" || HERE === undefined) return [`this is ${process.platform} on ${process.arch}`];
  if (process.getuid?.() !== 0) return ["this is not root"];
  const missing = Object.entries(PROGRAMS).filter(([program]) => !isInstalled(program));
  const others = architectures.filter((each) => each !== HERE && !isInstalled(QEMU[each]));
  const systems = readFileSync("/proc/filesystems", "utf8");
  return [
    ...missing.map(([program, name]) => `${program} is missing: apt-get install ${name}`),
    ...others.map((each) => `${QEMU[each]} is missing: apt-get install qemu-user-static`),
    ...["squashfs", "overlay"]
      .filter((name) => !systems.includes(`\t${name}\n`))
      .map((name) => `the kernel has no ${name}`),
    ...(existsSync("/dev/loop-control") ? [] : ["there are no loop devices: /dev/loop-control is not there"]),
  ];
}

/** The names of capabilities by their number (capabilities(7), linux/capability.h). */
const CAPABILITIES =
  `CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST
  NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE
  SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND
  AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`
    .split(/\s+/)
    .map((name) => `CAP_${name}`);

/** What Talos gives to no extension. */
const DENIED = ["CAP_SYS_BOOT", "CAP_SYS_MODULE"];

/** What of Talos's settings a container on this machine can have. */
export interface Abilities {
  readonly capabilities: readonly string[];
  /** −600; undefined where this process may not set it. */
  readonly oomScoreAdj: number | undefined;
  /** Undefined when there is no profile on this machine. */
  readonly seccomp: Seccomp | undefined;
  /** What differs from Talos, a sentence each. */
  readonly differences: readonly string[];
}

/** As Talos runs extensions (machined, services/extension.go). */
const OOM_SCORE_ADJ = -600;

/** Finds out what a container can have. */
export function findAbilities(architecture: ArchitectureName): Abilities {
  const held = BigInt(`0x${/^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0"}`);
  const talos = CAPABILITIES.filter((name) => !DENIED.includes(name));
  const capabilities = talos.filter((name) => (held & (1n << BigInt(CAPABILITIES.indexOf(name)))) !== 0n);
  const lacking = talos.filter((name) => !capabilities.includes(name));
  const mayAdjust =
    spawnSync("sh", ["-c", `echo ${OOM_SCORE_ADJ} > /proc/self/oom_score_adj`], { stdio: "ignore" }).status === 0;
  const source = seccompSource();
  const seccomp =
    source === undefined ? undefined : resolveSeccomp(v.parse(v.unknown(), source), architecture, capabilities);
  return {
    capabilities,
    oomScoreAdj: mayAdjust ? OOM_SCORE_ADJ : undefined,
    seccomp,
    differences: [
      ...(lacking.length === 0 ? [] : [`this process lacks ${lacking.join(", ")}`]),
      ...(mayAdjust ? [] : [`oom_score_adj stays as it is: this process may not set it to ${OOM_SCORE_ADJ}`]),
      seccomp === undefined
        ? "no seccomp profile: apt-get install golang-github-containers-common"
        : "seccomp is the profile of containers-common with containerd's answer (EPERM) and without io_uring, not containerd's own",
      "only the extension's root is mounted, without Talos's own; no SELinux; control groups are this machine's",
    ],
  };
}
