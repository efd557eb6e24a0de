/**
 * A program of apps/ as one file, bundled from its sources for Node 24. Images hold this file, and benchmarks measure
 * it.
 *
 * 1. The same sources give the same bytes: no time and no path of this machine is in them.
 * 2. Only koffi's native part stays outside, as a file beside the bundle: see {@link NATIVE_FILE}.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Metafile, Plugin } from "esbuild";

/** A source file, and its size in the bundle. */
export interface BundleInput {
  /** From the root of the tree. */
  readonly path: string;
  readonly bytes: number;
}

export interface Bundle {
  readonly code: Uint8Array;
  /** Largest first; without files of which nothing is in the bundle. */
  readonly inputs: readonly BundleInput[];
  /** Directories of the npm packages in it, sorted, from the root of the tree. */
  readonly packageFolders: readonly string[];
  /** Whether it loads {@link NATIVE_FILE}. */
  readonly usesNative: boolean;
}

/**
 * Why there is no bundle: esbuild failed, and names file and line; or a file loads koffi in a way that the plugin
 * cannot bundle.
 */
export class BundleError extends Error {
  readonly code = "bundle";
}

/** koffi's native part, in the directory of the bundle. */
export const NATIVE_FILE = "koffi.node";

/** The root of the tree; `src` and `dist` are equally deep. */
const ROOT = join(import.meta.dirname, "../../..");

/** grpc-js loads it only to serve channelz or ORCA, which Lifeline does not: 0.4 MB that would never run. */
const NEVER_REACHED = ["@grpc/proto-loader"];

/** Globals that CommonJS code in the bundle needs (esbuild issue 1921). */
const BANNER = [
  'import { createRequire as lifelineCreateRequire } from "node:module";',
  "const require = lifelineCreateRequire(import.meta.url);",
  "const __filename = import.meta.filename;",
  "const __dirname = import.meta.dirname;",
].join("\n");

/**
 * Bundles `entry`, a path from the root of the tree. `isSmall` removes white space and shortens local names, except
 * those of functions and classes, which errors and stack traces show. Rejects with a BundleError.
 */
export async function bundleProgram(entry: string, isSmall = true): Promise<Bundle> {
  // Imported here, because most users of this package only read how Node is started.
  const { build } = await import("esbuild");
  const result = await build({
    absWorkingDir: ROOT,
    entryPoints: [entry],
    bundle: true,
    write: false,
    metafile: true,
    platform: "node",
    format: "esm",
    target: "node24",
    conditions: ["lifeline:source"],
    external: NEVER_REACHED,
    banner: { js: BANNER },
    minify: isSmall,
    keepNames: true,
    // Node prints the line of an uncaught error: this keeps it short, characters.
    ...(isSmall ? { lineLimit: 500 } : {}),
    legalComments: "none",
    logLevel: "silent",
    plugins: [koffi],
  }).catch((error: unknown) => {
    throw new BundleError(`${entry}: ${error instanceof Error ? error.message : String(error)}`);
  });
  const [file] = result.outputFiles;
  if (file === undefined) throw new BundleError(`${entry}: esbuild gave no file`);
  if (file.text.includes(LOADS_KOFFI))
    throw new BundleError(`${entry}: loads koffi in a file that the plugin does not know`);
  const packageFolders = packageFoldersOf(result.metafile);
  const usesNative = packageFolders.some((path) => path.endsWith("/koffi"));
  return { code: file.contents, inputs: inputsOf(result.metafile), packageFolders, usesNative };
}

const LOADS_KOFFI = 'createRequire(import.meta.url)("koffi")';

/**
 * The sources load koffi lazily, in a way that esbuild does not follow. This rewrites it to a require that esbuild
 * bundles, and replaces koffi's search for its native part by the file beside the bundle.
 */
const koffi: Plugin = {
  name: "koffi",
  setup({ onLoad, onResolve }) {
    onLoad(
      { filter: /\/(?:packages\/probe\/src\/kernel|apps\/agent\/src\/process\/native-calls)\.ts$/ },
      async ({ path }) => {
        const source = await readFile(path, "utf8");
        if (!source.includes(LOADS_KOFFI))
          return {
            errors: [
              {
                text: `${path} does not load koffi by ${LOADS_KOFFI}, so the plugin cannot bundle it; change the plugin`,
              },
            ],
          };
        return { contents: source.replace(LOADS_KOFFI, 'require("koffi")'), loader: "ts" };
      },
    );
    onResolve({ filter: /\/static\.cjs$/ }, ({ importer }) =>
      /\/koffi\/src\/koffi\/index\.cjs$/.test(importer) ? { path: "native", namespace: "koffi" } : undefined,
    );
    onLoad({ filter: /^native$/, namespace: "koffi" }, () => ({
      contents: `import { createRequire } from "node:module";
        export const loadStatic = () => createRequire(import.meta.url)("./${NATIVE_FILE}");`,
      loader: "js",
      resolveDir: join(import.meta.dirname),
    }));
  },
};

function packageFoldersOf({ inputs }: Metafile): readonly string[] {
  const folders = Object.keys(inputs).flatMap(
    (path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? [],
  );
  return [...new Set(folders)].sort();
}

function inputsOf({ outputs }: Metafile): readonly BundleInput[] {
  const [output] = Object.values(outputs);
  return Object.entries(output?.inputs ?? {})
    .map(([path, { bytesInOutput }]) => ({ path, bytes: bytesInOutput }))
    .filter(({ bytes }) => bytes > 0)
    .sort((one, other) => other.bytes - one.bytes);
}
