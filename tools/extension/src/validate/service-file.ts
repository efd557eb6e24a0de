/**
 * The service file: how Talos runs the container (Talos: pkg/machinery/extensions/services).
 *
 * 1. Talos reboots a node every 70 minutes while a service has not started. So the service waits for nothing but `cri`,
 *    reads no environment file, and mounts only what every Talos has.
 * 2. It waits for `cri` if, and only if, it mounts something under /var, which is not there earlier.
 * 3. Talos sets no memory limit, so an argument caps the heap.
 */
import * as v from "valibot";
import { readYamlFile, someText, type YamlReading } from "./yaml-file.ts";

const mount = v.strictObject({
  source: someText,
  destination: v.pipe(v.string(), v.regex(/^(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$/, "want a plain absolute path")),
  type: v.literal("bind"),
  options: v.array(v.picklist(["bind", "rbind", "ro", "rw"])),
});

const schema = v.strictObject({
  name: v.pipe(v.string(), v.regex(/^[-_a-z0-9]+$/, "want -, _, a to z and 0 to 9")),
  container: v.strictObject({
    entrypoint: v.pipe(v.string(), v.startsWith("/", "want an absolute path: Talos does not search PATH")),
    args: v.pipe(
      v.array(v.string()),
      v.check(
        (args) => args.some((text) => /^--max-old-space-size=[1-9]\d*$/.test(text)),
        "want --max-old-space-size=MIB: Talos sets no memory limit",
      ),
    ),
    environment: v.pipe(
      v.array(v.pipe(v.string(), v.regex(/^[A-Za-z_][A-Za-z0-9_]*=/, "want NAME=VALUE"))),
      v.check((all) => new Set(all.map((entry) => entry.split("=", 1)[0])).size === all.length, "want each name once"),
    ),
    mounts: v.array(mount),
  }),
  depends: v.optional(v.array(v.strictObject({ service: v.literal("cri") })), []),
  restart: v.picklist(["always", "never", "untilSuccess"]),
  logToConsole: v.optional(v.boolean()),
});

/** A service file that matches the schema. */
export type ServiceFile = v.InferOutput<typeof schema>;

/** Reads and checks a service file; `value` is there although a mount or a dependency is wrong. */
export function readServiceFile(path: string, bytes: Uint8Array): YamlReading<ServiceFile> {
  const { value, problems } = readYamlFile(path, bytes, schema);
  if (value === undefined) return { value, problems };
  return { value, problems: [...mountProblems(path, value), ...dependencyProblems(path, value)] };
}

function mountProblems(path: string, { name, container }: ServiceFile): readonly string[] {
  /**
   * The state, and two things of the host that are always there. Talos cannot start a service whose source it cannot
   * make.
   */
  const accessOf: Readonly<Record<string, "rw" | "ro">> = {
    [`/var/lib/${name}`]: "rw",
    "/etc/ssl/certs": "ro",
    "/etc/os-release": "ro",
  };
  return container.mounts.flatMap(({ source, options }, at) => {
    const field = `${path}#container.mounts.${at}`;
    const access = accessOf[source];
    if (access === undefined)
      return [`${field}.source: got "${source}", want one of ${Object.keys(accessOf).join(", ")}`];
    const isRight = options.length === 2 && options.includes(access) && options.some((word) => word.endsWith("bind"));
    return isRight ? [] : [`${field}.options: got ${options.join(", ")}, want bind or rbind, and ${access}`];
  });
}

function dependencyProblems(path: string, { container, depends }: ServiceFile): readonly string[] {
  const mountsVar = container.mounts.some(({ source }) => source.startsWith("/var/"));
  if (mountsVar === depends.length > 0) return [];
  return [
    mountsVar
      ? `${path}#depends: got none, want service: cri, because /var is not mounted earlier`
      : `${path}#depends: got service: cri without a mount under /var, want none: cri never starts in maintenance mode`,
  ];
}
