import { PROXY_SCHEMES, type ProxyScheme } from "@lifeline/measure";
import { CA_PEM as CA } from "@lifeline/measure/testing";
import { describe, expect, it } from "vitest";
import { loadCatalogue } from "./bundled.ts";
import { type Catalogue, extendCatalogue, parseExtra } from "./catalogue.ts";
import type { NodeFacts } from "./condition.ts";
import { type Deployment, deploymentFrom, parseDeployment } from "./deployment.ts";
import { type ResolvedRow, resolve } from "./resolve.ts";

const page = loadCatalogue("v1.13");
const newest = loadCatalogue("v1.14");
const node: NodeFacts = {
  nodeId: "n1",
  roles: ["talos-node"],
  families: [4, 6],
  siderolinkPrefix: "fdae:41e4:649b:9303",
  talosVersion: "v1.13.2",
};
const omniHost: NodeFacts = { nodeId: "omni", roles: ["omni-host"], families: [4] };

const onPrem = deploymentFrom({
  api: "https://omni.example",
  machineApi: "https://omni.example:8090",
  siderolink: ["omni.example:50180"],
  stampReflectors: ["omni.example:50180"],
  caPem: CA,
});
const yaml = (rest: string) =>
  parseDeployment(
    "deployment.yaml",
    `version: 1\nname: site\nkind: on-prem\nomni: { api: "https://omni.example", siderolink: ["10.0.0.1:50180"] }\n${rest}`,
    () => CA,
  );

function row(id: string, deployment: Deployment, facts: NodeFacts = node, catalogue: Catalogue = page): ResolvedRow {
  const found = resolve(catalogue, deployment, facts).rows.find(({ requirement }) => requirement.id === id);
  if (found === undefined) throw new Error(`no row ${id}`);
  return found;
}

function targets(resolved: ResolvedRow) {
  if (resolved.kind !== "targets") throw new Error(`${resolved.requirement.id} is ${JSON.stringify(resolved)}`);
  return resolved;
}

const ids = (resolved: ResolvedRow) => targets(resolved).targets.map(({ id }) => id);

/** What Omni answers to a method that its service does not have. */
const MACHINE_API = {
  method: "/sidero.link.ProvisionService/LifelineProbe",
  status: 12,
  message: "unknown method * for service sidero.link.ProvisionService",
};

