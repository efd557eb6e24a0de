/**
 * Container images of collector, reflector and CLI: no shell, no root, and one layer with the runtime that all three
 * share.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Bundle, bundleProgram, COLLECTOR_NODE, type NodeProcess, PLAIN_NODE } from "@lifeline/bundle";
import { ARCHITECTURES, type Architecture } from "./architecture.ts";
import { npmComponent } from "./components.ts";
import { APPLICATION, applicationOf, bareRoot, USER_ID } from "./container.ts";
import type { BuildContext } from "./extension.ts";
import { type ImageSettings, type Layer, layerOf, writeLayout } from "./oci.ts";
import { spdxText } from "./spdx.ts";
import { tarOf } from "./tar.ts";
import { below, fileOf, joined, type Tree, treeOf } from "./tree.ts";

interface Program {
  readonly name: string;
  readonly entry: string;
  /** Threads it starts, by the name of their file, which is beside the program. */
  readonly workers: Readonly<Record<string, string>>;
  /** Whether it reads the catalogue, which the bundle looks for in `../data`. */
  readonly readsCatalogue: boolean;
  readonly ports: readonly string[];
  /** Flags and environment of its Node. */
  readonly node: NodeProcess;
  /** Where it writes. A new volume takes its owner from this directory. */
  readonly stateDirectory: string | undefined;
}

const PROGRAMS: readonly Program[] = [
  {
    name: "lifeline-collector",
    entry: "apps/collector/src/main.ts",
    workers: { "store-worker.js": "apps/collector/src/store/store-worker.ts" },
    readsCatalogue: true,
    ports: ["9470/tcp", "9471/tcp"],
    node: COLLECTOR_NODE,
    stateDirectory: "/var/lib/lifeline-collector",
  },
  {
    name: "lifeline-reflector",
    entry: "apps/reflector/src/main.ts",
    workers: {},
    readsCatalogue: false,
    ports: ["862/udp"],
    node: PLAIN_NODE,
    stateDirectory: undefined,
  },
  {
    name: "lifeline",
    entry: "apps/cli/src/main.ts",
    workers: {},
    readsCatalogue: true,
    ports: [],
    node: PLAIN_NODE,
    stateDirectory: undefined,
  },
];

export interface ImageResult {
  readonly index: string;
  /** Sum of all layers, by architecture. */
  readonly layerBytes: Readonly<Record<string, number>>;
}

const CATALOGUE = "packages/catalogue/data";

/** Builds all images into `out/NAME/oci`. Returns the results by name. Throws ExtensionError. */
export async function buildImages(context: BuildContext, out: string): Promise<Record<string, ImageResult>> {
  const { release, log } = context;
  const bases = new Map<Architecture, Layer>();
  for (const architecture of ARCHITECTURES) {
    const base = joined(bareRoot(USER_ID), context.inputs.runtimes[architecture.name].tree);
    bases.set(architecture, await layerOf(await tarOf(base, release.createdSeconds)));
  }
  const results: Record<string, ImageResult> = {};
  for (const program of PROGRAMS) {
    log(`image of ${program.name}`);
    results[program.name] = await buildImage(program, context, out, bases);
  }
  return results;
}

async function buildImage(
  program: Program,
  context: BuildContext,
  out: string,
  bases: ReadonlyMap<Architecture, Layer>,
): Promise<ImageResult> {
  const { root, release } = context;
  const bundle = await bundleProgram(program.entry);
  const workers: Record<string, Bundle> = {};
  for (const [file, entry] of Object.entries(program.workers)) workers[file] = await bundleProgram(entry);
  const shared = joined(filesOf(program, root), inventoryOf(program, [bundle, ...Object.values(workers)], context));
  const images = [];
  for (const [architecture, base] of bases) {
    const application = joined(
      applicationOf(bundle, context.inputs.runtimes[architecture.name].native, workers),
      shared,
    );
    const layer = await layerOf(await tarOf(application, release.createdSeconds));
    images.push({ architecture, layers: [base, layer], settings: settingsOf(program) });
  }
  const facts = {
    tag: release.version,
    annotations: release.annotations(program.name),
    createdSeconds: release.createdSeconds,
  };
  const { index } = await writeLayout(join(out, program.name, "oci"), images, facts);
  const bytesOf = (layers: readonly Layer[]) => layers.reduce((sum, { gzip }) => sum + gzip.length, 0);
  return {
    index,
    layerBytes: Object.fromEntries(images.map(({ architecture, layers }) => [architecture.name, bytesOf(layers)])),
  };
}

function filesOf({ readsCatalogue, stateDirectory }: Program, root: string): Tree {
  const catalogue = readsCatalogue ? readdirSync(join(root, CATALOGUE)) : [];
  return joined(
    treeOf(stateDirectory === undefined ? {} : { [stateDirectory.slice(1)]: { kind: "directory", owner: USER_ID } }),
    treeOf(
      Object.fromEntries(catalogue.map((file) => [`data/${file}`, fileOf(readFileSync(join(root, CATALOGUE, file)))])),
    ),
  );
}

function inventoryOf({ name }: Program, bundles: readonly Bundle[], { root, inputs, release }: BuildContext): Tree {
  const { version, createdSeconds, licence } = release;
  const folders = new Set(bundles.flatMap(({ packageFolders }) => packageFolders));
  const native = bundles.some(({ usesNative }) => usesNative) ? inputs.nativeComponents : [];
  const npm = [...folders].map((folder) => npmComponent(join(root, folder)));
  const components = [...npm, ...inputs.components, ...native];
  const text = spdxText({ name, version, createdSeconds, licence }, components);
  return below("usr/local/share/spdx", treeOf({ [`${name}.spdx.json`]: fileOf(text) }));
}

function settingsOf({ ports, node, stateDirectory }: Program): ImageSettings {
  const variables = Object.entries(node.environment).map(([name, value]) => `${name}=${value}`);
  return {
    User: `${USER_ID}:${USER_ID}`,
    Entrypoint: ["/bin/node", ...node.flags, APPLICATION],
    Env: ["PATH=/bin", "HOME=/tmp", "NODE_ENV=production", ...variables],
    WorkingDir: stateDirectory ?? "/",
    ...(ports.length === 0 ? {} : { ExposedPorts: Object.fromEntries(ports.map((port) => [port, {}])) }),
  };
}
