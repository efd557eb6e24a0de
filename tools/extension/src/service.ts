/** What Talos reads of the extension: its manifest and the description of its service. */
import { stringify } from "yaml";
import { APPLICATION } from "./container.ts";

/** The extension, its service, the folder of its container and the service's file: one word, as Talos wants it. */
export const NAME = "lifeline-agent";

/** Where the node keeps what must survive a reboot and an upgrade. */
export const STATE_DIRECTORY = `/var/lib/${NAME}`;

/** Where an ExtensionServiceConfig is to put the agent's configuration. The image has a file without content there. */
export const CONFIG_FILE = "/usr/local/etc/lifeline/agent.yaml";

/** Talos's bundle of certificates, which it gives to no container by itself. */
const CERTIFICATES = "/etc/ssl/certs/ca-certificates";

/**
 * MiB. The kernel sets no bound to an extension's memory, so the heap has one: well above what the agent holds at its own bounds (an index of
 * 10 MiB for the fullest spool, 4 MiB of reports in memory, one report of 4 MiB being encoded), since a heap that is full is an agent that ends.
 */
const OLD_SPACE_MAX_MIB = 96;

/** Of V8: each of them is in BUDGETS.md with what it gives. */
export const HEAP_FLAGS: readonly string[] = [
  `--max-old-space-size=${OLD_SPACE_MAX_MIB}`,
  "--max-semi-space-size=1",
  "--optimize-for-size",
  "--v8-pool-size=0",
];

/** Talos gives a service no environment at all. */
export const ENVIRONMENT: readonly string[] = [
  "PATH=/bin",
  "HOME=/run",
  // Nothing else can be written to; 64 MiB.
  "TMPDIR=/run",
  "NODE_ENV=production",
  `NODE_EXTRA_CA_CERTS=${CERTIFICATES}`,
  `GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=${CERTIFICATES}`,
  `LIFELINE_STATE_DIR=${STATE_DIRECTORY}`,
  "MALLOC_ARENA_MAX=1",
  // Two: while one waits for a resolver that does not answer (getaddrinfo), the spool is still written.
  "UV_THREADPOOL_SIZE=2",
];

/** `manifest.yaml`. Talos reads the range as blang/semver does, which wants all three numbers. */
export function manifestText(version: string): string {
  return text({
    version: "v1alpha1",
    metadata: {
      name: NAME,
      version,
      author: "Lifeline",
      description: "Measures from this node what Omni needs to be reachable, and reports it to a Lifeline collector.",
      compatibility: { talos: { version: ">= v1.10.0" } },
    },
  });
}

/**
 * The service's file. Nothing in it can hold up a boot: it waits for no network, no time and no configuration; every source of a mount
 * is there on every Talos, or is made by it; `cri` is waited for because the state lies below /var.
 */
export function serviceText(): string {
  return text({
    name: NAME,
    container: {
      entrypoint: "/bin/node",
      args: [...HEAP_FLAGS, APPLICATION, "--config", CONFIG_FILE],
      environment: [...ENVIRONMENT],
      mounts: [
        { source: STATE_DIRECTORY, destination: STATE_DIRECTORY, type: "bind", options: ["rbind", "rw"] },
        { source: "/etc/ssl/certs", destination: "/etc/ssl/certs", type: "bind", options: ["rbind", "ro"] },
        { source: "/etc/os-release", destination: "/etc/os-release", type: "bind", options: ["bind", "ro"] },
      ],
    },
    depends: [{ service: "cri" }],
    restart: "always",
  });
}

/** One line to a value, however long. */
const text = (value: object) => stringify(value, { lineWidth: 0 });
