/** Runs in its own namespaces, so its mounts, processes and sockets all end with them. */
import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { rootCertificates } from "node:tls";
import type { Clock } from "@lifeline/measure";
import { type ArchitectureName, HERE } from "../architecture.ts";
import { outputOf } from "../command.ts";
import { TALOS_ZSTD_LEVEL } from "../squashfs.ts";
import type { Arguments } from "./arguments.ts";
import type { Check } from "./check.ts";
import { findAbilities } from "./machine.ts";
import { mountSquashfs } from "./mounts.ts";
import { runProfile } from "./profile-run.ts";
import { runUnderQemu } from "./qemu-run.ts";
import { ReportingCollector } from "./reporting-collector.ts";
import { squashExtension, unpackExtension } from "./squashed-extension.ts";

/**
 * Most bytes of the squashed extension, which stays in the memory of the node. Measured: BUDGETS.md, "The extension on
 * a node".
 */
export const SQUASHED_MAX_BYTES = 32_000_000;

/** What a run passes on. */
export interface RunOutput {
  readonly onCheck: (check: Check) => void;
  readonly log: (text: string) => void;
}

const certificates = `${rootCertificates.join("\n")}\n`;

/** Runs all checks in `directory`. Throws ExtensionError when it cannot go on. */
export async function runInNamespaces(
  given: Arguments,
  directory: string,
  clock: Clock,
  output: RunOutput,
): Promise<void> {
  await outputOf("ip", ["link", "set", "lo", "up"]);
  for (const architecture of given.architectures) {
    const own = join(directory, architecture);
    if (architecture === HERE) await runHere(given, architecture, own, clock, output);
    else {
      const { root, service } = await unpackExtension(given.from, architecture, own);
      await runUnderQemu(join(own, "layer", root), certificates, service, architecture, clock, output.onCheck);
    }
  }
}

async function runHere(
  { from, profiles, zstdLevel, settleMs, waitMaxMs }: Arguments,
  architecture: ArchitectureName,
  directory: string,
  clock: Clock,
  { onCheck, log }: RunOutput,
): Promise<void> {
  const { squashed, sizeBytes, root, service } = await squashExtension(from, architecture, directory, zstdLevel);
  const isFigure = zstdLevel === TALOS_ZSTD_LEVEL;
  const seen = `${(sizeBytes / 1e6).toFixed(1)} MB as squashfs, zstd ${zstdLevel}; at most ${SQUASHED_MAX_BYTES / 1e6}`;
  onCheck({ of: architecture, name: "size", isRight: !isFigure || sizeBytes <= SQUASHED_MAX_BYTES, seen });
  const mounted = join(directory, "mounted");
  await mountSquashfs(squashed, mounted);
  const abilities = findAbilities(architecture);
  for (const difference of abilities.differences) log(`unlike Talos: ${difference}`);
  const collector = await ReportingCollector.open(join(directory, "collector"), clock);
  try {
    for (const profile of profiles) {
      const own = join(directory, profile);
      mkdirSync(own);
      const shared = { service, abilities, certificates, collector, clock, settleMs, waitMaxMs };
      const run = basename(join(directory, ".."));
      await runProfile({ ...shared, profile, lower: join(mounted, root), directory: own, run }, onCheck);
    }
  } finally {
    await collector.close();
  }
}
