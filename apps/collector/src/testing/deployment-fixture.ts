/** A small deployment and its catalogue, for tests. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const DEPLOYMENT = `
version: 1
name: test
kind: on-prem
omni: { api: "https://127.0.0.1:8443", siderolink: ["127.0.0.1:50180"] }
`;

/** How a row of a test's catalogue differs from the others. */
interface RowOptions {
  readonly obligation?: string;
  readonly port?: number;
}

/** A row of a test's catalogue, YAML: `probe` is measured at a service of the deployment. */
export function requirementRow(id: string, service: string, protocol: string, probe: string, options: RowOptions = {}) {
  const { obligation = "required", port = 443 } = options;
  return `
  - id: ${id}
    purpose: test
    source: { document: d, version: v1.13, section: s }
    from: talos-node
    deployments: [on-prem]
    obligation: ${obligation}
    protocol: ${protocol}
    port: ${port}
    place: { kind: service, service: ${service} }
    published: { value: x }
    effective: { value: x, evidence: [] }
    probes: [${probe}]`;
}

/** A row that the node's facts decide, YAML. */
export function checkRow(id: string, check: string): string {
  return requirementRow(id, "machine-api", "tcp", "").replace("probes: []", `probes: []\n    check: ${check}`);
}

/** A catalogue of those rows, YAML. */
export function catalogueOf(...rows: readonly string[]): string {
  return `
schema: 1
version: v1.13
title: test
requirements:${rows.join("")}
`;
}

const TCP = requirementRow("api-tcp", "api", "tcp", "{ probe: tcp, acceptReset: false }");
const UDP = "{ probe: udp, payloadBytes: 16 }";
const CATALOGUE = catalogueOf(TCP, requirementRow("siderolink-udp", "siderolink", "udp", UDP));

/** A target of the plan. */
export const TARGET = "api-tcp|tcp|127.0.0.1:8443|ipv4";

/** Writes the files of a deployment whose plan has two targets. */
export function writeDeployment(directory: string): void {
  writeFileSync(join(directory, "deployment.yaml"), DEPLOYMENT);
  writeFileSync(join(directory, "catalogue.yaml"), CATALOGUE);
}
