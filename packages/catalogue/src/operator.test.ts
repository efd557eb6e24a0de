import { describe, expect, it } from "vitest";
import { loadCatalogue } from "./bundled.ts";
import { extendCatalogue, parseExtra } from "./catalogue.ts";
import type { NodeFacts } from "./condition.ts";
import { type Deployment, deploymentFrom, parseDeployment } from "./deployment.ts";
import { resolve } from "./resolve.ts";

const FACTS: NodeFacts = { nodeId: "n", roles: ["talos-node"], families: [4], resolvers: ["10.0.0.53"] };
const ON_PREM = deploymentFrom({ api: "https://omni.test", machineApi: "https://omni.test:8090", siderolink: [] });
const SAAS = deploymentFrom({ api: "https://acme.omni.siderolabs.io", siderolink: [] });
const AIR_GAPPED = parseDeployment(
  "d.yaml",
  `version: 1\nname: n\nkind: on-prem\nomni: { api: "https://omni.test" }\nairGapped: { mirrors: [{ replaces: ghcr.io, with: "https://mirror.test" }] }\n`,
  () => "",
);

const ownRow = (operator: string) => `schema: 1
requirements:
  - id: our-registry
    purpose: Images
    source: { document: own.yaml, version: "1", section: Registries }
    from: talos-node
    deployments: [on-prem]
    obligation: required
    protocol: tcp
    port: 443
    place: { kind: hosts, hosts: [registry.test] }
${operator}
    published: null
    effective: { value: registry.test, evidence: [the site's own rule] }
    probes: [{ probe: tcp, acceptReset: false }]
`;

/** The hosts of a row's targets that somebody outside the site runs. */
function outsiders(id: string, deployment: Deployment, operator = ""): readonly string[] {
  const catalogue = extendCatalogue(loadCatalogue(), parseExtra("own.yaml", ownRow(operator)));
  const row = resolve(catalogue, deployment, FACTS).rows.find(({ requirement }) => requirement.id === id);
  if (row?.kind !== "targets") throw new Error(`${id} is ${JSON.stringify(row)}`);
  return [...new Set(row.targets.filter((one) => row.thirdPartyIds.includes(one.id)).map(({ host }) => host))];
}

describe("the operator of an endpoint", () => {
  it.each([
    ["Omni on-prem is the site", "machine-api", ON_PREM, "", []],
    ["Omni as SaaS is not", "saas-machine-api", SAAS, "", ["acme.siderolink.omni.siderolabs.io"]],
    ["a public host is not", "node-ghcr", ON_PREM, "", ["ghcr.io"]],
    ["a sampled wildcard is not", "node-kubernetes-cdn", ON_PREM, "", ["cdn.registry.k8s.io"]],
    ["a mirror is the site", "node-ghcr", AIR_GAPPED, "", []],
    ["a resolver of the node is the site", "node-dns-udp", ON_PREM, "", []],
    ["a default time server is not", "node-time", ON_PREM, "", ["time.cloudflare.com"]],
    ["a host of a row of one's own is not", "our-registry", ON_PREM, "", ["registry.test"]],
    ["unless the row says so", "our-registry", ON_PREM, "    operator: site", []],
  ])("%s", (_, id, deployment, operator, hosts) => {
    expect(outsiders(id, deployment, operator)).toEqual(hosts);
  });
});
