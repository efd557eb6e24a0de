/** A program of apps/ as one file, from its sources, for Node 24. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { build, type Metafile, type Plugin } from "esbuild";
import { ExtensionError } from "./extension-error.ts";

export interface Bundle {
  readonly code: Uint8Array;
  /** Folders of the npm packages in it, sorted, relative to the repository's root. */
  readonly packageFolders: readonly string[];
  /** Whether it asks for {@link NATIVE_FILE}. */
  readonly usesNative: boolean;
}

/** The file, beside the bundle, that koffi's native part lies in. */
export const NATIVE_FILE = "koffi.node";

/** grpc-js loads it only to serve channelz or ORCA, which nobody asks of Lifeline: 0.4 MB that would never run. */
const NEVER_REACHED = ["@grpc/proto-loader"];

/** What CommonJS code within the bundle may ask for. */
const BANNER = [
  'import { createRequire as lifelineCreateRequire } from "node:module";',
  "const require = lifelineCreateRequire(import.meta.url);",
  "const __filename = import.meta.filename;",
  "const __dirname = import.meta.dirname;",
].join("\n");

/**
 * Bundles `entry`, a path below `root`. White space and syntax are made small; names stay, so that a stack trace can be read, and cost
 * what BUDGETS.md says. Throws `bundle` when esbuild fails, and when koffi would have been left out although it is asked for.
 */
export async function bundleOf(root: string, entry: string, isSmall = true): Promise<Bundle> {
  const result = await build({
    absWorkingDir: root,
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
    minifyWhitespace: isSmall,
    minifySyntax: isSmall,
    legalComments: "none",
    logLevel: "silent",
    plugins: [koffi],
  }).catch((error: unknown) => {
    throw new ExtensionError("bundle", `${entry}: ${error instanceof Error ? error.message : String(error)}`);
  });
  const [output] = result.outputFiles;
  if (output === undefined) throw new ExtensionError("bundle", `${entry}: esbuild gave no file`);
  if (output.text.includes(ASKS_FOR_KOFFI))
    throw new ExtensionError("bundle", `${entry}: asks for koffi at a place that the plugin does not know`);
  const packageFolders = packageFoldersOf(result.metafile);
  return { code: output.contents, packageFolders, usesNative: packageFolders.some((path) => path.endsWith("/koffi")) };
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
