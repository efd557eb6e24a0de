/**
 * The OCI runtime specification that Talos and containerd make of a service file (machined: services/extension.go;
 * containerd: pkg/oci/spec.go).
 *
 * 1. The environment is the service file's; an ExtensionServiceConfig may replace and add variables. Nothing else is in
 *    it.
 * 2. The network is the caller's. The root, with /tmp, is read-only; /run and /dev/shm are the container's own, 64 MiB
 *    each.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ServiceFile } from "../validate/service-file.ts";
import type { Profile } from "./arguments.ts";
import type { Abilities } from "./machine.ts";

/** What it is made of. */
export interface SpecParts {
  readonly service: ServiceFile;
  readonly profile: Profile;
  readonly abilities: Abilities;
  /** The container's root on this machine. */
  readonly root: string;
  /** Directory that stands for the node's root: sources of mounts are in it. */
  readonly node: string;
  /** Variables of an ExtensionServiceConfig, by name. */
  readonly environment: Readonly<Record<string, string>>;
  readonly cgroup: string;
}

/**
 * The kernel's arguments. On Talos a container reads those of its node, so a test may put such a file into the node's
 * root.
 */
const KERNEL_ARGUMENTS = "/proc/cmdline";

/** Open files through Talos v1.12: containerd's default. */
const NOFILE = 1_024;

/** containerd's default masked and read-only paths (pkg/oci/spec.go). */
const MASKED = "acpi asound kcore keys latency_stats timer_list timer_stats sched_debug scsi".split(" ");
const READONLY = "bus fs irq sys sysrq-trigger".split(" ");

/** The specification, as config.json has it. */
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

/** runc refuses mounts below /proc. A hook may make one, after all others and before the root is changed. */
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
