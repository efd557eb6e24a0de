/**
 * The process that runs a container in a node's network (see node-container.ts): the first of its namespaces. It prints
 * what the container prints, stops it as Talos does at SIGTERM, and ends with its exit code.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { systemClock } from "@lifeline/measure";
import { HERE } from "../architecture.ts";
import { outputOf } from "../command.ts";
import { Container, createOnce } from "./container.ts";
import { containerSpec } from "./container-spec.ts";
import { findAbilities } from "./machine.ts";
import { mountOverlay, mountSquashfs } from "./mounts.ts";
import type { NodeContainerRequest } from "./node-container-request.ts";
import { makeMountSources } from "./node-root.ts";

/** The latest Talos that the extension is for. */
const PROFILE = "v1.14";

const EXIT_FAILED = 1;

async function main(): Promise<number> {
  // Only NodeContainer writes it.
  const { extension, node, environment, name } = JSON.parse(await text(process.stdin)) as NodeContainerRequest;
  const { squashed, root, service } = extension;
  const directory = `${node}-container`;
  mkdirSync(directory, { recursive: true });
  // All mounts, files and runc's state in it end with this process.
  await outputOf("mount", ["-t", "tmpfs", "tmpfs", directory]);
  await mountSquashfs(squashed, join(directory, "mounted"));
  const overlay = await mountOverlay(join(directory, "mounted", root), join(directory, "overlay"));
  makeMountSources(
    node,
    service.container.mounts.map(({ source }) => source),
  );
  if (HERE === undefined) throw new Error(`${process.arch}: Talos does not run on it`);
  const abilities = findAbilities(HERE);
  const cgroup = `/${name}`;
  const spec = containerSpec({ service, profile: PROFILE, abilities, root: overlay.root, node, environment, cgroup });
  const bundle = join(directory, "bundle");
  await createOnce(spec, bundle);
  const onLine = (line: string) => process.stdout.write(`${line}\n`);
  const container = await Container.start({ spec, directory: bundle, id: name, clock: systemClock, onLine });
  process.once("SIGTERM", () => void container.stop());
  const status = await container.ended;
  process.stderr.write(container.stderr);
  return status ?? EXIT_FAILED;
}

process.exitCode = await main();
// The first process of its namespaces does not wait for what it started: the kernel ends that.
process.exit();
