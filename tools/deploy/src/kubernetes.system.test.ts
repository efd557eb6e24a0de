/**
 * The manifests for Kubernetes, checked against the API's schemas, the restricted profile, and the collector's own
 * settings.
 */
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseDeployment } from "@lifeline/catalogue";
import { parseConfig, STOP_WITHIN_MS } from "@lifeline/collector";
import { describe, expect, it } from "vitest";
import { type Manifest, problemsOf } from "./manifest-check.ts";
import { flagsOf, settingsOf } from "./program.ts";
import { ROOT, yamlOf } from "./repository.ts";

interface Port {
  readonly name: string;
  readonly containerPort: number;
}
interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}
interface Container {
  readonly args: readonly string[];
  readonly ports: readonly Port[];
  readonly env?: readonly { readonly name: string }[];
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
  readonly securityContext: unknown;
}
interface Pod {
  readonly terminationGracePeriodSeconds: number;
  readonly securityContext: unknown;
  readonly containers: readonly [Container];
  readonly volumes: readonly { readonly name: string; readonly secret?: unknown; readonly configMap?: unknown }[];
}

const documents = yamlOf("deploy/kubernetes/collector.yaml");
const manifests = documents.map((document) => document.toJS() as Manifest & Record<string, unknown>);
/** The one manifest of a kind. */
function only<T>(kind: string): T {
  const found = manifests.filter((manifest) => manifest.kind === kind);
  expect(found.map(({ kind: of }) => of)).toEqual([kind]);
  return found[0] as T;
}
interface Workload {
  readonly spec: {
    readonly replicas: number;
    readonly strategy: unknown;
    readonly selector: { readonly matchLabels: unknown };
    readonly template: { readonly metadata: { readonly labels: unknown }; readonly spec: Pod };
  };
}
const deployment = only<Workload>("Deployment").spec;
const pod = deployment.template.spec;
const [container] = pod.containers;
const files = only<{ data: Readonly<Record<string, string>> }>("ConfigMap").data;
const mountOf = (volume: string) => container.volumeMounts.find(({ name }) => name === volume)?.mountPath ?? "";
const config = parseConfig(join(mountOf("config"), "collector.yaml"), files["collector.yaml"] ?? "");

describe("the collector's manifests", () => {
  it("are YAML with each key once", () => {
    expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([]);
  });

  it("match the API's schemas", () => {
    expect(problemsOf(manifests)).toEqual([]);
  });

  it.each<[string, (of: Pod) => unknown, string]>([
    ["a misspelt key", (of) => Object.assign(of, { nodeSelectors: {} }), "nodeSelectors"],
    ["another type", (of) => Object.assign(of.containers[0], { args: "--config" }), "args"],
    ["a missing key", (of) => Reflect.deleteProperty(of.containers[0], "name"), "name"],
    [
      "a wrong format",
      (of) => Object.assign(of, { terminationGracePeriodSeconds: 0.5 }),
      "terminationGracePeriodSeconds",
    ],
  ])("%s is found", (_, spoil, where) => {
    const spoilt = structuredClone(only<Workload & Manifest>("Deployment"));
    spoil(spoilt.spec.template.spec);
    expect(problemsOf([spoilt]).join("\n")).toContain(where);
  });

  it("meet the restricted profile of Pod Security, and write only to volumes", () => {
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } });
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
  });

  it("run one collector at a time, and give it more time to stop than it needs", () => {
    expect([deployment.replicas, deployment.strategy]).toEqual([1, { type: "Recreate" }]);
    expect(pod.terminationGracePeriodSeconds * 1_000).toBeGreaterThan(2 * STOP_WITHIN_MS);
  });

  it("use only flags and variables that the collector has", () => {
    const { flags, variables } = settingsOf("collector");
    expect(flagsOf(container.args).filter((flag) => !flags.has(flag))).toEqual([]);
    expect((container.env ?? []).filter(({ name }) => !variables.has(name))).toEqual([]);
    expect(container.args).toEqual(["--config", join(mountOf("config"), "collector.yaml")]);
  });

  it("have a configuration that the collector accepts, with the ports and files of the pod", () => {
    const portOf = (name: string) => container.ports.find((port) => port.name === name)?.containerPort;
    expect([config.listen.port, config.httpListen.port]).toEqual([portOf("grpc"), portOf("metrics")]);
    expect(config.dataDir.startsWith(`${mountOf("data")}/`)).toBe(true);
    expect(config.deployment).toBe(join(mountOf("config"), "deployment.yaml"));
    expect(config.accessTokensFile?.startsWith(`${mountOf("access-tokens")}/`)).toBe(true);
    expect(Object.keys(files)).toEqual(["collector.yaml", basename(config.deployment)]);
  });

  it("have a deployment file that the catalogue accepts", () => {
    const parsed = parseDeployment("deployment.yaml", files["deployment.yaml"] ?? "", () => "");
    expect(parsed.name).toBe("berlin");
  });

  it("use only existing ports and paths for probes, scrapes and policies", () => {
    const paths = new Set(
      readFileSync(join(ROOT, "apps/collector/src/export/http-server.ts"), "utf8").match(/(?<=")\/[a-z]+(?=")/g),
    );
    const probes = [container.startupProbe, container.livenessProbe, container.readinessProbe];
    for (const { httpGet } of probes) {
      expect(paths).toContain(httpGet.path);
      expect(httpGet.port).toBe("metrics");
    }
    type Monitor = { spec: { podMetricsEndpoints: readonly { port: string; path: string }[] } };
    for (const { port, path } of only<Monitor>("PodMonitor").spec.podMetricsEndpoints) {
      expect(paths).toContain(path);
      expect(port).toBe("metrics");
    }
    const names = container.ports.map(({ name }) => name);
    type Balanced = { spec: { ports: readonly { targetPort: string }[] } };
    expect(only<Balanced>("Service").spec.ports.map(({ targetPort }) => targetPort)).toEqual(["grpc"]);
    type Policy = { spec: { ingress: readonly { ports: readonly { port: string }[]; from?: unknown }[] } };
    const { ingress } = only<Policy>("NetworkPolicy").spec;
    expect(ingress.flatMap(({ ports }) => ports.map(({ port }) => port))).toEqual(names);
    // Only the scraper may read metrics.
    expect(ingress.map(({ from }) => from !== undefined)).toEqual([false, true]);
  });

  it("select the pod by its labels", () => {
    type Labels = { readonly matchLabels: unknown };
    const { labels } = deployment.template.metadata;
    expect(deployment.selector.matchLabels).toEqual(labels);
    expect(only<{ spec: { selector: unknown } }>("Service").spec.selector).toEqual(labels);
    expect(only<{ spec: { podSelector: Labels } }>("NetworkPolicy").spec.podSelector.matchLabels).toEqual(labels);
    expect(only<{ spec: { selector: Labels } }>("PodMonitor").spec.selector.matchLabels).toEqual(labels);
  });

  it("mount all volumes, and no others", () => {
    const volumes = pod.volumes.map(({ name }) => name).sort();
    expect(container.volumeMounts.map(({ name }) => name).sort()).toEqual(volumes);
  });
});
