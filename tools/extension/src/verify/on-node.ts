/**
 * The process that has a container on a node (see node-container.ts): the first of its namespaces. Prints what the container prints; SIGTERM
 * stops the container as Talos would; ends with the container's exit code.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { systemClock } from "@lifeline/measure";
import { run } from "./command.ts";
import { rehearse, start } from "./container.ts";
import { containerSpec } from "./container-spec.ts";
import { makeSources, mountSquash, overlay } from "./image.ts";
import { findAbilities, HERE } from "./machine.ts";
import type { OnNodeRequest } from "./node-container.ts";

/** The latest Talos that the extension is for. */
const PROFILE = "v1.14";

const EXIT_FAILED = 1;

async function main(): Promise<number> {
  // Written by startOnNode alone.
  const { prepared, node, environment, name } = JSON.parse(await text(process.stdin)) as OnNodeRequest;
  const { squashed, root, service } = prepared;
  const folder = `${node}-container`;
  mkdirSync(folder, { recursive: true });
  // What is mounted, written over the root and told to runc ends with this process.
  await run("mount", ["-t", "tmpfs", "tmpfs", folder]);
  await mountSquash(squashed, join(folder, "mounted"));
  const { root: container } = await overlay(join(folder, "mounted", root), join(folder, "overlay"));
  makeSources(
    node,
    service.container.mounts.map(({ source }) => source),
  );
  if (HERE === undefined) throw new Error(`${process.arch}: Talos does not run on it`);
  const spec = containerSpec({
    service,
    profile: PROFILE,
    abilities: findAbilities(HERE),
    root: container,
    node,
    environment,
    cgroup: `/${name}`,
  });
  await rehearse(spec, join(folder, "bundle"));
  const life = await start(spec, join(folder, "bundle"), name, systemClock, (line) =>
    process.stdout.write(`${line}\n`),
  );
  process.once("SIGTERM", () => void life.stop());
  const status = await life.ended;
  process.stderr.write(life.complained());
  return status ?? EXIT_FAILED;
}

process.exitCode = await main();
// The first process of its namespaces must not wait for what it started: the kernel ends that.
process.exit();
