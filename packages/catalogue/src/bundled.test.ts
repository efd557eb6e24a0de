import { describe, expect, it } from "vitest";
import { listCatalogues, loadCatalogue } from "./bundled.ts";
import { findRequirement } from "./catalogue.ts";
import { diffCatalogues } from "./diff.ts";
import { hasDrift, type Requirement } from "./requirement.ts";

const page = loadCatalogue("v1.13");

function row(id: string): Requirement {
  const found = findRequirement(page, id);
  if (found === undefined) throw new Error(`no row ${id}`);
  return found;
}

/** The published page, row by row: section, value, port, protocol, purpose. */
const PAGE: readonly (readonly [
  id: string,
  value: string,
  port: number | undefined,
  protocol: string | undefined,
  purpose: string,
])[] = [
  ["omni-image-registry", "ghcr.io", 443, "tcp", "Download Omni container image"],
  ["omni-image-blobs", "*.githubusercontent.com", 443, "tcp", "Backing blob storage for images"],
  ["omni-image-factory", "factory.talos.dev", 443, "tcp", "Talos install media"],
  ["omni-image-factory-builds", "*.factory.talos.dev", 443, "tcp", "Talos factory builds"],
  ["omni-media-storage", "*.r2.cloudflarestorage.com", 443, "tcp", "CDN / object storage for install media"],
  ["api-endpoint", "API Endpoint (HTTPS API)", 443, "tcp", "HTTPS management traffic"],
  ["siderolink-endpoint", "SideroLink Endpoint (WireGuard)", 51820, "udp", "WireGuard (SideroLink)"],
  [
    "siderolink-internal-address",
    "fd00:41e4:649b:9303::1",
    undefined,
    undefined,
    "Omni inside the SideroLink tunnel: events, kernel logs, trust",
  ],
  ["saas-api-endpoint", "API endpoint (HTTPS)", 443, "tcp", "HTTPS management traffic"],
  ["saas-siderolink-endpoint", "SideroLink endpoint (WireGuard)", 51820, "udp", "WireGuard (SideroLink)"],
  ["node-discovery", "discovery.talos.dev", 443, "tcp", "Cluster discovery service"],
  ["node-image-factory", "factory.talos.dev", 443, "tcp", "Talos install media"],
  ["node-image-factory-builds", "*.factory.talos.dev", 443, "tcp", "Talos factory builds"],
  ["node-media-storage", "*.r2.cloudflarestorage.com", 443, "tcp", "Cloudflare R2 origin storage"],
  ["node-gcr", "gcr.io", 443, "tcp", "Google Container Registry"],
  ["node-gcr-blobs", "storage.googleapis.com", 443, "tcp", "Backing blob storage for images"],
  ["node-gar-blobs", "*.pkg.dev", 443, "tcp", "Backing blob storage for images"],
  ["node-ghcr", "ghcr.io", 443, "tcp", "Github Container Registry"],
  ["node-ghcr-blobs", "*.githubusercontent.com", 443, "tcp", "Backing blob storage for images"],
  ["node-kubernetes-registry", "registry.k8s.io", 443, "tcp", "Kubernetes registry"],
  ["node-kubernetes-blobs", "*.s3.dualstack.us-east-1.amazonaws.com", 443, "tcp", "Backing blob storage for images"],
];

/** Rows that the page omits: evidence, and no published value. */
const OMITTED = [
  "omni-identity-provider",
  "omni-etcd-backup",
  "omni-vault",
  "machine-api",
  "saas-machine-api",
  "node-dns-udp",
  "node-dns-tcp",
  "node-time",
  "siderolink-interface",
  "tunnel-bypasses-proxy",
  "node-clock",
  "node-unique",
];

/** Statements that the sources contradict: erratum, row, some text of each side. */
const ERRATA: readonly (readonly [erratum: string, row: string, published: string, effective: string])[] = [
  ["in-tunnel-address", "siderolink-internal-address", "fd00:41e4:649b:9303::1", "fdae:41e4:649b:9303::1"],
  ["wireguard-port", "siderolink-endpoint", "51820/UDP", "50180/UDP"],
  ["wireguard-port", "saas-siderolink-endpoint", "51820/UDP", "10001"],
  ["machine-api", "api-endpoint", "443/TCP", "Machine API"],
  ["machine-api", "saas-api-endpoint", "443/TCP", "<account>.siderolink.omni.siderolabs.io:443"],
  ["media-through-omni", "node-image-factory", "may not be required", "410 Gone"],
  ["other-egress", "omni-identity-provider", "All traffic uses TCP port 443", "identity provider"],
  ["other-egress", "omni-etcd-backup", "All traffic uses TCP port 443", "object store"],
  ["other-egress", "omni-vault", "All traffic uses TCP port 443", "Vault"],
  ["time-and-dns", "node-dns-udp", "no row", "1.1.1.1 and 8.8.8.8"],
  ["time-and-dns", "node-dns-tcp", "no row", "53/TCP"],
  ["time-and-dns", "node-time", "no row", "4460/TCP"],
  ["grpc-tunnel", "siderolink-endpoint", "UDP must be allowed", "tunnelled over gRPC"],
  ["machine-api-protocol", "machine-api", "8090/udp", "8090/tcp"],
];

