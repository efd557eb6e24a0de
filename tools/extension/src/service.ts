/** The files of the extension that Talos reads: its manifest and its service file. */
import { AGENT_NODE } from "@lifeline/bundle";
import { stringify } from "yaml";
import { APPLICATION } from "./container.ts";

/** In what the variants of the service differ. */
export interface ServiceOptions {
  /** Of the extension, its service, the container's directory and the service file: Talos wants the same for all. */
  readonly name: string;
  readonly description: string;
  readonly stateDirectory: string;
  /** Whether the state is on the node's disk, below /var, which is mounted once `cri` runs. */
  readonly isOnDisk: boolean;
  /** Whether the console gets its log as well. */
  readonly logsToConsole: boolean;
  /** Variables beside those of {@link environmentOf}. */
  readonly environment: readonly string[];
}

/** For a node that has joined. The state survives reboots and upgrades. */
export const INSTALLED: ServiceOptions = {
  name: "lifeline-agent",
  description: "Measures from this node what Omni needs to be reachable, and reports it to a Lifeline collector.",
  stateDirectory: "/var/lib/lifeline-agent",
  isOnDisk: true,
  logsToConsole: false,
  environment: [],
};

/** The agent's configuration. An ExtensionServiceConfig replaces the empty one of the image. */
export const CONFIG_FILE = "/usr/local/etc/lifeline/agent.yaml";

/** The join token of an image that brings one. */
export const JOIN_TOKEN_FILE = "/usr/local/etc/lifeline/join-token";

/** Of the 64 MiB of a container's /run, which is memory. Key, plan and files being written need the rest. */
const SPOOL_IN_MEMORY_BYTES = 24 * 1024 * 1024;

/**
 * For a machine in maintenance mode, which has no disk, no configuration and no `cri`. The image brings the
 * configuration, and the state ends with the container. `talosctl logs` works only on machines that have joined, so the
 * console gets the log.
 */
export const MAINTENANCE: ServiceOptions = {
  name: "lifeline-agent-maintenance",
  description: "Measures from a machine in maintenance mode what Omni needs to be reachable.",
  stateDirectory: "/run/lifeline-agent",
  isOnDisk: false,
  logsToConsole: true,
  environment: [`LIFELINE_JOIN_TOKEN_FILE=${JOIN_TOKEN_FILE}`, `LIFELINE_SPOOL_MAX_BYTES=${SPOOL_IN_MEMORY_BYTES}`],
};

/** Talos's bundle of CA certificates. No container has it without a mount. */
const CERTIFICATES = "/etc/ssl/certs/ca-certificates";

/** User and group that the agent changes to once it has done what needs root. No file of Talos belongs to them. */
const UID = 65_532;

/** The whole environment of the service: Talos adds nothing. */
export function environmentOf({ stateDirectory, environment }: ServiceOptions): readonly string[] {
  return [
    "PATH=/bin",
    "HOME=/run",
    // The only writable directory, 64 MiB.
    "TMPDIR=/run",
    "NODE_ENV=production",
    `NODE_EXTRA_CA_CERTS=${CERTIFICATES}`,
    `GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=${CERTIFICATES}`,
    `LIFELINE_STATE_DIR=${stateDirectory}`,
    `LIFELINE_RUN_AS_UID=${UID}`,
    ...environment,
    ...Object.entries(AGENT_NODE.environment).map(([name, value]) => `${name}=${value}`),
  ];
}

/** `manifest.yaml`. Talos's range needs all three numbers (blang/semver). */
export function manifestText({ name, description }: ServiceOptions, version: string): string {
  return text({
    version: "v1alpha1",
    metadata: {
      name,
      version,
      author: "Lifeline",
      description,
      compatibility: { talos: { version: ">= v1.10.0" } },
    },
  });
}

/**
 * The service file. Nothing in it can hold up a boot: the service does not wait for network, time or configuration, and
 * Talos has or makes every source of a mount. It waits for `cri` if its state is below /var.
 */
export function serviceText(options: ServiceOptions): string {
  const { name, stateDirectory, isOnDisk, logsToConsole } = options;
  const state = { source: stateDirectory, destination: stateDirectory, type: "bind", options: ["rbind", "rw"] };
  return text({
    name,
    container: {
      entrypoint: "/bin/node",
      args: [...AGENT_NODE.flags, APPLICATION, "--config", CONFIG_FILE],
      environment: environmentOf(options),
      mounts: [
        ...(isOnDisk ? [state] : []),
        { source: "/etc/ssl/certs", destination: "/etc/ssl/certs", type: "bind", options: ["rbind", "ro"] },
        { source: "/etc/os-release", destination: "/etc/os-release", type: "bind", options: ["bind", "ro"] },
      ],
    },
    ...(isOnDisk ? { depends: [{ service: "cri" }] } : {}),
    restart: "always",
    ...(logsToConsole ? { logToConsole: true } : {}),
  });
}

/** Without line folding, so that each value is on one line. */
const text = (value: object) => stringify(value, { lineWidth: 0 });
