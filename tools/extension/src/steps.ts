/** What each step saves that makes the image small: sizes of amd64 as Talos packs it. */
import { bundleProgram } from "@lifeline/bundle";
import { applicationOf } from "./container.ts";
import { extensionRoot, INSTALLED_VARIANT } from "./extension.ts";
import { ExtensionError } from "./extension-error.ts";
import { cutIcuData } from "./icu-data.ts";
import type { ImageInputs } from "./image-inputs.ts";
import { squashfsBytes } from "./squashfs.ts";
import { fileOf, type Tree } from "./tree.ts";

export interface Step {
  readonly step: string;
  readonly squashfsBytes: number;
  /** Of the agent's bundle. */
  readonly bundleBytes: number;
}

/** Throws ExtensionError `missing` when mksquashfs is not installed. */
export async function measureSteps(inputs: ImageInputs): Promise<readonly Step[]> {
  const runtime = inputs.runtimes.amd64;
  const plain = await bundleProgram("apps/agent/src/main.ts", false);
  const small = await bundleProgram("apps/agent/src/main.ts");
  const { publishedNode, native } = runtime;
  const withNode = (node: Uint8Array): Tree => new Map(runtime.tree).set("bin/node", fileOf(node, true));
  const stripped = await inputs.strip(publishedNode);
  const cases = [
    ["node as published, bundle not minified", plain, withNode(publishedNode)],
    ["stripped", plain, withNode(stripped)],
    ["ICU's data cut, not stripped", plain, withNode(cutIcuData(publishedNode).program)],
    ["stripped, ICU's data cut", plain, runtime.tree],
    ["bundle minified too, except names of functions and classes: the image", small, runtime.tree],
  ] as const;
  const steps: Step[] = [];
  for (const [step, bundle, tree] of cases) {
    const bytes = await squashfsBytes(extensionRoot(INSTALLED_VARIANT, applicationOf(bundle, native), { tree }, ""));
    if (bytes === undefined)
      throw new ExtensionError("missing", "mksquashfs is not installed; apt-get install squashfs-tools");
    steps.push({ step, squashfsBytes: bytes, bundleBytes: bundle.code.length });
  }
  return steps;
}