describe("the catalogue of v1.13", () => {
  it.each(PAGE)("has the published row %s as printed (C1)", (id, value, port, protocol, purpose) => {
    const { published, purpose: stated } = row(id);
    expect(published).toEqual({ value, ...(port && { port }), ...(protocol && { protocol }) });
    expect(stated).toBe(purpose);
  });

  it.each(OMITTED)("marks %s as not on the page, with evidence", (id) => {
    expect(row(id).published).toBeNull();
    expect(row(id).effective.evidence.length).toBeGreaterThan(0);
  });

  it("has no row besides the published and the omitted ones", () => {
    const ids = page.requirements.map(({ id }) => id);
    expect([...ids].sort()).toEqual([...PAGE.map(([id]) => id), ...OMITTED].sort());
  });

  it.each(ERRATA)("has the erratum %s of %s, with both sides and evidence", (erratum, id, published, effective) => {
    const found = row(id).errata?.find((entry) => entry.id === erratum);
    expect(found?.published).toContain(published);
    expect(found?.effective).toContain(effective);
    expect(found?.evidence.length).toBeGreaterThan(0);
    expect(hasDrift(row(id))).toBe(true);
  });

  it("reports no drift where page and sources agree", () => {
    expect(hasDrift(row("node-ghcr"))).toBe(false);
  });

  it("judges SideroLink by the effective default port, not the published one", () => {
    expect([row("siderolink-endpoint").port, row("siderolink-endpoint").published?.port]).toEqual([50180, 51820]);
  });

  it("knows no host of R2, and says what to do (M4)", () => {
    expect(row("node-media-storage").place).toMatchObject({
      known: [],
      unknown: { why: expect.stringContaining("R2") },
    });
  });
});

describe("bundled versions", () => {
  it("lists them oldest first, and loads the newest by default", () => {
    expect(listCatalogues()).toEqual(["v1.13", "v1.14"]);
    expect(loadCatalogue().version).toBe("v1.14");
  });

  it("refuses an unknown version and names the known ones", () => {
    expect(() => loadCatalogue("v1.99")).toThrow('bundled catalogues: version: got "v1.99", want one of v1.13, v1.14');
    expect(() => loadCatalogue("../../etc/passwd")).toThrow("want one of v1.13, v1.14");
  });

  it.each(listCatalogues())(
    "of %s ask a time server less than once in 8 s, and leave room for bursts (P1)",
    (version) => {
      const plans = loadCatalogue(version).requirements.flatMap(({ probes }) => probes);
      const cadences = plans.flatMap(({ probe, cadenceMs = 0 }) =>
        probe === "ntp" || probe === "nts" ? [cadenceMs] : [],
      );
      // RFC 5905 §7.2: no client polls more often than every 16 s.
      expect(Math.min(...cadences)).toBe(16_000);
      // A third of what ntpd's rate limit allows is left (packet-pacing.ts of packages/probe).
      const perS = cadences.reduce((sum, cadenceMs) => sum + 1_000 / cadenceMs, 0);
      expect(perS).toBeLessThanOrEqual((2 / 3) * (1 / 8));
    },
  );

  it("differ by the corrected tunnel address, the proxy section and NTS", () => {
    const diff = diffCatalogues(page, loadCatalogue("v1.14"));
    expect(diff.added.map(({ id }) => id)).toEqual(["http-proxy", "node-kubernetes-cdn", "node-time-security"]);
    expect(diff.removed).toEqual([]);
    const values = diff.changed.filter(({ field }) => field !== "source.version" && field !== "errata");
    expect(values).toEqual([
      {
        id: "siderolink-internal-address",
        field: "published.value",
        from: "fd00:41e4:649b:9303::1",
        to: "fdae:41e4:649b:9303::1",
      },
    ]);
  });
});
