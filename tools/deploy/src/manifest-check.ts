/**
 * Checks Kubernetes manifests against the API's schemas of kubernetes-models. A manifest is compiled as a literal of
 * its type, which finds missing and misspelt keys and wrong types. The model's own validator then checks formats.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PodMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";
import { Deployment } from "kubernetes-models/apps/v1";
import { NetworkPolicy } from "kubernetes-models/networking.k8s.io/v1";
import { ConfigMap, Namespace, PersistentVolumeClaim, Service } from "kubernetes-models/v1";

/** A manifest of some kind. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
}

const CORE = { ConfigMap, Namespace, PersistentVolumeClaim, Service };
/** The known kinds by apiVersion: the module of their type, and their validator. Other kinds are problems. */
const MODELS: Readonly<Record<string, { readonly module: string; readonly kinds: Readonly<Record<string, Model>> }>> = {
  v1: { module: "kubernetes-models/v1", kinds: CORE as unknown as Record<string, Model> },
  "apps/v1": { module: "kubernetes-models/apps/v1", kinds: { Deployment: Deployment as unknown as Model } },
  "networking.k8s.io/v1": {
    module: "kubernetes-models/networking.k8s.io/v1",
    kinds: { NetworkPolicy: NetworkPolicy as unknown as Model },
  },
  "monitoring.coreos.com/v1": {
    module: "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1",
    kinds: { PodMonitor: PodMonitor as unknown as Model },
  },
};

type Model = new (manifest: Manifest) => { validate(): void };

/** The package whose node_modules the compiler uses. */
const PACKAGE = join(import.meta.dirname, "..");
const COMPILER = join(PACKAGE, "../../node_modules/.bin/tsc");

/** What is wrong with the manifests, a line each. Throws when the compiler cannot be started. */
export function problemsOf(manifests: readonly Manifest[]): readonly string[] {
  const unknown = manifests.filter(({ apiVersion, kind }) => MODELS[apiVersion]?.kinds[kind] === undefined);
  if (unknown.length > 0) return unknown.map(({ apiVersion, kind }) => `${apiVersion} ${kind}: is not a known kind`);
  return [...compilerProblems(manifests), ...manifests.flatMap(validatorProblems)];
}

function validatorProblems(manifest: Manifest): readonly string[] {
  const Known = MODELS[manifest.apiVersion]?.kinds[manifest.kind];
  if (Known === undefined) return [];
  try {
    new Known(manifest).validate();
    return [];
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return [`${manifest.kind}: ${error.message}`];
  }
}

function compilerProblems(manifests: readonly Manifest[]): readonly string[] {
  // In node_modules the compiler finds the imports, and no other tool looks there.
  const directory = mkdtempSync(join(PACKAGE, "node_modules/.manifests-"));
  try {
    const literals = manifests.map((manifest, at) => {
      const module = MODELS[manifest.apiVersion]?.module ?? "";
      const type = `import("${module}").I${manifest.kind}`;
      return `export const ${manifest.kind}${at}: ${type} = ${JSON.stringify(manifest, undefined, 2)};\n`;
    });
    const file = join(directory, "manifests.ts");
    writeFileSync(file, literals.join("\n"));
    const options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--ignoreConfig"];
    const { status, stdout, error } = spawnSync(COMPILER, [...options, file], { encoding: "utf8", cwd: directory });
    if (error !== undefined) throw error;
    return status === 0 ? [] : stdout.split("\n").filter((line) => line !== "");
  } finally {
    rmSync(directory, { recursive: true });
  }
}
