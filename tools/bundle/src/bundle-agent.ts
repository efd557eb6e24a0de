/**
 * The agent as one file, from its sources: what the image for a node holds, and what is measured.
 *
 * 1. The same sources give the same bytes: no time, no path of this machine.
 * 2. Only koffi stays outside, for its native half is no JavaScript; see placeKoffi.
 */
import { join } from "node:path";
import { build } from "esbuild";

/** A file of the sources, and what of it is in the bundle. */
export interface BundleInput {
  /** From the root of the tree. */
  readonly path: string;
  readonly bytes: number;
}

/** What was written. */
export interface Bundle {
  readonly bytes: number;
  /** Largest first; without what was dropped whole. */
  readonly inputs: readonly BundleInput[];
}

/** The root of the tree; `src` and `dist` are equally deep. */
const ROOT = join(import.meta.dirname, "../../..");

/**
 * Modules that the agent's libraries name and it never reaches: grpc-js loads its proto-loader only to serve channelz or ORCA, which
 * nobody asks of an agent.
 */
const NEVER_REACHED = ["@grpc/proto-loader"];

/** What CommonJS inside an ES module needs (esbuild issue 1921). */
const BANNER =
  'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);';

/** Writes the bundle, an ES module (`.mjs`). Rejects with esbuild's error, which names file and line. */
export async function bundleAgent(outFile: string): Promise<Bundle> {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: ["apps/agent/src/main.ts"],
    outfile: outFile,
    bundle: true,
    platform: "node",
    target: "node24",
    format: "esm",
    conditions: ["lifeline:source"],
    external: ["koffi", ...NEVER_REACHED],
    minify: true,
    // Errors are told by name.
    keepNames: true,
    legalComments: "none",
    // A defect that Node tells by its line shows this much of it, characters, and not the whole program.
    lineLimit: 500,
    banner: { js: BANNER },
    metafile: true,
    logLevel: "silent",
  });
  const [output] = Object.values(metafile.outputs);
  const inputs = Object.entries(output?.inputs ?? {})
    .map(([path, { bytesInOutput }]) => ({ path, bytes: bytesInOutput }))
    .filter(({ bytes }) => bytes > 0)
    .sort((a, b) => b.bytes - a.bytes);
  return { bytes: output?.bytes ?? 0, inputs };
}
