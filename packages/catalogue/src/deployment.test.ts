import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CA_PEM } from "@lifeline/measure/testing";
import { afterAll, describe, expect, it } from "vitest";
import { loadCatalogueFor, loadDeployment } from "./bundled.ts";
import { deploymentFrom, parseDeployment } from "./deployment.ts";
import { CatalogueError } from "./error.ts";

const GOOD = `version: 1
name: berlin
kind: on-prem
omni:
  api: https://omni.example
`;
const noPem = (): string => {
  throw new Error("no certificate was named");
};
const read = (yaml: string) => parseDeployment("deployment.yaml", yaml, noPem);

function failure(work: () => unknown): CatalogueError {
  try {
    work();
  } catch (error) {
    if (error instanceof CatalogueError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("parseDeployment", () => {
  it("fills in every default", () => {
    expect(read(GOOD)).toEqual({
      name: "berlin",
      kind: "on-prem",
      omni: {
        api: { host: "omni.example", port: 443, secure: true },
        machineApi: undefined,
        siderolink: [],
        grpcTunnel: false,
        caPem: undefined,
        inTunnelAddress: undefined,
        stampReflectors: [],
        stampAuthenticated: false,
        identityProvider: undefined,
        etcdBackup: undefined,
        vault: undefined,
      },
      egress: {
        nodesPullDirectly: true,
        mediaThroughOmni: false,
        httpProxy: undefined,
        redirectHosts: [],
        caPem: undefined,
        tlsInspection: [],
      },
      certificates: { endsSoonDays: 14 },
      network: { resolvers: [], timeServers: [], networkTimeSecurity: false },
      airGapped: undefined,
      catalogue: { version: undefined, extra: [] },
    });
  });

  it("reads the example with every key", () => {
    const example = readFileSync(new URL("../data/deployment-example.yaml", import.meta.url), "utf8");
    const deployment = parseDeployment("deployment-example.yaml", example, noPem);
    expect(deployment.omni.siderolink).toEqual([
      { host: "omni.example.internal", port: 50180, secure: false },
      { host: "2001:db8::10", port: 50180, secure: false },
    ]);
    expect(deployment.airGapped?.mirrors[0]?.with).toEqual({
      host: "registry.example.internal",
      port: 5000,
      secure: true,
    });
  });

  it.each([
    ["grpc://omni.example:8090", { host: "omni.example", port: 8090, secure: false }],
    ["https://omni.example", { host: "omni.example", port: 443, secure: true }],
    ["https://[fd00::1]:8090/", { host: "fd00::1", port: 8090, secure: true }],
    ["GRPC://om_ni.example.:8090", { host: "om_ni.example", port: 8090, secure: false }],
    ["https://ömni.example:443", { host: "xn--mni-rna.example", port: 443, secure: true }],
    ["grpc://ömni.example:80", { host: "xn--mni-rna.example", port: 80, secure: false }],
  ])("reads the Machine API %s", (url, endpoint) => {
    expect(read(`${GOOD}  machineApi: ${url}\n`).omni.machineApi).toEqual(endpoint);
  });

  it.each([
    ["a list", '["a.example:1", "[fd00::1]:2"]'],
    ["a text with commas, as Omni's flag has it", '"a.example:1, [fd00::1]:2"'],
    ["a list with such a text", '["a.example.:1,[fd00::1]:2"]'],
  ])("reads SideroLink endpoints from %s", (_, siderolink) => {
    expect(read(`${GOOD}  siderolink: ${siderolink}\n`).omni.siderolink).toEqual([
      { host: "a.example", port: 1, secure: false },
      { host: "fd00::1", port: 2, secure: false },
    ]);
  });

  it("reads a SideroLink endpoint whose name is not ASCII as punycode", () => {
    const [endpoint] = read(`${GOOD}  siderolink: ["ömni.example:50180"]\n`).omni.siderolink;
    expect(endpoint?.host).toBe("xn--mni-rna.example");
  });

  it("keeps the zone of a resolver", () => {
    const yaml = `${GOOD}network: { resolvers: ["fe80::53%eth0", 10.0.0.53] }\n`;
    expect(read(yaml).network.resolvers).toEqual(["fe80::53%eth0", "10.0.0.53"]);
  });

  it("derives the Machine API of a SaaS account from its API", () => {
    const yaml = GOOD.replace("on-prem", "saas").replace("omni.example", "acme.omni.siderolabs.io");
    expect(read(yaml).omni.machineApi).toEqual({ host: "acme.siderolink.omni.siderolabs.io", port: 443, secure: true });
  });

  const bad: readonly [title: string, yaml: string, message: string][] = [
    [
      "a join token in the Machine API, without the token in the error (S1)",
      `${GOOD}  machineApi: https://omni.example:8090/?jointoken=s3cr3t\n`,
      'deployment.yaml: omni.machineApi: got "https://omni.example:8090/?…", want an https or grpc URL of host and optional port, without path, query (no join token) or credentials: it has a query',
    ],
    [
      "an unknown key, without its value in the error (S1)",
      `${GOOD}  joinToken: s3cr3t\n`,
      "deployment.yaml: omni.joinToken: got an unknown key, want one of api, machineApi, siderolink, grpcTunnel, caFile, caPem, inTunnelAddress, stampReflectors, stampAuthenticated, identityProvider, etcdBackup, vault",
    ],
    [
      "a cleartext API",
      GOOD.replace("https:", "http:"),
      'deployment.yaml: omni.api: got "http://omni.example", want an https URL of host and optional port, without path, query or credentials: its scheme is not https',
    ],
    [
      "an API with a path",
      GOOD.replace("omni.example", "omni.example/ui"),
      'deployment.yaml: omni.api: got "https://omni.example/ui", want an https URL of host and optional port, without path, query or credentials: it has a path',
    ],
    [
      "a list of URLs where one is expected",
      GOOD.replace("https://omni.example", '"https://a.example,https://b.example"'),
      'deployment.yaml: omni.api: got "https://a.example,https://b.example", want an https URL of host and optional port, without path, query or credentials: it is a list, and one URL is expected',
    ],
    [
      "a port out of range",
      GOOD.replace("omni.example", "omni.example:65536"),
      'deployment.yaml: omni.api: got "https://omni.example:65536", want an https URL of host and optional port, without path, query or credentials: its port is not a number from 1 to 65535',
    ],
    [
      "a host that is none",
      GOOD.replace("omni.example", "om ni.example"),
      'deployment.yaml: omni.api: got "https://om ni.example", want an https URL of host and optional port, without path, query or credentials: its host is neither a host name nor an address, IPv6 in brackets',
    ],
    [
      "a resolver by its name, one with a port, and a link-local one without its zone",
      `${GOOD}network: { resolvers: [dns.example, "10.0.0.53:53", "fe80::53"] }\n`,
      ["dns.example", "10.0.0.53:53", "fe80::53"]
        .map(
          (value, at) =>
            `deployment.yaml: network.resolvers[${at}]: got "${value}", want an address without port, because a resolver is reached by its address; a link-local one with its zone, fe80::53%eth0`,
        )
        .join("\n"),
    ],
    [
      "a misspelt key, with the nearest",
      `${GOOD}  siderlink: []\n`,
      "deployment.yaml: omni.siderlink: got an unknown key, want one of api, machineApi, siderolink, grpcTunnel, caFile, caPem, inTunnelAddress, stampReflectors, stampAuthenticated, identityProvider, etcdBackup, vault; the nearest is siderolink",
    ],
    [
      "a SideroLink endpoint without port",
      `${GOOD}  siderolink: [omni.example]\n`,
      'deployment.yaml: omni.siderolink[0]: got "omni.example", want host:port with a port from 1 to 65535, IPv6 in brackets',
    ],
    [
      "a SideroLink endpoint out of range, and one of IPv6 without brackets",
      `${GOOD}  siderolink: ["omni.example:65536", "fd00::1:50180"]\n`,
      [
        'deployment.yaml: omni.siderolink[0]: got "omni.example:65536", want host:port with a port from 1 to 65535, IPv6 in brackets',
        'deployment.yaml: omni.siderolink[1]: got "fd00::1:50180", want host:port with a port from 1 to 65535, IPv6 in brackets',
      ].join("\n"),
    ],
    ["another kind", GOOD.replace("on-prem", "cloud"), 'deployment.yaml: kind: got "cloud", want one of on-prem, saas'],
    ["no omni", GOOD.split("omni:")[0] ?? "", "deployment.yaml: omni: got nothing, want a mapping"],
    [
      "a private key as CA, with only its first line in the error (S1)",
      `${GOOD}  caPem: "-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----BEGIN CERTIFICATE-----"\n`,
      'deployment.yaml: omni.caPem: got "-----BEGIN PRIVATE KEY-----…", want PEM certificates of at most 64 KiB, each of which can be read, without a private key',
    ],
    [
      "an unreadable CA, which would fail at each attempt of each node",
      `${GOOD}  caPem: "-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----"\n`,
      'deployment.yaml: omni.caPem: got "-----BEGIN CERTIFICATE-----…", want PEM certificates of at most 64 KiB, each of which can be read, without a private key',
    ],
    [
      "two CAs for one endpoint",
      `${GOOD}  caFile: ca.pem\n  caPem: ${JSON.stringify(CA_PEM)}\n`,
      "deployment.yaml: omni: got caFile and caPem, want one of caFile, caPem",
    ],
    [
      "an IPv4 address in the tunnel",
      `${GOOD}  inTunnelAddress: 10.0.0.1\n`,
      'deployment.yaml: omni.inTunnelAddress: got "10.0.0.1", want an IPv6 address without brackets',
    ],
    [
      "one mirror of a host twice",
      `${GOOD}airGapped:\n  mirrors:\n    - { replaces: ghcr.io, with: "https://a.example" }\n    - { replaces: ghcr.io, with: a.example/ }\n`,
      'deployment.yaml: airGapped.mirrors[1].replaces: got "ghcr.io", want each mirror of a host once',
    ],
    [
      "a mirror with a query",
      `${GOOD}airGapped:\n  mirrors:\n    - { replaces: ghcr.io, with: "https://a.example/?token=x" }\n`,
      'deployment.yaml: airGapped.mirrors[0].with: got "https://a.example/?…", want an http or https URL of host, optional port and path, without query or credentials; https without a scheme',
    ],
    [
      "NTS without a time server",
      `${GOOD}network: { networkTimeSecurity: true }\n`,
      "deployment.yaml: network.networkTimeSecurity: got true, want network.timeServers too, because NTS is set for these only",
    ],
    [
      "a catalogue version without v",
      `${GOOD}catalogue: { version: "1.13" }\n`,
      'deployment.yaml: catalogue.version: got "1.13", want a version such as v1.13',
    ],
    [
      "too many endpoints (S2)",
      `${GOOD}  siderolink: [${Array.from({ length: 17 }, (_, n) => `"h:${n + 1}"`).join(", ")}]\n`,
      "deployment.yaml: omni.siderolink: got a list of 17, want a list of 0 to 16 endpoints",
    ],
  ];
  it.each(bad)("refuses %s", (_title, yaml, message) => {
    expect(failure(() => read(yaml)).message).toBe(message);
  });
});

describe("deploymentFrom", () => {
  it("builds a deployment from flags", () => {
    const deployment = deploymentFrom({
      api: "https://omni.example",
      machineApi: "grpc://omni.example:8090",
      siderolink: ["10.0.0.1:50180"],
      stampReflectors: ["10.0.0.1:862"],
      caPem: CA_PEM,
    });
    expect([deployment.name, deployment.kind]).toEqual(["omni.example", "on-prem"]);
    expect(deployment.omni).toMatchObject({
      machineApi: { host: "omni.example", port: 8090, secure: false },
      siderolink: [{ host: "10.0.0.1", port: 50180 }],
      stampReflectors: [{ host: "10.0.0.1", port: 862 }],
      caPem: CA_PEM,
    });
  });

  it("takes an API without scheme as https, as people type it", () => {
    const { omni } = deploymentFrom({ api: "omni.example:8443", siderolink: ["a:1,b:2"] });
    expect(omni).toMatchObject({
      api: { host: "omni.example", port: 8443, secure: true },
      siderolink: [{ host: "a" }, { host: "b" }],
    });
  });

  it("recognises a SaaS account by its host name", () => {
    const deployment = deploymentFrom({ api: "https://acme.omni.siderolabs.io", siderolink: [] });
    expect([deployment.kind, deployment.omni.machineApi?.host]).toEqual(["saas", "acme.siderolink.omni.siderolabs.io"]);
  });

  it("names the field of a wrong flag", () => {
    expect(failure(() => deploymentFrom({ api: "http://omni.example", siderolink: ["omni.example"] })).message).toBe(
      [
        'command line: omni.api: got "http://omni.example", want an https URL of host and optional port, without path, query or credentials: its scheme is not https',
        'command line: omni.siderolink[0]: got "omni.example", want host:port with a port from 1 to 65535, IPv6 in brackets',
      ].join("\n"),
    );
  });
});

describe("loadDeployment", () => {
  const directory = mkdtempSync(join(tmpdir(), "lifeline-catalogue-"));
  afterAll(() => rmSync(directory, { recursive: true }));
  const written = (name: string, content: string) => {
    writeFileSync(join(directory, name), content);
    return join(directory, name);
  };

  it("reads certificates relative to the deployment file", () => {
    written("ca.pem", CA_PEM);
    expect(loadDeployment(written("deployment.yaml", `${GOOD}  caFile: ca.pem\n`)).omni.caPem).toBe(CA_PEM);
  });

  it("names the field whose certificate file does not exist", () => {
    const path = written("lost.yaml", `${GOOD}  caFile: lost.pem\n`);
    const error = failure(() => loadDeployment(path));
    const lost = join(directory, "lost.pem");
    expect(error.message).toBe(`lost.yaml: omni.caFile: got "${lost}" (ENOENT), want a file that can be read`);
    expect(error.code).toBe("unreadable");
  });

  it("refuses a certificate file without a certificate", () => {
    written("empty.pem", "hello");
    const path = written("empty.yaml", `${GOOD}  caFile: empty.pem\n`);
    expect(failure(() => loadDeployment(path)).message).toBe(
      'empty.yaml: omni.caFile: got "empty.pem", want a file of PEM certificates of at most 64 KiB, each of which can be read, without a private key',
    );
  });

  it("adds the rows of its extra files to the catalogue version it names", () => {
    written(
      "own.yaml",
      `schema: 1
requirements:
  - id: our-mirror
    purpose: Images
    source: { document: own.yaml, version: "1", section: Mirrors }
    from: talos-node
    deployments: [on-prem]
    obligation: required
    protocol: tcp
    port: 5000
    place: { kind: hosts, hosts: [registry.example] }
    published: null
    effective: { value: registry.example, evidence: [the site's own rule] }
    probes: [{ probe: tcp, acceptReset: false }]
`,
    );
    const path = written("own-deployment.yaml", `${GOOD}catalogue: { version: v1.13, extra: [own.yaml] }\n`);
    const catalogue = loadCatalogueFor(loadDeployment(path), directory);
    expect([catalogue.version, catalogue.requirements.at(-1)?.id]).toEqual(["v1.13", "our-mirror"]);
  });
});
