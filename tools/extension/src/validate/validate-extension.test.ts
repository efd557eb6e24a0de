/** One tree that is right, and from it one that is wrong for each rule; those that Talos has, in its words. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ELSEWHERE, file, folder, HERE, LOADER, MANIFEST, NAME, ROOT, SERVICE, standIn } from "../testing/stand-in.ts";
import { PROBLEM_CODES, type ProblemCode, problemLine } from "./problem.ts";
import type { TarEntry } from "./tar-entry.ts";
import { UNPACKED_MAX_BYTES, type ValidationOptions, validateExtension } from "./validate-extension.ts";

const good = standIn("export {};\n");
const SERVICE_PATH = `rootfs/usr/local/etc/containers/${NAME}.yaml`;

type Change = (entries: readonly TarEntry[]) => readonly TarEntry[];

const add =
  (...more: readonly TarEntry[]): Change =>
  (entries) => [...entries, ...more];
const without =
  (is: (path: string) => boolean): Change =>
  (entries) =>
    entries.filter(({ path }) => !is(path));
const edit =
  (path: string, changed: Partial<TarEntry>): Change =>
  (entries) =>
    entries.map((entry) => (entry.path === path ? { ...entry, ...changed } : entry));
const service = (changed: object, container: object = {}): Change =>
  edit(SERVICE_PATH, {
    bytes: Buffer.from(JSON.stringify({ ...SERVICE, ...changed, container: { ...SERVICE.container, ...container } })),
  });
const manifest = (changed: object, metadata: object = {}): Change =>
  edit("manifest.yaml", {
    bytes: Buffer.from(JSON.stringify({ ...MANIFEST, ...changed, metadata: { ...MANIFEST.metadata, ...metadata } })),
  });
const forTalos = (version: string) => manifest({}, { compatibility: { talos: { version } } });
const link = (path: string, linkTarget: string): TarEntry => {
  return { path, type: "symlink", mode: 0o777, uid: 0, gid: 0, linkTarget, sizeBytes: 0, bytes: new Uint8Array() };
};
const odd = (path: string, type: TarEntry["type"]): TarEntry => ({ ...link(path, ""), type, mode: 0o644 });
const mounts = (changed: object) =>
  service({}, { mounts: [...SERVICE.container.mounts, { ...SERVICE.container.mounts[2], ...changed }] });

const problemsOf = (change: Change, options: Partial<ValidationOptions> = {}) =>
  validateExtension(change(good), { architecture: HERE, talos: [[1, 12, 0]], ...options }).problems;

describe("an extension that is right", () => {
  it.each<[string, Change]>([
    ["as it is", (entries) => entries],
    ["with a link within the container", add(link(`${ROOT}/bin/nodejs`, "node"))],
    ["with an absolute link, which the container's root takes", add(link(`${ROOT}/usr-node`, "/bin/node"))],
    ["with a licence beside it", add(folder("rootfs/usr/local/share"), file("rootfs/usr/local/share/LICENSE", "…"))],
    ["with nothing of /var and no cri", service({ depends: [] }, { mounts: SERVICE.container.mounts.slice(1) })],
    ["with logToConsole", service({ logToConsole: true })],
  ])("%s has no problem", (_, change) => {
    expect(problemsOf(change).map(problemLine)).toEqual([]);
  });
});

describe("what Talos refuses, in its words", () => {
  it.each<[ProblemCode, string, Change]>([
    ["unexpected-file", 'unexpected file "README.md"', add(file("README.md", "hello"))],
    ["rootfs-missing", "extension rootfs is missing", without((path) => path.startsWith("rootfs"))],
    ["manifest-missing", "extension manifest is missing", without((path) => path === "manifest.yaml")],
    ["manifest-version", 'unsupported manifest version: "v1alpha2"', manifest({ version: "v1alpha2" })],
    [
      "version-range",
      'error parsing Talos version constraint: Could not parse Range "^1.10": Could not parse comparator "^" in "^1.10"',
      forTalos("^1.10"),
    ],
    [
      "version-range",
      'error parsing Talos version constraint: Could not parse Range ">=1.10": Could not parse version "1.10" in ">=1.10": No Major.Minor.Patch elements found',
      forTalos(">= 1.10"),
    ],
    [
      "version-unsatisfied",
      "version constraint >= v1.13.0 can't be satisfied with Talos version 1.12.0",
      forTalos(">= v1.13.0"),
    ],
    ["path-not-allowed", 'path "/usr/bin/x" is not allowed in extensions', add(file("rootfs/usr/bin/x", ""))],
    ["path-not-allowed", 'path "/boot/vmlinuz" is not allowed in extensions', add(file("rootfs/boot/vmlinuz", ""))],
    ["special-file", 'special files are not allowed: "/usr/local/x"', add(odd("rootfs/usr/local/x", "fifo"))],
    ["special-file", 'special files are not allowed: "/usr/local/x"', add(odd("rootfs/usr/local/x", "block-device"))],
    ["restart", "restart kind is invalid: RestartKind(0)", service({ restart: undefined })],
    ["restart", "sometimes does not belong to RestartKind values", service({ restart: "sometimes" })],
    [
      "depends-shape",
      "more than a single dependency is set",
      service({ depends: [{ service: "cri" }, { service: "cri", time: true }] }),
    ],
    ["depends-shape", "no dependency specified", service({ depends: [{ service: "cri" }, {}] })],
    ["entrypoint-empty", "container endpoint can't be empty", service({}, { entrypoint: "" })],
    ["service-name", 'name "Agent" is invalid', service({ name: "Agent" })],
  ])("%s: %s", (code, found, change) => {
    expect(problemsOf(change)).toContainEqual(expect.objectContaining({ code, found }));
  });
});

const bin = `${ROOT}/bin/node`;

describe("what Talos lets pass", () => {
  it.each<[ProblemCode, string, Change]>([
    ["path-not-allowed", "a folder that only begins alike", add(file("rootfs/usr/localfoo", ""))],
    ["path-not-allowed", "an empty folder elsewhere", add(folder("rootfs/opt"))],
    ["duplicate-entry", "a file twice", add(file(`${ROOT}/etc/group`, ""))],
    ["duplicate-entry", "a folder twice", add(folder(`${ROOT}/etc`))],
    ["bad-path", "a climbing path", add(file("rootfs/usr/local/../../etc/passwd", ""))],
    ["bad-path", "an absolute path", add(file("/rootfs/usr/local/x", ""))],
    ["hard-link", "a hard link", add({ ...odd(`${ROOT}/bin/x`, "hard-link"), linkTarget: bin })],
    ["world-writable", "a file that all may write", edit(`${ROOT}/etc/group`, { mode: 0o666 })],
    ["world-writable", "a folder that all may write", edit(`${ROOT}/tmp/`, { mode: 0o777 })],
    ["special-mode", "setuid", edit(bin, { mode: 0o4755 })],
    ["special-mode", "sticky", edit(`${ROOT}/tmp/`, { mode: 0o1755 })],
    ["not-root-owned", "another owner", edit(bin, { uid: 1_000 })],
    ["parent-not-directory", "a file in a file", add(file(`${ROOT}/etc/group/x`, ""))],
    ["symlink-outside", "a link beside the container", add(link("rootfs/usr/local/share/x", "/etc"))],
    ["symlink-outside", "a link that climbs out", add(link(`${ROOT}/x`, "../../../../etc"))],
    ["symlink-broken", "a link to nothing", add(link(`${ROOT}/x`, "nothing"))],
    ["symlink-broken", "a link to itself", add(link(`${ROOT}/x`, "x"))],
    ["yaml", "a manifest that is no YAML", edit("manifest.yaml", { bytes: Buffer.from("a: [") })],
    ["yaml", "a key twice", edit(SERVICE_PATH, { bytes: Buffer.from("name: a\nname: b\n") })],
    ["unknown-key", "an unknown key of the manifest", manifest({}, { licence: "Apache-2.0" })],
    ["unknown-key", "an unknown key of the service", service({ user: 1_000 })],
    ["unknown-key", "an unknown key of the container", service({}, { capabilities: [] })],
    ["wrong-value", "arguments that are no list", service({}, { args: "x" })],
    ["wrong-value", "no author", manifest({}, { author: undefined })],
    ["wrong-value", "a tmpfs", mounts({ type: "tmpfs" })],
    ["metadata-version", "a version with a build", manifest({}, { version: "1.0.0+5" })],
    ["service-file-missing", "no service file", without((path) => path === SERVICE_PATH)],
    ["service-files-many", "two service files", add(file("rootfs/usr/local/etc/containers/x.yaml", ""))],
    ["name-mismatch", "a name that is not the file's", service({ name: "other" })],
    ["name-mismatch", "another container's root", add(file("rootfs/usr/local/lib/containers/x/y", ""))],
    ["entrypoint", "an entrypoint that is not there", service({}, { entrypoint: "/bin/deno" })],
    ["entrypoint", "an entrypoint by name", service({}, { entrypoint: "node" })],
    ["entrypoint", "an entrypoint nobody may execute", edit(bin, { mode: 0o644 })],
    ["argument-file", "a bundle that is not there", without((path) => path.endsWith("main.mjs"))],
    ["heap-uncapped", "a heap without a cap", service({}, { args: ["/app/main.mjs"] })],
    ["environment", "a variable without a value", service({}, { environment: ["PATH"] })],
    ["environment", "a variable twice", service({}, { environment: ["A=1", "A=2"] })],
    ["mount", "a source that may not be there", mounts({ source: "/etc/machine-id" })],
    ["mount", "a source that only begins alike", mounts({ source: `/var/lib/${NAME}-2` })],
    ["mount", "a host file, writable", mounts({ options: ["bind", "rw"] })],
    ["mount", "a destination that climbs", mounts({ destination: "/etc/../x" })],
    ["mount", "neither bind nor rbind", mounts({ options: ["ro"] })],
    ["depends-holds-boot", "the network", service({ depends: [{ service: "cri" }, { network: ["connectivity"] }] })],
    ["depends-holds-boot", "the time", service({ depends: [{ service: "cri" }, { time: true }] })],
    ["depends-holds-boot", "a document", service({ depends: [{ service: "cri" }, { configuration: true }] })],
    ["depends-holds-boot", "a path", service({ depends: [{ service: "cri" }, { path: "/var/x" }] })],
    ["depends-holds-boot", "another service", service({ depends: [{ service: "cri" }, { service: "kubelet" }] })],
    ["depends-holds-boot", "an environment file", service({}, { environmentFile: "/var/etc/env" })],
    ["depends-cri", "/var without cri", service({ depends: [] })],
    ["depends-cri", "cri without /var", service({}, { mounts: SERVICE.container.mounts.slice(1) })],
    ["loosened", "a writable root", service({}, { security: { writeableRootfs: true } })],
    ["loosened", "a writable /sys", service({}, { security: { writeableSysfs: true } })],
    ["elf-damaged", "half a program", edit(bin, { bytes: readFileSync(process.execPath).subarray(0, 100) })],
    ["elf-interpreter", "no loader", without((path) => path === LOADER)],
    ["elf-interpreter", "a loader nobody may execute", edit(LOADER, { mode: 0o644 })],
    ["elf-library", "a library that is not there", without((path) => path.endsWith("/libm.so.6"))],
  ])("%s: %s is refused", (code, _, change) => {
    expect(problemsOf(change).map((problem) => problem.code)).toContain(code);
  });

  it("programs of another machine are refused", () => {
    const problems = problemsOf((entries) => entries, { architecture: ELSEWHERE });
    expect(problems).toContainEqual(expect.objectContaining({ code: "elf-machine", path: bin }));
  });

  it("what is too large is refused, to the byte", () => {
    const sum = good.reduce((all, { sizeBytes }) => all + sizeBytes, 0);
    expect(sum).toBeLessThan(UNPACKED_MAX_BYTES);
    const codes = (unpackedMaxBytes: number) =>
      problemsOf((entries) => entries, { unpackedMaxBytes }).map(({ code }) => code);
    expect([codes(sum), codes(sum - 1)]).toEqual([[], ["too-large"]]);
  });
});

it("all problems are told at once, each with its path and what would be right", () => {
  const all: Change = (entries) =>
    add(file("README.md", ""), odd("rootfs/dev/null", "character-device"))(service({ restart: "" })(entries));
  const problems = problemsOf(all);
  expect(problems.map(({ code }) => code)).toEqual(
    expect.arrayContaining(["unexpected-file", "special-file", "path-not-allowed", "restart"]),
  );
  for (const { want } of problems) expect(want).not.toBe("");
  expect(problems.map(problemLine)).toContain(
    'README.md: unexpected file "README.md"; want manifest.yaml and rootfs, and nothing beside them [unexpected-file]',
  );
});

it("every code has a tree that is wrong by it", () => {
  const text = readFileSync(import.meta.filename, "utf8");
  expect(PROBLEM_CODES.filter((code) => !text.includes(`"${code}"`))).toEqual([]);
});