describe("resolve, on-prem", () => {
  it("returns every row once, in the catalogue's order", () => {
    const { rows, catalogueVersion } = resolve(page, onPrem, node);
    expect(rows.map(({ requirement }) => requirement)).toEqual(page.requirements);
    expect(catalogueVersion).toBe("v1.13");
  });

  it("measures the API by TCP, TLS and its health check, with IPv4 and IPv6 as two targets (M1)", () => {
    expect(ids(row("api-endpoint", onPrem))).toEqual([
      "api-endpoint|tcp|omni.example:443|ipv4",
      "api-endpoint|tcp|omni.example:443|ipv6",
      "api-endpoint|tls|omni.example:443|ipv4",
      "api-endpoint|tls|omni.example:443|ipv6",
      "api-endpoint|http|omni.example:443/healthz|ipv4",
      "api-endpoint|http|omni.example:443/healthz|ipv6",
    ]);
  });

  it("trusts the deployment's CA for Omni, and public CAs for public hosts", () => {
    const trusts = (id: string, facts: NodeFacts) =>
      targets(row(id, onPrem, facts)).targets.flatMap(({ options }) => ("trust" in options ? [options.trust] : []));
    expect(trusts("api-endpoint", node)).toEqual(Array(4).fill({ kind: "private", caPem: CA }));
    expect(trusts("omni-image-registry", omniHost)).toEqual([{ kind: "public" }, { kind: "public" }]);
  });

  it("requires h2 and gRPC of the Machine API, with the stated times", () => {
    const { targets: found } = targets(row("machine-api", onPrem, { ...node, families: [4] }));
    expect(found.map(({ options, cadenceMs, timeoutMs }) => [options, cadenceMs, timeoutMs])).toEqual([
      [{ probe: "tcp", acceptReset: false }, 1_000, 950],
      [{ probe: "tls", trust: { kind: "private", caPem: CA }, alpn: ["h2"], alpnRequired: true }, 1_000, 2_000],
      [{ probe: "grpc", trust: { kind: "private", caPem: CA }, expect: MACHINE_API }, 1_000, 2_000],
    ]);
  });

  it("plans no TLS at a cleartext Machine API", () => {
    const cleartext = deploymentFrom({ api: "https://o.example", machineApi: "grpc://o.example:8090", siderolink: [] });
    const { targets: found } = targets(row("machine-api", cleartext, { ...node, families: [4] }));
    expect(found.map(({ options }) => options)).toEqual([
      { probe: "tcp", acceptReset: false },
      { probe: "grpc", expect: MACHINE_API },
    ]);
  });

  it.each([
    ["grpc://10.9.8.7:8090", "10.9.8.7:8090", false],
    ["https://api.example:443", "api.example:443", true],
  ])("prefers the Machine API that the node observed, %s, to the deployment's", (machineApi, endpoint, tls) => {
    const found = ids(row("machine-api", onPrem, { ...node, families: [4], machineApi }));
    expect(found[0]).toBe(`machine-api|tcp|${endpoint}|ipv4`);
    expect(found.some((id) => id.includes("|tls|"))).toBe(tls);
  });

  it("does not know the Machine API of an on-prem deployment that names none (M4)", () => {
    expect(row("machine-api", yaml(""))).toMatchObject({
      kind: "unresolved",
      why: "it applies, but no setting names the machine api endpoint",
      next: expect.stringContaining("omni.machineApi"),
    });
  });

  it("leaves a Machine API unresolved that the node could not read, and says why: it is not absent", () => {
    const facts: NodeFacts = { ...node, machineApiUnreadable: "its port is not a number from 1 to 65535" };
    const { siderolinkPrefix: _, ...before } = facts;
    expect(row("machine-api", onPrem, facts)).toMatchObject({
      kind: "unresolved",
      why: "siderolink.api of this node cannot be read: its port is not a number from 1 to 65535",
    });
    expect(row("siderolink-interface", onPrem, before).kind).toBe("targets");
  });

  it("leaves an unreadable Machine API unresolved, and does not show its query (S1)", () => {
    const resolved = row("machine-api", onPrem, { ...node, machineApi: "https://o.example/?jointoken=s3cr3t" });
    expect(resolved.kind).toBe("unresolved");
    expect(JSON.stringify(resolved)).not.toContain("s3cr3t");
  });

  it("measures every WireGuard endpoint by UDP, and the reflectors by STAMP and MTU", () => {
    const two = deploymentFrom({
      api: "https://o.example",
      siderolink: ["10.0.0.1:50180", "[fd00::5]:50181"],
      stampReflectors: ["10.0.0.1:50180"],
    });
    expect(ids(row("siderolink-endpoint", two))).toEqual([
      "siderolink-endpoint|udp|10.0.0.1:50180|ipv4",
      "siderolink-endpoint|udp|[fd00::5]:50181|ipv6",
      "siderolink-endpoint|stamp|10.0.0.1:50180|ipv4",
      "siderolink-endpoint|mtu|10.0.0.1:50180|ipv4",
    ]);
  });

  it("notes that STAMP and MTU are not measured without a reflector", () => {
    expect(targets(row("siderolink-endpoint", yaml(""))).notes).toEqual([
      "stamp is not measured: the deployment names no stamp-reflector",
      "mtu is not measured: the deployment names no stamp-reflector",
    ]);
  });

  it("measures ::1 of the node's own /64 in the tunnel, even without another IPv6 route", () => {
    const [target] = targets(row("siderolink-internal-address", onPrem, { ...node, families: [4] })).targets;
    expect(target).toMatchObject({
      id: "siderolink-internal-address|tcp|[fdae:41e4:649b:9303::1]:8090|ipv6",
      options: { probe: "tcp", acceptReset: true },
    });
  });

  it("measures no tunnel on a host that is not configured to join Omni", () => {
    const { siderolinkPrefix: _, ...outsider } = node;
    expect(row("siderolink-internal-address", onPrem, outsider)).toMatchObject({
      kind: "not-applicable",
      why: "this host is not configured to join Omni, so it has no address in the tunnel",
    });
  });

  it("does not invent a tunnel address from a prefix it cannot read (M4)", () => {
    expect(row("siderolink-internal-address", onPrem, { ...node, siderolinkPrefix: "fdae::1" }).kind).toBe(
      "unresolved",
    );
  });

  it("queries the resolvers for Omni's own name", () => {
    expect(ids(row("node-dns-udp", yaml("network: { resolvers: [10.0.0.53] }")))).toEqual([
      "node-dns-udp|dns|10.0.0.53:53/omni.example/A|ipv4",
      "node-dns-udp|dns|10.0.0.53:53/omni.example/AAAA|ipv4",
    ]);
  });

  it.each([
    ["those that the node uses", { ...node, resolvers: ["fd00::53"] }, ["[fd00::53]:53"]],
    ["Talos's defaults", node, ["1.1.1.1:53", "8.8.8.8:53"]],
  ])("measures the resolvers %s if the deployment names none", (_title, facts, endpoints) => {
    const found = ids(row("node-dns-tcp", onPrem, facts));
    expect(found.map((id) => id.split("|")[2])).toEqual(endpoints.map((endpoint) => `${endpoint}/omni.example/A`));
  });

  it("queries the records of the families that the node has a route for", () => {
    const types = (families: NodeFacts["families"]) =>
      ids(row("node-dns-udp", yaml("network: { resolvers: [10.0.0.53, 'fd00::53'] }"), { ...node, families })).map(
        (id) => id.split("|")[2],
      );
    expect(types([4])).toEqual(["10.0.0.53:53/omni.example/A"]);
    expect(types([6])).toEqual(["[fd00::53]:53/omni.example/AAAA"]);
    expect(types([])).toEqual(["10.0.0.53:53/omni.example/A"]);
  });

  it("keeps the zone of a link-local resolver", () => {
    const facts = { ...node, resolvers: ["fe80::53%eth0"] };
    expect(row("node-dns-tcp", onPrem, facts)).toMatchObject({ targets: [{ host: "fe80::53%eth0", family: 6 }] });
  });

  it("queries the row's own name if Omni has only an address", () => {
    const literal = deploymentFrom({ api: "https://10.0.0.1", siderolink: [] });
    expect(ids(row("node-dns-udp", literal))[0]).toBe("node-dns-udp|dns|1.1.1.1:53/factory.talos.dev/A|ipv4");
  });
});

