/**
 * A plan like the one a node of default settings is given (catalogue v1.14, IPv4 and IPv6, a reflector): 24 endpoints,
 * most of the published page, each by TCP and TLS, 96 targets in all. The catalogue itself is behind a wall from here.
 */
import { type IpFamily, type ProbeOptions, type Target, targetId } from "@lifeline/measure";

/** Requirement, host and port of each endpoint: names as long and as alike as the page's. */
export const ENDPOINTS: readonly (readonly [requirementId: string, host: string, port: number])[] = [
  ["api-endpoint", "omni.example.internal", 443],
  ["machine-api", "omni.example.internal", 8090],
  ["siderolink-endpoint", "omni.example.internal", 50180],
  ["node-discovery", "discovery.talos.dev", 443],
  ["node-image-factory", "factory.talos.dev", 443],
  ["node-image-factory-builds", "pxe.factory.talos.dev", 443],
  ["node-image-factory-builds", "images.factory.talos.dev", 443],
  ["node-image-factory-builds", "cdn.factory.talos.dev", 443],
  ["node-image-factory-builds", "assets.factory.talos.dev", 443],
  ["node-gcr", "gcr.io", 443],
  ["node-gcr-blobs", "storage.googleapis.com", 443],
  ["node-gar-blobs", "us-west1-docker.pkg.dev", 443],
  ["node-ghcr", "ghcr.io", 443],
  ["node-ghcr-blobs", "pkg-containers.githubusercontent.com", 443],
  ["node-ghcr-blobs", "raw.githubusercontent.com", 443],
  ["node-ghcr-blobs", "objects.githubusercontent.com", 443],
  ["node-ghcr-blobs", "release-assets.githubusercontent.com", 443],
  ["node-kubernetes-registry", "registry.k8s.io", 443],
  ["node-kubernetes-blobs", "prod-registry-k8s-io-us-east-1.s3.dualstack.us-east-1.amazonaws.com", 443],
  ["node-kubernetes-cdn", "cdn.registry.k8s.io", 443],
  ["omni-identity-provider", "auth.example.internal", 5556],
  ["omni-etcd-backup", "s3.example.internal", 9000],
  ["omni-vault", "vault.example.internal", 8200],
  ["node-mirror", "registry.example.internal", 5000],
];

const PROTOCOLS: readonly ProbeOptions[] = [
  { probe: "tcp", acceptReset: false },
  { probe: "tls", trust: { kind: "public" }, alpn: ["h2", "http/1.1"], alpnRequired: false },
];
const FAMILIES: readonly IpFamily[] = [4, 6];

/** The most targets {@link planOf} has. */
export const PLAN_MAX_TARGETS = ENDPOINTS.length * PROTOCOLS.length * FAMILIES.length;

/** The first `count` targets in the order of a plan: an endpoint's protocols and families side by side. */
export function planOf(count: number): readonly Target[] {
  const targets: Target[] = [];
  for (const [requirementId, host, port] of ENDPOINTS) {
    for (const options of PROTOCOLS) {
      for (const family of FAMILIES) {
        const parts = { requirementId, host, port, family, options };
        targets.push({ ...parts, id: targetId(parts), cadenceMs: 1_000, timeoutMs: 950 });
      }
    }
  }
  return targets.slice(0, count);
}
