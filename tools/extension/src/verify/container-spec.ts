/**
 * The OCI runtime specification of a container, as Talos and containerd make it of a service file (machined: services/extension.go;
 * containerd: pkg/oci/spec.go).
 *
 * 1. The environment is the service file's, under what an ExtensionServiceConfig adds; nothing else is in it.
 * 2. The network is the caller's. Root, and /tmp with it, is read-only; /run and /dev/shm are the container's own, 64 MiB each.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ServiceFile } from "../validate/service-file.ts";
import type { Profile } from "./arguments.ts";
import type { Abilities } from "./machine.ts";

/** What a specification is made of. */
export interface SpecParts {
  readonly service: ServiceFile;
  readonly profile: Profile;
  readonly abilities: Abilities;
  /** The container's root on this machine. */
  readonly root: string;
  /** Folder that stands for the node's root: sources of mounts are looked up in it. */
  readonly node: string;
  /** What is added to the environment, by name. */
  readonly environment: Readonly<Record<string, string>>;
  readonly cgroup: string;
}

/** The kernel's arguments, where the node's folder has some of its own: a container of Talos reads its node's. */
const KERNEL_ARGUMENTS = "/proc/cmdline";

/** Open files through Talos v1.12: containerd's default. */
const NOFILE = 1_024;

/** containerd's default masked and read-only paths (pkg/oci/spec.go). */
const MASKED = "acpi asound kcore keys latency_stats timer_list timer_stats sched_debug scsi".split(" ");
const READONLY = "bus fs irq sys sysrq-trigger".split(" ");

/** Makes it. */
export function containerSpec(parts: SpecParts) {
  const { service, profile, abilities, root, cgroup } = parts;
  const { capabilities, oomScoreAdj, seccomp } = abilities;
  const namespaces = ["pid", "uts", "mount", ...(profile === "v1.12" ? ["ipc"] : [])];
  return {
    ociVersion: "1.0.2",
    process: {
      user: { uid: 0, gid: 0 },
      args: [service.container.entrypoint, ...service.container.args],
      env: environmentOf(parts),
      cwd: "/",
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      rlimits: profile === "v1.12" ? [{ type: "RLIMIT_NOFILE", hard: NOFILE, soft: NOFILE }] : [],
      noNewPrivileges: true,
      ...(oomScoreAdj === undefined ? {} : { oomScoreAdj }),
    },
    root: { path: root, readonly: true },
    hostname: "",
    mounts: mountsOf(parts),
    ...hooksOf(parts),
    linux: {
      cgroupsPath: cgroup,
      resources: { devices: [{ allow: true, access: "rwm" }] },
      namespaces: namespaces.map((type) => ({ type })),
      maskedPaths: [...MASKED.map((name) => `/proc/${name}`), "/sys/firmware"],
      readonlyPaths: READONLY.map((name) => `/proc/${name}`),
      ...(seccomp === undefined ? {} : { seccomp }),
    },
  };
}

function environmentOf({ service, environment }: SpecParts): readonly string[] {
  const all = new Map(service.container.environment.map((entry) => [entry.slice(0, entry.indexOf("=")), entry]));
  for (const [name, value] of Object.entries(environment)) all.set(name, `${name}=${value}`);
  return [...all.values()];
}

/** runc mounts nothing below /proc by itself; it lets a hook do it, once all else is mounted and before the root is changed. */
function hooksOf({ node, root }: SpecParts) {
  const file = join(node, KERNEL_ARGUMENTS);
  if (!existsSync(file)) return {};
  const args = ["mount", "--bind", file, join(root, KERNEL_ARGUMENTS)];
  return { hooks: { createContainer: [{ path: "/bin/mount", args }] } };
}

const SIZE = "size=65536k";

function mountsOf({ service, node }: SpecParts) {
  const own = (destination: string, type: string, ...options: string[]) => ({
    destination,
    type,
    source: type,
    options,
  });
  const bind = (path: string) => ({
    destination: path,
    type: "bind",
    source: join(node, path),
    options: ["bind", "ro"],
  });
  return [
    own("/proc", "proc", "nosuid", "noexec", "nodev"),
    own("/dev", "tmpfs", "nosuid", "strictatime", "mode=755", SIZE),
    own("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
    own("/dev/shm", "tmpfs", "nosuid", "noexec", "nodev", "mode=1777", SIZE),
    own("/dev/mqueue", "mqueue", "nosuid", "noexec", "nodev"),
    own("/sys", "sysfs", "nosuid", "noexec", "nodev", "ro"),
    own("/run", "tmpfs", "nosuid", "strictatime", "mode=755", SIZE),
    ...service.container.mounts.map((mount) => ({ ...mount, source: join(node, mount.source) })),
    // Talos injects these two.
    bind("/etc/hosts"),
    bind("/etc/resolv.conf"),
  ];
}
