/** What Talos reads of the extension: its manifest and the description of its service. */
import { AGENT_NODE } from "@lifeline/bundle";
import { stringify } from "yaml";
import { APPLICATION } from "./container.ts";

/** How the agent is a service of Talos. */
export interface ServiceKind {
  /** The extension, its service, the folder of its container and the service's file: one word, as Talos wants it. */
  readonly name: string;
  readonly description: string;
  readonly stateDirectory: string;
  /** Whether the state lies on the node's disk: below /var, which is there once `cri` is. */
  readonly isOnDisk: boolean;
  /** Whether what it logs goes to the console as well. */
  readonly logsToConsole: boolean;
  /** What it is told beside {@link environmentOf}'s. */
  readonly environment: readonly string[];
}

/** On a node that has joined. The state survives a reboot and an upgrade. */
export const INSTALLED: ServiceKind = {
  name: "lifeline-agent",
  description: "Measures from this node what Omni needs to be reachable, and reports it to a Lifeline collector.",
  stateDirectory: "/var/lib/lifeline-agent",
  isOnDisk: true,
  logsToConsole: false,
  environment: [],
};

/** Where an ExtensionServiceConfig is to put the agent's configuration. The image has a file without content there. */
export const CONFIG_FILE = "/usr/local/etc/lifeline/agent.yaml";

/** Where an image that brings a join token has it. */
export const JOIN_TOKEN_FILE = "/usr/local/etc/lifeline/join-token";

/** Of the 64 MiB that Talos gives a container's /run: the spool, which is memory there, beside key, plan and what is being written. */
const SPOOL_IN_MEMORY_BYTES = 24 * 1024 * 1024;

/**
 * On a machine in maintenance mode: it has no disk, no configuration, and no container runtime to wait for. What it is told comes in the
 * image, and what it keeps ends with its container. `talosctl logs` is for machines that have joined: so the console has its log.
 */
export const MAINTENANCE: ServiceKind = {
  name: "lifeline-agent-maintenance",
  description: "Measures from a machine in maintenance mode what Omni needs to be reachable.",
  stateDirectory: "/run/lifeline-agent",
  isOnDisk: false,
  logsToConsole: true,
  environment: [`LIFELINE_JOIN_TOKEN_FILE=${JOIN_TOKEN_FILE}`, `LIFELINE_SPOOL_MAX_BYTES=${SPOOL_IN_MEMORY_BYTES}`],
};

/** Talos's bundle of certificates, which it gives to no container by itself. */
const CERTIFICATES = "/etc/ssl/certs/ca-certificates";

/** Of the user and group that the agent becomes once what needs root is done: one that no file of Talos belongs to. */
const UID = 65_532;

/** All of a service's environment: Talos gives it none. */
export function environmentOf({ stateDirectory, environment }: ServiceKind): readonly string[] {
  return [
    "PATH=/bin",
    "HOME=/run",
    // Nothing else can be written to; 64 MiB.
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

/** `manifest.yaml`. Talos reads the range as blang/semver does, which wants all three numbers. */
export function manifestText({ name, description }: ServiceKind, version: string): string {
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
 * The service's file. Nothing in it can hold up a boot: it waits for no network, no time and no configuration; every source of a mount
 * is there on every Talos, or is made by it; `cri` is waited for where the state lies below /var.
 */
export function serviceText(kind: ServiceKind): string {
  const { name, stateDirectory, isOnDisk, logsToConsole } = kind;
  const state = { source: stateDirectory, destination: stateDirectory, type: "bind", options: ["rbind", "rw"] };
  return text({
    name,
    container: {
      entrypoint: "/bin/node",
      args: [...AGENT_NODE.flags, APPLICATION, "--config", CONFIG_FILE],
      environment: environmentOf(kind),
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

/** One line to a value, however long. */
const text = (value: object) => stringify(value, { lineWidth: 0 });
