/** What Talos reads of the extension: its manifest and the description of its service. */
import { AGENT_NODE } from "@lifeline/bundle";
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

/** Of the user and group that the agent becomes once what needs root is done: one that no file of Talos belongs to. */
const UID = 65_532;

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
  `LIFELINE_RUN_AS_UID=${UID}`,
  ...Object.entries(AGENT_NODE.environment).map(([name, value]) => `${name}=${value}`),
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
      args: [...AGENT_NODE.flags, APPLICATION, "--config", CONFIG_FILE],
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
