/**
 * The service file: how Talos runs the container (Talos: pkg/machinery/extensions/services).
 *
 * 1. A service that never comes up makes Talos reboot the node every 70 minutes. So nothing in it may wait for what may never come:
 *    no dependency but on `cri`, no environment file, no mount of what may not be there.
 * 2. `cri` is waited for if, and only if, something under /var is mounted: it is not there earlier.
 * 3. There is no memory limit, so the heap is capped by an argument.
 */
import * as v from "valibot";
import { type Problem, type ProblemCode, quoted } from "./problem.ts";
import { mapping, readYaml, someText } from "./strict-yaml.ts";

const RESTARTS = ["always", "never", "untilSuccess"] as const;

const texts = v.array(v.string("text"), "a list of texts");
const mount = mapping({
  source: someText,
  destination: someText,
  type: v.literal("bind", "bind: nothing else is mounted before the container is"),
  options: texts,
});
const dependency = mapping({
  service: v.optional(v.string("a service's name")),
  path: v.optional(v.string("a path")),
  network: v.optional(texts),
  time: v.optional(v.boolean("true or false")),
  configuration: v.optional(v.boolean("true or false")),
});
const schema = mapping({
  name: v.string("a name"),
  container: mapping({
    entrypoint: v.optional(v.string("a path"), ""),
    args: v.optional(texts, []),
    environment: v.optional(texts, []),
    environmentFile: v.optional(v.string("a path"), ""),
    mounts: v.optional(v.array(mount, "a list of mounts"), []),
    security: v.optional(
      mapping({
        writeableRootfs: v.optional(v.boolean("true or false"), false),
        writeableSysfs: v.optional(v.boolean("true or false"), false),
        maskedPaths: v.optional(texts),
        readonlyPaths: v.optional(texts),
        rootfsPropagation: v.optional(v.string("a word")),
      }),
      {},
    ),
  }),
  depends: v.optional(v.array(dependency, "a list of dependencies"), []),
  restart: v.optional(v.string(RESTARTS.join(", "))),
  logToConsole: v.optional(v.boolean("true or false")),
});

/** A service file that is of the schema. */
export type ServiceFile = v.InferOutput<typeof schema>;

/** A mount of it. */
export type ServiceMount = ServiceFile["container"]["mounts"][number];

/** What a service file may mount: the state, writable, and two read-only things of the host that are always there. */
export function allowedSources(name: string): Readonly<Record<string, "rw" | "ro">> {
  return { [`/var/lib/${name}`]: "rw", "/etc/ssl/certs": "ro", "/etc/os-release": "ro" };
}

/** Checks a service file. `value` is undefined where it is not of the schema. */
export function checkServiceFile(
  path: string,
  bytes: Uint8Array,
): { readonly value: ServiceFile | undefined; readonly problems: readonly Problem[] } {
  const { value, problems } = readYaml(path, bytes, schema);
  if (value === undefined) return { value, problems };
  const problem = (code: ProblemCode, field: string, found: string, want: string): Problem => {
    return { code, path: `${path}#${field}`, found, want };
  };
  return {
    value,
    problems: [
      ...checkHead(value, problem),
      ...checkEnvironment(value, problem),
      ...checkDependencies(value, problem),
      ...value.container.mounts.flatMap((each, at) => checkMount(value.name, each, `container.mounts.${at}`, problem)),
    ],
  };
}

type Tell = (code: ProblemCode, field: string, found: string, want: string) => Problem;

