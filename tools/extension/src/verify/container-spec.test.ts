import { describe, expect, it } from "vitest";
import { INSTALLED, serviceText } from "../service.ts";
import { readServiceFile, type ServiceFile } from "../validate/service-file.ts";
import type { Profile } from "./arguments.ts";
import { containerSpec } from "./container-spec.ts";
import { resolveSeccomp } from "./seccomp.ts";

const service = readServiceFile("service.yaml", Buffer.from(serviceText(INSTALLED))).value as ServiceFile;
const abilities = { capabilities: ["CAP_CHOWN"], oomScoreAdj: -600, seccomp: undefined, differences: [] };
const spec = (profile: Profile, environment: Record<string, string> = {}) =>
  containerSpec({ service, profile, abilities, root: "/root", node: "/node", environment, cgroup: "/c" });

describe("a container as Talos makes it", () => {
  it.each<[Profile, string[], number]>([
    ["v1.12", ["pid", "uts", "mount", "ipc"], 1],
    ["v1.14", ["pid", "uts", "mount"], 0],
  ])("of %s has the namespaces %j and %i limits", (profile, namespaces, limits) => {
    const { linux, process } = spec(profile);
    expect(linux.namespaces.map(({ type }) => type)).toEqual(namespaces);
    expect(process.rlimits).toHaveLength(limits);
  });

  it("has the file's environment, under what a document adds, and nothing else", () => {
    const { env } = spec("v1.12", { NODE_ENV: "test", LIFELINE_COLLECTOR: "c:1" }).process;
    expect(env).toEqual([
      ...service.container.environment.map((entry) => (entry.startsWith("NODE_ENV=") ? "NODE_ENV=test" : entry)),
      "LIFELINE_COLLECTOR=c:1",
    ]);
  });

  it("is confined, and mounts from the node's folder", () => {
    const { process, root, mounts } = spec("v1.12");
    expect(process).toMatchObject({ noNewPrivileges: true, oomScoreAdj: -600 });
    expect(root.readonly).toBe(true);
    const bound = mounts.filter(({ type }) => type === "bind").map(({ source }) => source);
    expect(bound).toEqual([
      ...service.container.mounts.map(({ source }) => `/node${source}`),
      "/node/etc/hosts",
      "/node/etc/resolv.conf",
    ]);
    expect(mounts.filter(({ destination }) => destination === "/tmp")).toEqual([]);
  });
});

describe("the system calls it may make", () => {
  const source = {
    archMap: [{ architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86"] }],
    syscalls: [
      { names: ["read", "io_uring_setup"], action: "SCMP_ACT_ALLOW" },
      { names: ["bdflush"], action: "SCMP_ACT_ERRNO" },
      { names: ["arch_prctl"], action: "SCMP_ACT_ALLOW", includes: { arches: ["amd64"] } },
      { names: ["mount"], action: "SCMP_ACT_ALLOW", includes: { caps: ["CAP_SYS_ADMIN"] } },
      { names: ["clone"], action: "SCMP_ACT_ALLOW", excludes: { caps: ["CAP_SYS_ADMIN"] } },
    ],
  };
  it.each<["amd64" | "arm64", string[], string[]]>([
    ["amd64", [], ["read", "arch_prctl", "clone"]],
    ["amd64", ["CAP_SYS_ADMIN"], ["read", "arch_prctl", "mount"]],
    ["arm64", [], ["read", "clone"]],
  ])("on %s with %j are %j", (architecture, capabilities, names) => {
    const resolved = resolveSeccomp(source, architecture, capabilities);
    expect(resolved.syscalls.flatMap((rule) => rule.names)).toEqual(names);
    expect(resolved).toMatchObject({ defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 1 });
  });
});
