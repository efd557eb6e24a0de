/** The run itself, in namespaces of its own: whatever it mounts, starts or opens goes with them. */
import { mkdirSync } from "node:fs";
import { basename, join } from "node:path";
import { rootCertificates } from "node:tls";
import type { Clock } from "@lifeline/measure";
import type { Arguments } from "./arguments.ts";
import type { Check } from "./check.ts";
import { run } from "./command.ts";
import { playForeign } from "./foreign.ts";
import { mountSquash } from "./image.ts";
import { findAbilities, HERE } from "./machine.ts";
import { prepare, unpack } from "./prepared.ts";
import { playProfile } from "./scene.ts";
import { openSite } from "./site.ts";

/** Most bytes of an extension once squashed: it stays so in the node's memory for ever. Measured: 28.7 MB for amd64. */
export const SQUASHED_MAX_BYTES = 32_000_000;

/** Plays everything; checks are told as they are made. */
export async function playInside(
  { from, architectures, profiles, zstdLevel, settleMs }: Arguments,
  folder: string,
  clock: Clock,
  tell: (check: Check) => void,
  say: (text: string) => void,
): Promise<void> {
  await run("ip", ["link", "set", "lo", "up"]);
  const certificates = `${rootCertificates.join("\n")}\n`;
  for (const architecture of architectures) {
    const at = join(folder, architecture);
    if (architecture !== HERE) {
      const { root, service } = await unpack(from, architecture, at);
      await playForeign(join(at, "layer", root), certificates, service, architecture, clock, tell);
      continue;
    }
    const { squashed, sizeBytes, root, service } = await prepare(from, architecture, at, zstdLevel);
    const size = `${(sizeBytes / 1e6).toFixed(1)} MB as squashfs, zstd ${zstdLevel}; at most ${SQUASHED_MAX_BYTES / 1e6}`;
    // Only Talos's own level makes a figure.
    tell({ of: architecture, name: "size", isRight: zstdLevel !== 18 || sizeBytes <= SQUASHED_MAX_BYTES, seen: size });
    const mounted = join(at, "mounted");
    await mountSquash(squashed, mounted);
    const abilities = findAbilities(architecture);
    for (const sentence of abilities.unlike) say(`unlike Talos: ${sentence}`);
    const site = await openSite(join(folder, "site"), clock);
    try {
      for (const profile of profiles) {
        const place = join(folder, profile);
        mkdirSync(place);
        const lower = join(mounted, root);
        await playProfile(
          {
            profile,
            service,
            abilities,
            lower,
            folder: place,
            run: basename(folder),
            certificates,
            site,
            clock,
            settleMs,
          },
          tell,
        );
      }
    } finally {
      await site.close();
    }
  }
}
