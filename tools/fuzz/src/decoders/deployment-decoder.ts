/** Deployment files. */
import {
  CatalogueError,
  type Deployment,
  type Endpoint,
  parseDeployment,
  type TrustedEndpoint,
} from "@lifeline/catalogue";
import type { Random } from "@lifeline/harness";
import { endpointName, type ProxyEndpoint } from "@lifeline/measure";
import { CA_PEM } from "@lifeline/measure/testing";
import { type Decoder, isReread, law, lawSame, unlessRefused } from "../decoder.ts";
import { DOCUMENT_BYTES, drawDocument } from "../document-draw.ts";
import { byteGrowth } from "../growth.ts";

const LEAST = { version: 1, name: "n", kind: "on-prem", omni: { api: "https://omni.example" } };
const FULL = {
  ...LEAST,
  kind: "saas",
  omni: {
    api: "https://a.omni.siderolabs.io",
    machineApi: "grpc://omni.example:8090",
    siderolink: ["omni.example:50180", "[2001:db8::10]:50180"],
    grpcTunnel: false,
    caPem: CA_PEM,
    inTunnelAddress: "fdae::1",
    stampReflectors: ["192.0.2.1:862"],
    stampAuthenticated: true,
    identityProvider: { url: "https://auth.example:5556", caFile: "ca.pem" },
    etcdBackup: { url: "http://s3.example" },
    vault: { url: "https://vault.example:8200", caPem: CA_PEM },
  },
  egress: { nodesPullDirectly: true, mediaThroughOmni: false, httpProxy: "http://proxy.example:3128" },
  network: { resolvers: ["10.0.0.53"], timeServers: ["ntp.example"], networkTimeSecurity: true },
  airGapped: { mirrors: [{ replaces: "*.ghcr.io", with: "https://registry.example:5000" }] },
  catalogue: { version: "v1.13", extra: ["own.yaml"] },
};
const { omni, egress, network, airGapped, catalogue } = FULL;
const TREES = [
  LEAST,
  { ...LEAST, omni },
  { ...LEAST, egress, network },
  { ...LEAST, airGapped, catalogue },
  FULL,
] as const;

const TEXTS = [
  `version: 1
name: berlin # shown
kind: on-prem
omni:
  api: https://omni.example
  siderolink:
    - omni.example:50180
    - "[2001:db8::10]:50180"
  caPem: |
${CA_PEM.replace(/^(?=.)/gm, "    ")}network:
  resolvers: [10.0.0.53]
`,
];

/** A file that says the same, every default written out. */
function written(deployment: Deployment): unknown {
  const { name, kind, egress, network, airGapped, catalogue } = deployment;
  const { caPem, machineApi, inTunnelAddress, identityProvider, etcdBackup, vault, ...rest } = deployment.omni;
  const places = { machineApi: machineApi && url(machineApi), inTunnelAddress, caPem };
  const trusted = {
    identityProvider: identityProvider && trust("url", identityProvider),
    etcdBackup: etcdBackup && trust("url", etcdBackup),
    vault: vault && trust("url", vault),
  };
  const lists = { siderolink: rest.siderolink.map(hostPort), stampReflectors: rest.stampReflectors.map(hostPort) };
  const mirrors = airGapped?.mirrors.map((mirror) => ({ replaces: mirror.replaces, ...trust("with", mirror.with) }));
  return {
    version: 1,
    name,
    kind,
    omni: { ...rest, api: url(rest.api), ...places, ...trusted, ...lists },
    egress: { ...egress, httpProxy: egress.httpProxy && proxyUrl(egress.httpProxy) },
    network,
    ...(mirrors === undefined ? {} : { airGapped: { mirrors } }),
    catalogue,
  };
}

/**
 * Without TLS and under the default port of grpc, a URL of http says the same of an endpoint as one of grpc where both
 * may stand.
 */
function url({ host, port, secure }: Endpoint): string {
  return `${secure ? "https" : "http"}://${endpointName(host, port)}`;
}
const proxyUrl = ({ scheme = "http", host, port }: ProxyEndpoint) => `${scheme}://${endpointName(host, port)}`;
const hostPort = ({ host, port }: Endpoint) => endpointName(host, port);
const trust = (key: "url" | "with", { caPem, ...endpoint }: TrustedEndpoint) => ({ [key]: url(endpoint), caPem });

const draw = (random: Random) => drawDocument(random, TREES, TEXTS);

function read(input: Uint8Array): Deployment | undefined {
  const text = Buffer.from(input).toString();
  return unlessRefused(CatalogueError, () => parseDeployment("d.yaml", text, () => CA_PEM));
}

/** parseDeployment; a certificate file is a certificate, whatever its path. */
export const deploymentDecoder: Decoder = {
  name: "deployment",
  draw,
  growth: byteGrowth(draw, DOCUMENT_BYTES, read),
  check(input) {
    const deployment = read(input);
    if (deployment === undefined) return "refused";
    for (const list of [deployment.omni.siderolink, deployment.omni.stampReflectors]) {
      law(list.length <= 16, "at most 16 endpoints of one kind");
      for (const { port } of list) law(port >= 1 && port <= 65_535, "a port is within its range");
    }
    law((deployment.airGapped?.mirrors.length ?? 0) <= 64, "at most 64 mirrors");
    if (!isReread(input)) return "decoded";
    const isCleartext = deployment.omni.machineApi?.secure === false;
    const again = JSON.stringify(written(deployment));
    const grpc = isCleartext ? again.replace('"machineApi":"http:', '"machineApi":"grpc:') : again;
    lawSame(
      "decode∘encode = id",
      parseDeployment("again", grpc, () => CA_PEM),
      deployment,
    );
    return "decoded";
  },
};