describe("resolve, families and roles", () => {
  it("records the family that the node lacks instead of dropping it (M1, M4)", () => {
    const resolved = targets(row("api-endpoint", onPrem, { ...node, families: [4] }));
    expect(new Set(resolved.targets.map(({ family }) => family))).toEqual(new Set([4]));
    expect(resolved.skipped).toEqual([{ host: "omni.example", family: 6, why: "this node has no route for IPv6" }]);
  });

  it("gives an address literal one target, of its own family", () => {
    const literal = deploymentFrom({ api: "https://[fd00::5]", siderolink: [] });
    expect(targets(row("api-endpoint", literal)).targets.map(({ host, family }) => [host, family])).toEqual(
      Array(3).fill(["fd00::5", 6]),
    );
  });

  it("does not pass a row whose only family the node lacks (M4)", () => {
    const literal = deploymentFrom({ api: "https://[fd00::5]", siderolink: [] });
    expect(row("api-endpoint", literal, { ...node, families: [4] })).toMatchObject({
      kind: "unresolved",
      why: "fd00::5: this node has no route for IPv6",
    });
  });

  it("applies rows of the Omni host only to it, and rows of nodes only to nodes", () => {
    expect(row("omni-image-registry", onPrem)).toMatchObject({
      kind: "not-applicable",
      why: "only the host that runs Omni needs it; this node is a Talos node",
    });
    expect(row("node-ghcr", onPrem, omniHost)).toMatchObject({
      kind: "not-applicable",
      why: "only a Talos node needs it; this node is the host that runs Omni",
    });
  });

  it("samples a wildcard by its known hosts and says which", () => {
    const resolved = targets(row("omni-image-factory-builds", onPrem, omniHost));
    expect(resolved.notes).toEqual([
      "*.factory.talos.dev can only be sampled; it is judged by pxe.factory.talos.dev, images.factory.talos.dev, cdn.factory.talos.dev, assets.factory.talos.dev",
    ]);
    expect(resolved.targets).toHaveLength(8);
  });

  it("leaves a wildcard without known hosts unresolved, with the next step (M4)", () => {
    expect(row("omni-media-storage", onPrem, omniHost)).toMatchObject({
      kind: "unresolved",
      why: expect.stringContaining("named by account"),
      next: expect.stringContaining("let this node reach factory.talos.dev"),
    });
  });
});

describe("resolve, SaaS", () => {
  const saas = deploymentFrom({ api: "https://acme.omni.siderolabs.io", siderolink: ["198.51.100.7:10001"] });

  it("measures the account's two names and its own WireGuard port", () => {
    const v4: NodeFacts = { ...node, families: [4] };
    expect(ids(row("saas-api-endpoint", saas, v4))[0]).toBe("saas-api-endpoint|tcp|acme.omni.siderolabs.io:443|ipv4");
    expect(ids(row("saas-machine-api", saas, v4))[2]).toBe(
      "saas-machine-api|grpc|acme.siderolink.omni.siderolabs.io:443|ipv4",
    );
    expect(ids(row("saas-siderolink-endpoint", saas, v4))).toEqual([
      "saas-siderolink-endpoint|udp|198.51.100.7:10001|ipv4",
    ]);
  });

  it("applies no on-prem row, even on an Omni host", () => {
    const rows = resolve(page, saas, { ...node, roles: ["omni-host", "talos-node"] }).rows;
    for (const { requirement, kind } of rows) {
      if (!requirement.deployments.includes("saas"))
        expect([requirement.id, kind]).toEqual([requirement.id, "not-applicable"]);
    }
    expect(row("api-endpoint", saas)).toMatchObject({
      why: "this row is for on-prem deployments; acme.omni.siderolabs.io is saas",
    });
  });
});

describe("resolve, conditions", () => {
  it.each([
    [
      "of the deployment",
      deploymentFrom({ api: "https://o.example", siderolink: ["10.0.0.1:1"], grpcTunnel: true }),
      node,
    ],
    ["of the node", onPrem, { ...node, grpcTunnel: true }],
  ])("needs no UDP if the tunnel %s runs over gRPC", (_title, deployment, facts) => {
    expect(row("siderolink-endpoint", deployment, facts)).toMatchObject({
      kind: "not-applicable",
      why: "WireGuard is carried over gRPC on the Machine API, so no UDP port is needed",
    });
  });

  it("prefers the node's own kind of tunnel to the deployment's", () => {
    const tunnelled = deploymentFrom({ api: "https://o.example", siderolink: ["10.0.0.1:1"], grpcTunnel: true });
    expect(row("siderolink-endpoint", tunnelled, { ...node, grpcTunnel: false }).kind).toBe("targets");
  });

  it.each([
    [
      "node-ghcr",
      "egress: { nodesPullDirectly: false }",
      "not from public registries (egress.nodesPullDirectly is false)",
    ],
    ["node-image-factory", "egress: { mediaThroughOmni: true }", "(egress.mediaThroughOmni is true)"],
  ])("explains why %s does not apply with %s", (id, rest, why) => {
    expect(row(id, yaml(rest))).toMatchObject({ kind: "not-applicable", why: expect.stringContaining(why) });
  });

  it("still needs the registries if only install media come through Omni", () => {
    expect(row("node-ghcr", yaml("egress: { mediaThroughOmni: true }")).kind).toBe("targets");
  });

  it.each([
    ["v1.13.2", "", "not-applicable"],
    ["v1.14.0-alpha.1", "", "targets"],
    ["1.14.3", "", "targets"],
    ["v2.0.0", "", "targets"],
    [undefined, "", "unresolved"],
    [undefined, "network: { timeServers: [ntp.example] }", "not-applicable"],
    ["v1.13.2", "network: { timeServers: [ntp.example], networkTimeSecurity: true }", "targets"],
  ])("NTS on Talos %s with %j: %s (M4)", (talosVersion, rest, kind) => {
    const { talosVersion: _, ...unversioned } = node;
    const facts = talosVersion === undefined ? unversioned : { ...unversioned, talosVersion };
    expect(row("node-time-security", yaml(rest), facts, newest).kind).toBe(kind);
  });

  it("measures unpublished services of the Omni host only if they are configured", () => {
    const configured = parseDeployment(
      "deployment.yaml",
      'version: 1\nname: site\nkind: on-prem\nomni:\n  api: https://o.example\n  vault: { url: "https://vault.example:8200", caFile: ca.pem }\n',
      () => CA,
    );
    expect(targets(row("omni-vault", configured, omniHost)).targets[1]?.options).toMatchObject({
      trust: { kind: "private", caPem: CA },
    });
    expect(row("omni-vault", onPrem, omniHost).kind).toBe("not-applicable");
    expect(row("omni-identity-provider", onPrem, omniHost).kind).toBe("not-applicable");
  });
});

