/** One layer that is right, and for each rule one that breaks it. */
import { describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { ARCHITECTURE, inContainer, MAINTENANCE_VARIANT, programOf, standIn } from "../testing/stand-in.ts";
import { DIRECTORY, fileOf, type Tree, type TreeEntry } from "../tree.ts";
import { UNPACKED_MAX_BYTES, validateExtension } from "./validate-extension.ts";

const good = standIn(programOf("export {};\n"));
const NAME = "lifeline-agent";
const SERVICE = `rootfs/usr/local/etc/containers/${NAME}.yaml`;
const NODE = inContainer("bin/node");

type Change = (layer: Tree) => Tree;

const add =
  (path: string, entry: TreeEntry = fileOf("")): Change =>
  (layer) =>
    new Map(layer).set(path, entry);
const without =
  (isGone: (path: string) => boolean): Change =>
  (layer) =>
    new Map([...layer].filter(([path]) => !isGone(path)));
const textAt = (path: string): string => {
  const entry = good.get(path);
  return entry?.kind === "file" ? new TextDecoder().decode(entry.bytes) : "";
};
const bytesOf = (path: string): Uint8Array => {
  const entry = good.get(path);
  return entry?.kind === "file" ? entry.bytes : new Uint8Array();
};
const original = parse(textAt(SERVICE));
const [state, certificates, release] = original.container.mounts;
const service = (changed: object, container: object = {}): Change =>
  add(SERVICE, fileOf(stringify({ ...original, ...changed, container: { ...original.container, ...container } })));
const mount = (changed: object): Change => service({}, { mounts: [state, certificates, { ...release, ...changed }] });
const manifest = (changed: object, metadata: object = {}): Change => {
  const whole = parse(textAt("manifest.yaml"));
  return add(
    "manifest.yaml",
    fileOf(stringify({ ...whole, ...changed, metadata: { ...whole.metadata, ...metadata } })),
  );
};
const forTalos = (version: string) => manifest({}, { compatibility: { talos: { version } } });
const problemsOf = (change: Change) => validateExtension(change(good), ARCHITECTURE.name).problems;

describe("a layer that is right", () => {
  it.each<[string, Change]>([
    ["as it is built", (layer) => layer],
    ["for maintenance mode", () => standIn(programOf("export {};\n"), MAINTENANCE_VARIANT)],
    ["with a licence beside the container", add("rootfs/usr/local/share/LICENSE")],
    ["for an earlier Talos as well", forTalos(">= v1.9.3")],
    ["with a prerelease version", manifest({}, { version: "1.0.0-beta.1" })],
    ["without /var and without cri", service({ depends: [] }, { mounts: [certificates, release] })],
  ])("%s has no problem", (_, change) => {
    expect(problemsOf(change)).toEqual([]);
  });

  it("gives the service and its container's root", () => {
    const { service: found } = validateExtension(good, ARCHITECTURE.name);
    expect(found).toMatchObject({ root: inContainer(""), file: { name: NAME, restart: "always" } });
  });
});

const range = 'manifest.yaml#metadata.compatibility.talos.version: want ">= vX.Y.Z"';
const environment = `${SERVICE}#container.environment`;

describe("a layer that is wrong", () => {
  it.each<[string, string, Change]>([
    ["a file beside manifest.yaml", "README.md: want manifest.yaml and files below", add("README.md")],
    ["a file outside /usr/local", "rootfs/usr/bin/x: want manifest.yaml and files below", add("rootfs/usr/bin/x")],
    ["a directory outside", "rootfs/opt: want manifest.yaml", add("rootfs/opt", DIRECTORY)],
    ["a directory that begins alike", "rootfs/usr/localfoo: want manifest.yaml", add("rootfs/usr/localfoo", DIRECTORY)],
    ["no manifest", "manifest.yaml: is not there", without((path) => path === "manifest.yaml")],
    ["a manifest that is not YAML", "manifest.yaml:1:5: got broken YAML", add("manifest.yaml", fileOf("a: ["))],
    ["another manifest version", "manifest.yaml#version: Invalid type", manifest({ version: "v1alpha2" })],
    ["an unknown key of the manifest", "manifest.yaml#licence: Invalid key", manifest({ licence: "MIT" })],
    ["no author", "manifest.yaml#metadata.author: Invalid", manifest({}, { author: undefined })],
    ["a version with a build", "#metadata.version: want MAJOR.MINOR.PATCH", manifest({}, { version: "1.0.0+5" })],
    ["another extension's name", 'metadata.name: got "x", want "lifeline-agent"', manifest({}, { name: "x" })],
    ["a caret range", range, forTalos("^1.10.0")],
    ["a wildcard range", range, forTalos(">= 1.10.x")],
    ["a negated wildcard", range, forTalos("!1.10.x")],
    ["a range of two numbers", range, forTalos(">= v1.10")],
    ["a range without v", range, forTalos(">= 1.10.0")],
    ["two bounds", range, forTalos(">= v1.10.0 < v2.0.0")],
    ["a range that begins too late", "want a range that includes Talos 1.10.0", forTalos(">= v1.10.1")],
    ["no service file", "containers/: got 0 files, want one service file", without((path) => path === SERVICE)],
    ["two service files", "containers/: got 2 files", add("rootfs/usr/local/etc/containers/x.yaml")],
    ["a key twice", `${SERVICE}:2:1: got a key twice, want each key once`, add(SERVICE, fileOf("name: a\nname: b\n"))],
    ["an unknown key of the service", `${SERVICE}#user: Invalid key`, service({ user: 1_000 })],
    [
      "an unknown key of the container",
      `${SERVICE}#container.capabilities: Invalid key`,
      service({}, { capabilities: [] }),
    ],
    ["a writable root", "#container.security: Invalid key", service({}, { security: { writeableRootfs: true } })],
    ["an environment file", "#container.environmentFile: Invalid key", service({}, { environmentFile: "/var/env" })],
    ["arguments that are no list", "#container.args: Invalid type", service({}, { args: "x" })],
    ["no restart", `${SERVICE}#restart: Invalid`, service({ restart: undefined })],
    ["another restart", `${SERVICE}#restart: Invalid`, service({ restart: "sometimes" })],
    ["a name with a capital", `${SERVICE}#name: want -, _`, service({ name: "Agent" })],
    ["another service's name", `${SERVICE}: want the service's name, "other"`, service({ name: "other" })],
    ["a second container", "containers/x/y: want the service's name", add("rootfs/usr/local/lib/containers/x/y")],
    ["a heap without a cap", "#container.args: want --max-old-space-size=MIB", service({}, { args: ["/app/main.js"] })],
    ["no entrypoint", "#container.entrypoint: want an absolute path", service({}, { entrypoint: "" })],
    ["an entrypoint by name", "#container.entrypoint: want an absolute path", service({}, { entrypoint: "node" })],
    ["an entrypoint that is missing", "/bin/deno: want an executable file", service({}, { entrypoint: "/bin/deno" })],
    ["an entrypoint that cannot run", "/bin/node: want an executable file", add(NODE, fileOf(bytesOf(NODE)))],
    ["a bundle that is missing", "/app/main.js: an argument names it", without((path) => path.endsWith("/main.js"))],
    ["a variable without a value", `${environment}.0: want NAME=VALUE`, service({}, { environment: ["PATH"] })],
    ["a variable twice", `${environment}: want each name once`, service({}, { environment: ["A=1", "A=2"] })],
    [
      "a source that may be missing",
      'source: got "/etc/machine-id", want one of',
      mount({ source: "/etc/machine-id" }),
    ],
    ["a source that begins alike", `source: got "/var/lib/${NAME}-2"`, mount({ source: `/var/lib/${NAME}-2` })],
    ["a host file, writable", "options: got bind, rw, want bind or rbind, and ro", mount({ options: ["bind", "rw"] })],
    ["neither bind nor rbind", "options: got ro, want bind or rbind", mount({ options: ["ro"] })],
    ["a tmpfs", "#container.mounts.2.type: Invalid type", mount({ type: "tmpfs" })],
    ["a destination that climbs", "destination: want a plain absolute path", mount({ destination: "/etc/../x" })],
    ["nothing to mount over", "/etc/x: want something to mount over", mount({ destination: "/etc/x" })],
    [
      "a wait for the network",
      "#depends.1.service: Invalid",
      service({ depends: [{ service: "cri" }, { network: ["connectivity"] }] }),
    ],
    ["a wait for the time", "#depends.0.time: Invalid key", service({ depends: [{ service: "cri", time: true }] })],
    ["a wait for a document", "#depends.0.configuration: Invalid key", service({ depends: [{ configuration: true }] })],
    ["a wait for a path", "#depends.0.path: Invalid key", service({ depends: [{ path: "/var/x" }] })],
    ["a wait for another service", "#depends.0.service: Invalid", service({ depends: [{ service: "kubelet" }] })],
    ["an empty dependency", "#depends.1.service: Invalid key", service({ depends: [{ service: "cri" }, {}] })],
    ["/var without cri", "#depends: got none, want service: cri", service({ depends: [] })],
    ["cri without /var", "#depends: got service: cri without", service({}, { mounts: [certificates, release] })],
    [
      "half a program",
      "bin/node: a program of the image: damaged",
      add(NODE, fileOf(bytesOf(NODE).slice(0, 100), true)),
    ],
    ["no loader", "bin/node: ld-linux-", without((path) => path.includes("/ld-linux-"))],
    ["a library that is missing", "bin/node: libm.so.6: is in none of", without((path) => path.endsWith("/libm.so.6"))],
  ])("%s is named", (_, problem, change) => {
    expect(problemsOf(change).join("\n")).toContain(problem);
  });

  it("programs of another machine are named", () => {
    const { problems } = validateExtension(good, ARCHITECTURE.name === "amd64" ? "arm64" : "amd64");
    expect(problems).toContainEqual(expect.stringMatching(/^bin\/node: an ELF file is for machine \d+, want \d+$/));
  });

  it("files that are too large in all are named, to the byte", () => {
    const sumBytes = [...good.values()].reduce((sum, each) => sum + (each.kind === "file" ? each.bytes.length : 0), 0);
    const filledTo = (bytes: number) =>
      problemsOf(add("rootfs/usr/local/share/filler", fileOf(new Uint8Array(bytes - sumBytes))));
    expect(filledTo(UNPACKED_MAX_BYTES)).toEqual([]);
    expect(filledTo(UNPACKED_MAX_BYTES + 1)).toEqual([
      "the layer: got 150994945 bytes of files, want at most 150994944",
    ]);
  });

  it("all problems are named at once", () => {
    const all = problemsOf((layer) => add("README.md")(forTalos("^1")(service({ restart: "" })(layer))));
    expect(all.length).toBe(3);
  });
});