function checkHead({ name, restart, container }: ServiceFile, tell: Tell): readonly Problem[] {
  const problems: Problem[] = [];
  if (!/^[-_a-z0-9]+$/.test(name))
    problems.push(tell("service-name", "name", `name ${quoted(name)} is invalid`, "-, _, a to z and 0 to 9"));
  if (restart === undefined)
    problems.push(tell("restart", "restart", "restart kind is invalid: RestartKind(0)", RESTARTS.join(", ")));
  else if (!RESTARTS.some((word) => word === restart))
    problems.push(tell("restart", "restart", `${restart} does not belong to RestartKind values`, RESTARTS.join(", ")));
  if (container.entrypoint === "")
    problems.push(
      tell("entrypoint-empty", "container.entrypoint", "container endpoint can't be empty", "a program's path"),
    );
  for (const key of ["writeableRootfs", "writeableSysfs"] as const) {
    if (container.security[key]) problems.push(tell("loosened", `container.security.${key}`, "true", "false"));
  }
  if (!container.args.some((text) => /^--max-old-space-size=[1-9]\d*$/.test(text)))
    problems.push(tell("heap-uncapped", "container.args", "no --max-old-space-size", "it: Talos sets no memory limit"));
  return problems;
}

function checkEnvironment({ container }: ServiceFile, tell: Tell): readonly Problem[] {
  const problems: Problem[] = [];
  const seen = new Set<string>();
  for (const [at, entry] of container.environment.entries()) {
    const name = /^([A-Za-z_][A-Za-z0-9_]*)=/.exec(entry)?.[1];
    const field = `container.environment.${at}`;
    if (name === undefined) problems.push(tell("environment", field, quoted(entry), "NAME=VALUE"));
    else if (seen.has(name)) problems.push(tell("environment", field, `${name} again`, "each name once"));
    else seen.add(name);
  }
  if (container.environmentFile !== "") {
    const want = "none: boot waits for the file, and the node reboots without it";
    problems.push(tell("depends-holds-boot", "container.environmentFile", quoted(container.environmentFile), want));
  }
  return problems;
}

function checkDependencies({ depends, container }: ServiceFile, tell: Tell): readonly Problem[] {
  const problems = depends.flatMap((entry, at) => checkDependency(entry, `depends.${at}`, tell));
  const needsCri = container.mounts.some(({ source }) => source === "/var" || source.startsWith("/var/"));
  const hasCri = depends.some(({ service }) => service === "cri");
  if (needsCri && !hasCri)
    problems.push(
      tell("depends-cri", "depends", "no cri, and a mount under /var", "service: cri, which /var is there with"),
    );
  if (hasCri && !needsCri)
    problems.push(
      tell("depends-cri", "depends", "cri, and no mount under /var", "no cri: it never comes in maintenance mode"),
    );
  return problems;
}

function checkDependency(entry: ServiceFile["depends"][number], field: string, tell: Tell): Problem[] {
  const { service = "", path = "", network = [], time = false, configuration = false } = entry;
  const set = [service !== "", path !== "", network.length > 0, time, configuration].filter(Boolean).length;
  if (set === 0) return [tell("depends-shape", field, "no dependency specified", "exactly one")];
  if (set > 1) return [tell("depends-shape", field, "more than a single dependency is set", "exactly one")];
  if (service === "cri") return [];
  return [tell("depends-holds-boot", field, JSON.stringify(entry), "service: cri alone; boot waits for all others")];
}

function checkMount(
  name: string,
  { source, destination, options }: ServiceMount,
  field: string,
  tell: Tell,
): Problem[] {
  const allowed = allowedSources(name);
  const access = allowed[source];
  const problems: Problem[] = [];
  const say = (key: string, found: string, want: string) =>
    problems.push(tell("mount", `${field}.${key}`, found, want));
  if (access === undefined)
    say("source", quoted(source), `one of ${Object.keys(allowed).join(", ")}: what cannot be made fails the service`);
  if (!/^(\/[^/\0]+)+$/.test(destination) || /\/\.\.?(\/|$)/.test(destination))
    say("destination", quoted(destination), "an absolute path, plainly written");
  if (!options.includes("bind") && !options.includes("rbind")) say("options", JSON.stringify(options), "bind or rbind");
  if (options.includes("rw") && options.includes("ro")) say("options", "both ro and rw", "one of them");
  if (access === "ro" && !options.includes("ro")) say("options", JSON.stringify(options), `ro for ${source}`);
  return problems;
}