describe("resolve, cut off", () => {
  it("measures IPv4 on a node without any route, so that the failure shows (M4)", () => {
    const found = targets(row("api-endpoint", onPrem, { ...node, families: [] }));
    expect(new Set(found.targets.map(({ family }) => family))).toEqual(new Set([4]));
    expect(found.skipped).toMatchObject([{ family: 6 }]);
  });

  it.each(["https://127.0.0.1:8443", "https://[::1]:8443"])("needs no route for %s", (api) => {
    const local = deploymentFrom({ api, siderolink: [] });
    expect(targets(row("api-endpoint", local, { ...node, families: [] })).targets).not.toEqual([]);
  });
});

describe("resolve, air-gapped and proxied", () => {
  const gapped = yaml(
    `airGapped:
  mirrors:
    - { replaces: ghcr.io, with: "https://mirror.example:5000", caFile: ca.pem }
    - { replaces: "*.factory.talos.dev", with: "http://factory.example:8080" }
    - { replaces: raw.githubusercontent.com, with: "https://mirror.example:5000" }
`,
  );
  const v4: NodeFacts = { ...node, families: [4] };

  it("measures the mirror instead of the public host, with the mirror's CA", () => {
    const resolved = targets(row("node-ghcr", gapped, v4));
    expect(ids(resolved)).toEqual([
      "node-ghcr|tcp|mirror.example:5000|ipv4",
      "node-ghcr|tls|mirror.example:5000|ipv4",
      "node-ghcr|registry|mirror.example:5000/v2|ipv4",
    ]);
    expect(resolved.targets[1]?.options).toMatchObject({ trust: { kind: "private", caPem: CA } });
    expect(resolved.targets[2]?.options).toMatchObject({
      trust: { kind: "private", caPem: CA },
      expect: {
        basePath: "/v2",
        object: expect.stringMatching(/^siderolabs\/kubelet\/manifests\//),
        objectRequired: false,
        namespace: "ghcr.io",
        documentedHosts: expect.arrayContaining(["*.githubusercontent.com", "mirror.example", "omni.example"]),
      },
    });
    expect(resolved.notes).toEqual(["ghcr.io is replaced by the mirror mirror.example:5000"]);
  });

  it.each([
    ["a host", 'with: "https://m.example"', "m.example", 443, "/v2"],
    ["a host without scheme", "with: m.example", "m.example", 443, "/v2"],
    ["a path", 'with: "https://m.example/ghcr.io/"', "m.example", 443, "/ghcr.io/v2"],
    ["a path without scheme", "with: m.example:5000/ghcr.io", "m.example", 5_000, "/ghcr.io/v2"],
    ["a path that ends with /v2", 'with: "https://m.example/ghcr/v2"', "m.example", 443, "/ghcr/v2"],
    ["a path as it is", 'with: "http://m.example/v2/ghcr.io", overridePath: true', "m.example", 80, "/v2/ghcr.io"],
  ])("reads the mirror with %s as containerd does", (_, written, host, port, basePath) => {
    const { targets: found } = targets(
      row("node-ghcr", yaml(`airGapped: { mirrors: [{ replaces: ghcr.io, ${written} }] }`), v4),
    );
    const registry = found.find(({ options }) => options.probe === "registry");
    expect(registry).toMatchObject({ host, port, options: { expect: { basePath } } });
  });

  it("lets mirrors for every registry replace those without their own, and nothing that is no registry", () => {
    const any = yaml(
      'airGapped: { mirrors: [{ replaces: "*", with: any.example }, { replaces: gcr.io, with: gcr.example }] }',
    );
    const hosts = (id: string) => new Set(targets(row(id, any, v4)).targets.map(({ host }) => host));
    expect(hosts("node-ghcr")).toEqual(new Set(["any.example"]));
    expect(hosts("node-kubernetes-registry")).toEqual(new Set(["any.example"]));
    expect(hosts("node-gcr")).toEqual(new Set(["gcr.example"]));
    expect(row("node-ghcr-blobs", any, v4).kind).toBe("not-applicable");
  });

  it("measures every mirror of a host, and asks for the image that each is said to have", () => {
    const two = yaml(
      `airGapped:
  mirrors:
    - { replaces: ghcr.io, with: a.example, object: own/image/manifests/1.0 }
    - { replaces: ghcr.io, with: "http://b.example:5000" }
`,
    );
    const resolved = targets(row("node-ghcr", two, v4));
    expect(resolved.alternatives).toEqual(["a.example:443", "b.example:5000"]);
    const asked = resolved.targets.flatMap(({ options }) => (options.probe === "registry" ? [options.expect] : []));
    expect(asked.map(({ object, objectRequired }) => [object, objectRequired])).toEqual([
      ["own/image/manifests/1.0", true],
      [expect.stringContaining("kubelet"), false],
    ]);
  });

  it("asks a mirror for no path of the host that it replaces", () => {
    const mirrored = yaml("airGapped: { mirrors: [{ replaces: factory.talos.dev, with: m.example }] }");
    const probes = targets(row("node-image-factory", mirrored, v4)).targets.map(({ options }) => options.probe);
    expect(probes).toEqual(["tcp", "tls", "registry"]);
  });

  it("plans no TLS at a cleartext mirror, and lets one mirror replace a wildcard", () => {
    expect(ids(row("node-image-factory-builds", gapped, v4))).toEqual([
      "node-image-factory-builds|tcp|factory.example:8080|ipv4",
    ]);
  });

  it("judges the resolvers and time servers of an air-gapped site, and leaves them open where none is known", () => {
    const own: NodeFacts = { ...node, resolvers: ["10.0.0.53"] };
    expect(targets(row("node-dns-udp", gapped, own)).targets[0]?.host).toBe("10.0.0.53");
    for (const [id, names] of [
      ["node-dns-udp", "network.resolvers"],
      ["node-dns-tcp", "network.resolvers"],
      ["node-time", "network.timeServers"],
    ] as const) {
      const found = row(id, gapped);
      expect(found).toMatchObject({
        kind: "unresolved",
        why: expect.stringContaining("neither the node nor the deployment names its"),
        next: expect.stringContaining(names),
      });
      expect(JSON.stringify(found)).not.toContain("mirror for");
    }
  });

  it("does not apply rows of public hosts without a mirror", () => {
    expect(row("node-gcr", gapped)).toMatchObject({
      kind: "not-applicable",
      why: "the site is air-gapped and names no mirror for gcr.io",
    });
    expect(row("node-media-storage", gapped).kind).toBe("not-applicable");
  });

  it("records the hosts of a wildcard that no mirror replaces", () => {
    const resolved = targets(row("node-ghcr-blobs", gapped, v4));
    expect(resolved.targets.map(({ host }) => host)).toEqual(["mirror.example", "mirror.example"]);
    expect(resolved.skipped.filter(({ family }) => family === undefined).map(({ host }) => host)).toEqual([
      "pkg-containers.githubusercontent.com",
      "objects.githubusercontent.com",
      "release-assets.githubusercontent.com",
    ]);
  });

  it("still needs Omni itself", () => {
    expect(row("api-endpoint", gapped).kind).toBe("targets");
  });

  it("requires the path through a proxy that is the only way out, and measures the direct path for comparison", () => {
    const proxied = yaml('egress: { httpProxy: "http://proxy.example:3128" }');
    const { targets: all, comparisonIds } = targets(row("node-ghcr", proxied, v4));
    expect(all.map(({ id }) => id)).toEqual([
      "node-ghcr|tcp|ghcr.io:443|ipv4",
      "node-ghcr|tls|ghcr.io:443|ipv4",
      "node-ghcr|tls|ghcr.io:443|ipv4|via proxy.example:3128",
      "node-ghcr|registry|ghcr.io:443/v2|ipv4|via proxy.example:3128",
    ]);
    expect(comparisonIds).toEqual(["node-ghcr|tcp|ghcr.io:443|ipv4", "node-ghcr|tls|ghcr.io:443|ipv4"]);
    expect(row("node-time", proxied)).toMatchObject({
      kind: "unresolved",
      why: expect.stringContaining("cannot carry UDP"),
    });
    expect(ids(row("http-proxy", proxied, v4, newest))).toEqual(["http-proxy|tcp|proxy.example:3128|ipv4"]);
    expect(row("api-endpoint", proxied).kind).toBe("targets");
  });
});

describe("resolve, hosts of redirects", () => {
  const v4: NodeFacts = { ...node, families: [4] };
  const to = (requirementId: string, host: string, scope: "public" | "site" = "public") => ({
    requirementId,
    host,
    scope,
    seenAtMs: 0,
  });

  it("measures them as targets of the row, by TCP and TLS alone", () => {
    const redirects = [to("node-ghcr", "eu.githubusercontent.com"), to("node-gcr", "storage.googleapis.com")];
    const resolved = targets(row("node-ghcr", onPrem, { ...v4, redirects }));
    const found = resolved.targets.filter(({ host }) => host !== "ghcr.io");
    expect(found).toMatchObject([
      { id: "node-ghcr|tcp|eu.githubusercontent.com:443|ipv4", port: 443, redirectScope: "public" },
      { id: "node-ghcr|tls|eu.githubusercontent.com:443|ipv4", options: { trust: { kind: "public" } } },
    ]);
    expect(resolved.thirdPartyIds).toEqual(expect.arrayContaining(found.map(({ id }) => id)));
    expect(resolved.notes.at(-1)).toContain("eu.githubusercontent.com is measured");
  });

  it("gives a wildcard without known hosts those that redirects lead to", () => {
    const bucket = "account.r2.cloudflarestorage.com";
    expect(row("node-media-storage", onPrem, v4).kind).toBe("unresolved");
    const resolved = row("node-media-storage", onPrem, { ...v4, redirects: [to("node-image-factory", bucket)] });
    expect(ids(resolved)).toEqual([
      `node-media-storage|tcp|${bucket}:443|ipv4`,
      `node-media-storage|tls|${bucket}:443|ipv4`,
    ]);
    expect(targets(resolved).targets.every(({ redirectScope }) => redirectScope === "public")).toBe(true);
  });

  it("trusts the mirror's CA, and allows addresses of the site, where a mirror redirects", () => {
    const gapped = yaml(
      `egress: { redirectHosts: ["*.s3.site"] }
airGapped: { mirrors: [{ replaces: ghcr.io, with: m.example, caFile: ca.pem }] }`,
    );
    const resolved = targets(row("node-ghcr", gapped, { ...v4, redirects: [to("node-ghcr", "a.s3.site")] }));
    expect(resolved.targets.at(-1)).toMatchObject({
      host: "a.s3.site",
      redirectScope: "site",
      options: { trust: { kind: "private", caPem: CA } },
    });
  });

  it("goes through the proxy to them, where that is the only way out", () => {
    const proxied = yaml('egress: { httpProxy: "http://proxy.example:3128" }');
    const redirects = [to("node-ghcr", "eu.githubusercontent.com")];
    const resolved = targets(row("node-ghcr", proxied, { ...v4, redirects }));
    const required = resolved.targets.filter(({ id }) => !resolved.comparisonIds.includes(id)).map(({ id }) => id);
    expect(required).toContain("node-ghcr|tls|eu.githubusercontent.com:443|ipv4|via proxy.example:3128");
  });
});

describe("resolve, own rows and times", () => {
  const own = parseExtra(
    "own.yaml",
    `schema: 1
requirements:
  - id: our-registry
    purpose: Images of our own
    source: { document: own.yaml, version: "1", section: Registry }
    from: talos-node
    deployments: [on-prem]
    obligation: required
    protocol: tcp
    port: 5000
    place: { kind: hosts, hosts: [registry.example, 10.0.0.9] }
    published: null
    effective: { value: registry.example, evidence: [own rule] }
    probes:
      - { probe: tcp, acceptReset: false, cadenceMs: 5000, timeoutMs: 500 }
      - { probe: tls, trust: deployment, alpn: [], alpnRequired: false }
`,
  );

  it("resolves a user's own row like any other, with the deployment's CA and the row's own times", () => {
    const resolved = targets(row("our-registry", onPrem, { ...node, families: [4] }, extendCatalogue(page, own)));
    expect(resolved.targets.map(({ id, cadenceMs, timeoutMs }) => [id, cadenceMs, timeoutMs])).toEqual([
      ["our-registry|tcp|registry.example:5000|ipv4", 5_000, 500],
      ["our-registry|tcp|10.0.0.9:5000|ipv4", 5_000, 500],
      ["our-registry|tls|registry.example:5000|ipv4", 1_000, 2_000],
      ["our-registry|tls|10.0.0.9:5000|ipv4", 1_000, 2_000],
    ]);
    expect(resolved.targets[2]?.options).toMatchObject({ trust: { kind: "private", caPem: CA } });
  });

  it("leaves a row unresolved if none of its probes can go through the proxy (M4)", () => {
    const proxy = { https: { host: "10.0.0.8", port: 3_128 }, noProxy: ["10.0.0.9"] };
    const tcpOnly = (hosts: string) => ({
      ...own,
      requirements: own.requirements.map((each) => ({
        ...each,
        place: { kind: "hosts" as const, hosts: hosts.split(" ") },
        probes: each.probes.slice(0, 1),
      })),
    });
    const facts = { ...node, families: [4 as const], proxy };
    expect(row("our-registry", onPrem, facts, extendCatalogue(page, tcpOnly("registry.example")))).toMatchObject({
      kind: "unresolved",
      why: "it is reached through an HTTP proxy, and none of the row's probes (tcp) can go through one",
      next: "add a probe that a proxy carries (tls, http, grpc, registry), or list the hosts in NO_PROXY if the node reaches them directly",
    });
    const both = targets(
      row("our-registry", onPrem, facts, extendCatalogue(page, tcpOnly("registry.example 10.0.0.9"))),
    );
    expect(both.comparisonIds).toEqual(["our-registry|tcp|registry.example:5000|ipv4"]);
    expect(both.targets).toHaveLength(2);
  });

  it("takes other times from the caller, such as the collector's cadence (P1)", () => {
    const timeoutMs = {
      dns: 1,
      tcp: 200,
      udp: 3,
      stamp: 4,
      link: 8,
      mtu: 9,
      tls: 5,
      http: 6,
      grpc: 7,
      ntp: 10,
      nts: 11,
      registry: 12,
    };
    const { rows } = resolve(page, onPrem, node, { cadenceMs: 10_000, timeoutMs });
    const api = rows.find(({ requirement }) => requirement.id === "api-endpoint");
    expect(api?.kind === "targets" && [api.targets[0]?.cadenceMs, api.targets[0]?.timeoutMs]).toEqual([10_000, 200]);
  });
});

describe("resolve, by observations of the node", () => {
  const configured = {
    nodeId: "n",
    roles: ["talos-node" as const],
    families: [4 as const],
    machineApi: "https://o.example:443",
  };
  const proxy = { https: { host: "10.0.0.8", port: 3_128 }, noProxy: ["o.example"] };

  it("sends through the node's proxy all hosts that NO_PROXY does not cover, over the proxy's own family", () => {
    const direct = targets(row("machine-api", onPrem, { ...configured, proxy }));
    expect(direct.comparisonIds).toEqual([]);
    expect(direct.targets.every((target) => target.proxy === undefined)).toBe(true);
    const through = targets(row("node-ghcr", onPrem, { ...configured, proxy }));
    expect(through.targets.filter((target) => !through.comparisonIds.includes(target.id)).map(({ id }) => id)).toEqual([
      "node-ghcr|tls|ghcr.io:443|ipv4|via 10.0.0.8:3128",
      "node-ghcr|registry|ghcr.io:443/v2|ipv4|via 10.0.0.8:3128",
    ]);
  });

  it("prefers the node's proxy to the site's, and uses none if NO_PROXY is *", () => {
    const site = yaml('egress: { httpProxy: "http://proxy.example:3128" }');
    const proxiesOf = (facts: object) =>
      new Set(
        targets(row("node-ghcr", site, { ...configured, ...facts })).targets.map(
          (target) => target.proxy?.host ?? "direct",
        ),
      );
    expect([...proxiesOf({})]).toEqual(["direct", "proxy.example"]);
    expect([...proxiesOf({ proxy })]).toEqual(["direct", "10.0.0.8"]);
    expect([...proxiesOf({ proxy: { ...proxy, noProxy: ["*"] } })]).toEqual(["direct"]);
    expect([...proxiesOf({ proxy: { noProxy: [] } })]).toEqual(["direct"]);
  });

  it.each(["https", "socks5", "socks5h"] as const)("goes through a proxy of the kind %s, and says so", (scheme) => {
    const through = targets(
      row("node-ghcr", onPrem, { ...configured, proxy: { ...proxy, https: { ...proxy.https, scheme } } }),
    );
    const proxied = through.targets.filter((target) => target.proxy !== undefined);
    expect(proxied.map(({ id }) => id).every((id) => id.endsWith(`|via ${scheme}://10.0.0.8:3128`))).toBe(true);
    expect(proxied.length).toBeGreaterThan(0);
  });

  describe("for a row whose client supports some kinds of proxy alone", () => {
    const site = yaml(`egress: { caPem: ${JSON.stringify(CA)} }`);
    const rowThrough = (id: string, scheme: ProxyScheme, talosVersion?: string) => {
      const https = { scheme, host: "10.0.0.8", port: 3_128 };
      const facts = { ...configured, proxy: { https, noProxy: [] } };
      return targets(row(id, site, { ...facts, ...(talosVersion === undefined ? {} : { talosVersion }) }));
    };
    const proxiesOf = (id: string, scheme: ProxyScheme, talosVersion?: string) =>
      rowThrough(id, scheme, talosVersion).targets.flatMap(({ proxy: via }) => (via === undefined ? [] : [via]));

    it.each<[ProxyScheme, string | undefined, boolean]>([
      ["http", "v1.9.0", true],
      ["https", "v1.13.0", true],
      ["https", "1.11.3", true],
      ["https", "v1.11.2", false],
      ["https", "v1.9.6", false],
      ["https", undefined, true],
      ["socks5", "v1.14.0-alpha.1", true],
      ["socks5", "v1.11.1", true],
      ["socks5", "v1.11.0", false],
      ["socks5h", "v1.14.0", false],
      ["socks5h", undefined, false],
    ])("measures %s with Talos %s as its client dials: as the scheme says, %s", (scheme, version, isSupported) => {
      for (const id of ["machine-api", "node-discovery"]) {
        const found = proxiesOf(id, scheme, version);
        expect(found.length).toBeGreaterThan(0);
        expect(found.every(({ cleartextConnect }) => (cleartextConnect === undefined) === isSupported)).toBe(true);
        expect(found.every(({ trust }) => (trust === undefined) === (scheme !== "https" || !isSupported))).toBe(true);
        const note = rowThrough(id, scheme, version).notes.filter((one) => one.includes("in cleartext"));
        expect(note).toHaveLength(isSupported && (version !== undefined || scheme === "http") ? 0 : 1);
      }
    });

    it("is unresolved where the URL of the proxy names no port, without which its client cannot dial", () => {
      const proxied = { https: { host: "10.0.0.8", port: 80 }, httpsLacksPort: true, noProxy: ["o.example"] } as const;
      const of = (id: string, noProxy: readonly string[]) =>
        row(id, site, { ...configured, machineApi: "https://m.example:443", proxy: { ...proxied, noProxy } });
      expect(of("machine-api", [])).toMatchObject({
        kind: "unresolved",
        cause: "unsupported-proxy",
        why: expect.stringContaining("names no port"),
      });
      expect(of("machine-api", ["m.example"]).kind).toBe("targets");
      expect(of("node-ghcr", []).kind).toBe("targets");
    });

    it("says before the node joins that its image must hold the private CA of the proxy", () => {
      const note = "a node that joins trusts only the CAs of its image, so the image must hold the CA of https://p:1";
      const proxied = { https: { scheme: "https", host: "p", port: 1 }, noProxy: [] } as const;
      const notesOf = (id: string, facts: Partial<NodeFacts>, of = site) =>
        targets(row(id, of, { ...configured, talosVersion: "v1.13.0", proxy: proxied, ...facts })).notes;
      expect(notesOf("machine-api", {})).toContain(note);
      expect(notesOf("machine-api", { siderolinkPrefix: "fdae:41e4:649b:9303" })).not.toContain(note);
      expect(notesOf("machine-api", {}, onPrem)).not.toContain(note);
      expect(notesOf("node-discovery", {})).not.toContain(note);
    });

    it("names the proxy and the kinds in its note", () => {
      expect(rowThrough("machine-api", "https", "v1.10.0").notes).toContain(
        "Talos asks https://10.0.0.8:3128 for this endpoint by CONNECT in cleartext, and so does this row: its client supports http://, socks5:// since v1.11.1, https:// since v1.11.3",
      );
    });

    it.each(["node-ghcr", "api-endpoint"])("asks for %s as the scheme says, as Go's net/http does", (id) => {
      for (const scheme of PROXY_SCHEMES) {
        expect(proxiesOf(id, scheme, "v1.9.0").every(({ cleartextConnect }) => cleartextConnect === undefined)).toBe(
          true,
        );
      }
    });
  });

  it("trusts the deployment's CA for an https proxy, its own or the node's, and for no other", () => {
    const caPem = CA;
    const site = yaml(`egress: { httpProxy: "https://proxy.example:3129", caPem: ${JSON.stringify(caPem)} }`);
    const trustOf = (facts: Partial<NodeFacts>) =>
      targets(row("node-ghcr", site, { ...configured, ...facts })).targets.flatMap(({ proxy: via }) =>
        via === undefined ? [] : [via.trust],
      )[0];
    expect(trustOf({})).toEqual({ kind: "private", caPem });
    const https = { scheme: "https", host: "10.0.0.8", port: 1 } as const;
    expect(trustOf({ proxy: { https, noProxy: [] } })).toEqual({ kind: "private", caPem });
    expect(trustOf({ proxy: { https: { host: "10.0.0.8", port: 1 }, noProxy: [] } })).toBeUndefined();
  });

  it("is unresolved behind a proxy that cannot be used, and never measured directly (M4)", () => {
    const unusable = {
      httpsFault: "HTTPS_PROXY: a proxy of the kind socks4:// is not supported",
      noProxy: ["o.example"],
    };
    const facts = { ...configured, proxy: unusable };
    expect(row("node-ghcr", onPrem, facts)).toMatchObject({
      kind: "unresolved",
      cause: "unsupported-proxy",
      why: expect.stringContaining("socks4://"),
    });
    expect(row("machine-api", onPrem, facts).kind).toBe("targets");
    expect(row("node-dns-udp", onPrem, facts).kind).toBe("targets");
  });

  it("sends Omni's API and the Machine API through the node's proxy, by every protocol that a proxy carries", () => {
    const through = (id: string) => {
      const { targets: all, comparisonIds } = targets(
        row(id, onPrem, { ...configured, machineApi: "grpc://m.example:8090", proxy: { ...proxy, noProxy: [] } }),
      );
      return all.filter((target) => !comparisonIds.includes(target.id)).map((target) => target.id);
    };
    expect(through("api-endpoint")).toEqual([
      "api-endpoint|tls|omni.example:443|ipv4|via 10.0.0.8:3128",
      "api-endpoint|http|omni.example:443/healthz|ipv4|via 10.0.0.8:3128",
    ]);
    // Plaintext gRPC has no TLS probe. It goes through the proxy too, because grpc-go reads HTTPS_PROXY for every
    // target.
    expect(through("machine-api")).toEqual(["machine-api|grpc|m.example:8090|ipv4|via 10.0.0.8:3128"]);
  });

  it("reaches a proxy over its own family if it is an address, else over the families of the node", () => {
    const families = (host: string, routed: readonly (4 | 6)[]) =>
      targets(
        row("node-ghcr", onPrem, { ...configured, families: routed, proxy: { ...proxy, https: { host, port: 1 } } }),
      )
        .targets.filter(({ proxy: through, options }) => through !== undefined && options.probe === "tls")
        .map(({ family }) => family);
    expect(families("10.0.0.8", [4, 6])).toEqual([4]);
    expect(families("fd00::8", [4, 6])).toEqual([6]);
    expect(families("proxy.example", [4, 6])).toEqual([4, 6]);
    expect(families("proxy.example", [6])).toEqual([6]);
  });

  it("never sends resolvers, time servers, UDP or the tunnel through a proxy", () => {
    const { rows } = resolve(newest, onPrem, {
      ...configured,
      siderolinkPrefix: "fdae:41e4:649b:9303",
      talosVersion: "v1.14.0",
      proxy: { ...proxy, noProxy: [] },
    });
    const proxied = rows.flatMap((each) =>
      each.kind === "targets" && each.targets.some((target) => target.proxy !== undefined) ? [each.requirement.id] : [],
    );
    expect(proxied).toContain("node-ghcr");
    for (const id of [
      "node-dns-tcp",
      "node-time",
      "node-time-security",
      "siderolink-endpoint",
      "siderolink-internal-address",
    ]) {
      expect(proxied).not.toContain(id);
    }
  });

  it("checks NO_PROXY only if the environment names a proxy, and leaves clock and identity to the judge", () => {
    expect(row("tunnel-bypasses-proxy", onPrem, configured).kind).toBe("not-applicable");
    expect(row("node-clock", onPrem, configured)).toMatchObject({ kind: "check", check: { name: "clock" } });
    expect(row("node-unique", onPrem, configured)).toMatchObject({ kind: "check", check: { name: "unique-node" } });
  });

  it("measures no tunnel interface on a host that is not configured to join Omni", () => {
    const { machineApi: _, ...unconfigured } = configured;
    expect(row("siderolink-interface", onPrem, unconfigured).kind).toBe("not-applicable");
    expect(row("siderolink-internal-address", onPrem, unconfigured).kind).toBe("not-applicable");
  });

  it.each([
    [[], false],
    [["fdae:41e4:649b:9303::/64"], true],
    [["fdae:41e4:649b:a703::/64"], false],
    [["fdae:41e4:649b:9303::/96"], true],
    [["fdae::/16"], true],
    [["fdae:41e4:649b:9303::1"], true],
    [["fdae:41e4:649b:a703::/64"], false],
    [["*"], true],
  ])("finds whether NO_PROXY %j covers the tunnel", (noProxy, bypassed) => {
    expect(row("tunnel-bypasses-proxy", onPrem, { ...configured, proxy: { ...proxy, noProxy } })).toMatchObject({
      kind: "check",
      check: { prefix: "fdae:41e4:649b:9303::/64", proxy: "10.0.0.8:3128", bypassed },
    });
  });

  it("derives the tunnel's address if none is observed, the same for either kind of tunnel, and adds a note", () => {
    const derived = (facts: object) => targets(row("siderolink-internal-address", onPrem, { ...configured, ...facts }));
    expect(derived({}).targets[0]?.host).toBe("fdae:41e4:649b:9303::1");
    expect(derived({ grpcTunnel: true }).targets[0]?.host).toBe("fdae:41e4:649b:9303::1");
    expect(derived({}).notes).toHaveLength(1);
    expect(derived({ siderolinkPrefix: "fdae:1:2:3" })).toMatchObject({
      notes: [],
      targets: [{ host: "fdae:1:2:3::1" }, {}, {}],
    });
  });

  it("reads the tunnel's interface, whichever families are routed", () => {
    expect(targets(row("siderolink-interface", onPrem, configured)).targets).toMatchObject([
      { id: "siderolink-interface|link|siderolink|ipv6", port: 0, family: 6, options: { probe: "link" } },
    ]);
  });

  it("requires the packet size that SideroLink needs on each family, with a key if the deployment has one", () => {
    const reflectors = {
      siderolink: ["10.0.0.1:51820", "[fd00::5]:51820"],
      stampReflectors: ["10.0.0.1:51820", "[fd00::5]:51820"],
    };
    const open = deploymentFrom({ api: "https://o.example", ...reflectors });
    const keyed = { ...open, omni: { ...open.omni, stampAuthenticated: true } };
    const sizes = targets(row("siderolink-endpoint", keyed, { ...configured, families: [4, 6] })).targets.flatMap(
      ({ options }) => (options.probe === "mtu" ? [[options.requiredBytes, options.authenticated]] : []),
    );
    expect(sizes).toEqual([
      [1_340, true],
      [1_360, true],
    ]);
  });
});
