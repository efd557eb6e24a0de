/** A catalogue of ports of this machine, for runs that measure nothing else. */

/** One row: a TCP port of 127.0.0.1. */
export interface LoopbackRow {
  readonly id: string;
  readonly port: number;
  /** Between two attempts, and how long each may take, ms. */
  readonly cadenceMs: number;
}

/** The text of it, as a collector takes it (`--catalogue`): JSON is YAML (YAML 1.2 §1.3). */
export function loopbackCatalogue(title: string, rows: readonly LoopbackRow[]): string {
  return JSON.stringify({
    schema: 1,
    version: "v0.0",
    title,
    requirements: rows.map((row) => requirementOf(title, row)),
  });
}

function requirementOf(title: string, { id, port, cadenceMs }: LoopbackRow) {
  return {
    id,
    purpose: "to be measured",
    source: { document: title, version: title, section: title },
    from: "talos-node",
    deployments: ["on-prem"],
    obligation: "required",
    protocol: "tcp",
    port,
    place: { kind: "hosts", hosts: ["127.0.0.1"] },
    published: null,
    effective: { value: "a port of loopback", evidence: [`this run of ${title}`] },
    probes: [{ probe: "tcp", acceptReset: false, cadenceMs, timeoutMs: cadenceMs }],
  };
}
