/**
 * A program of apps/ as one file, from its sources, for Node 24: what images hold, and what is measured.
 *
 * 1. The same sources give the same bytes: no time, no path of this machine.
 * 2. koffi's native part alone stays outside, as a file beside the bundle: see {@link NATIVE_FILE}.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Metafile, Plugin } from "esbuild";

/** A file of the sources, and what of it is in the bundle. */
export interface BundleInput {
  /** From the root of the tree. */
  readonly path: string;
  readonly bytes: number;
}

export interface Bundle {
  readonly code: Uint8Array;
  /** Largest first; without what was dropped whole. */
  readonly inputs: readonly BundleInput[];
  /** Folders of the npm packages in it, sorted, from the root of the tree. */
  readonly packageFolders: readonly string[];
  /** Whether it asks for {@link NATIVE_FILE}. */
  readonly usesNative: boolean;
}

/** Why there is no bundle: esbuild failed, and named file and line; or koffi would have been left out although it is asked for. */
export class BundleError extends Error {
  readonly code = "bundle";
}

/** The file, beside the bundle, that koffi's native part lies in. */
export const NATIVE_FILE = "koffi.node";

/** The root of the tree; `src` and `dist` are equally deep. */
const ROOT = join(import.meta.dirname, "../../..");

/** grpc-js loads it only to serve channelz or ORCA, which nobody asks of Lifeline: 0.4 MB that would never run. */
const NEVER_REACHED = ["@grpc/proto-loader"];

/** What CommonJS code within the bundle may ask for (esbuild issue 1921). */
const BANNER = [
  'import { createRequire as lifelineCreateRequire } from "node:module";',
  "const require = lifelineCreateRequire(import.meta.url);",
  "const __filename = import.meta.filename;",
  "const __dirname = import.meta.dirname;",
].join("\n");

/**
 * Bundles `entry`, a path from the root of the tree; `isSmall`: without white space, and with short names for what is local. Functions and
 * classes keep theirs, so that errors and stack traces can be read. Rejects with a BundleError.
 */
export async function bundleProgram(entry: string, isSmall = true): Promise<Bundle> {
  // Only now: who asks how a program is started does not pay for it.
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
    // A defect that Node tells by its line shows this much of it, characters, and not the whole program.
    ...(isSmall ? { lineLimit: 500 } : {}),
    legalComments: "none",
    logLevel: "silent",
    plugins: [koffi],
  }).catch((error: unknown) => {
    throw new BundleError(`${entry}: ${error instanceof Error ? error.message : String(error)}`);
  });
  const [file] = result.outputFiles;
  if (file === undefined) throw new BundleError(`${entry}: esbuild gave no file`);
  if (file.text.includes(ASKS_FOR_KOFFI))
    throw new BundleError(`${entry}: asks for koffi at a place that the plugin does not know`);
  const packageFolders = packageFoldersOf(result.metafile);
  const usesNative = packageFolders.some((path) => path.endsWith("/koffi"));
  return { code: file.contents, inputs: inputsOf(result.metafile), packageFolders, usesNative };
}

const ASKS_FOR_KOFFI = 'createRequire(import.meta.url)("koffi")';

/**
 * koffi is asked for lazily, in a way that esbuild does not follow; here it is told to. Of koffi's search for its native part one place
 * is left: the file beside the bundle.
 */
const koffi: Plugin = {
  name: "koffi",
  setup({ onLoad, onResolve }) {
    onLoad(
      { filter: /\/(?:packages\/probe\/src\/kernel|apps\/agent\/src\/process\/native-calls)\.ts$/ },
      async ({ path }) => {
        const source = await readFile(path, "utf8");
        if (!source.includes(ASKS_FOR_KOFFI))
          return {
            errors: [
              {
                text: `${path} does not ask for koffi by ${ASKS_FOR_KOFFI} any more: an image would go without what the kernel tells`,
              },
            ],
          };
        return { contents: source.replace(ASKS_FOR_KOFFI, 'require("koffi")'), loader: "ts" };
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
