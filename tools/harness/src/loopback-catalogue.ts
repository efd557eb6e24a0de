/** A deployment and a catalogue for runs that measure ports of this machine and nothing else. */

/**
 * The least that a collector must know of a deployment, as YAML (JSON is YAML, YAML 1.2 §1.3). Nothing in it is
 * reached.
 */
export const LOOPBACK_DEPLOYMENT = JSON.stringify({
  version: 1,
  name: "loopback",
  kind: "on-prem",
  omni: {
    api: "https://omni.example.test",
    machineApi: "https://omni.example.test:8090",
    siderolink: ["192.0.2.1:51820"],
  },
});

/** One row: a TCP port. */
export interface LoopbackRow {
  readonly id: string;
  /** Default 127.0.0.1. */
  readonly host?: string;
  readonly port: number;
  /** Between two attempts, ms. */
  readonly cadenceMs: number;
  /** How it is probed. Default: by TCP, with a timeout as long as the cadence. */
  readonly probes?: readonly object[];
}

/** The catalogue's text, as `--catalogue` reads it. */
export function loopbackCatalogue(title: string, rows: readonly LoopbackRow[]): string {
  const requirements = rows.map((row) => requirementOf(title, row));
  return JSON.stringify({ schema: 1, version: "v0.0", title, requirements });
}

function requirementOf(title: string, { id, host = "127.0.0.1", port, cadenceMs, probes }: LoopbackRow) {
  return {
    id,
    purpose: "to be measured",
    source: { document: title, version: title, section: title },
    from: "talos-node",
    deployments: ["on-prem"],
    obligation: "required",
    protocol: "tcp",
    port,
    place: { kind: "hosts", hosts: [host] },
    published: null,
    effective: { value: "a port of loopback", evidence: [`this run of ${title}`] },
    probes: probes ?? [{ probe: "tcp", acceptReset: false, cadenceMs, timeoutMs: cadenceMs }],
  };
}
