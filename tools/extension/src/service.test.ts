import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { APPLICATION, applicationOf } from "./container.ts";
import { type ExtensionVariant, extensionRoot, INSTALLED_VARIANT } from "./extension.ts";
import { CONFIG_FILE, INSTALLED, JOIN_TOKEN_FILE, MAINTENANCE, manifestText, serviceText } from "./service.ts";
import { fileOf, treeOf } from "./tree.ts";
import { readServiceFile } from "./validate/service-file.ts";

const bundle = { code: new Uint8Array(), inputs: [], packageFolders: [], usesNative: true };
const rootOf = (variant: ExtensionVariant) =>
  extensionRoot(
    variant,
    applicationOf(bundle, new Uint8Array()),
    { tree: treeOf({ "bin/node": fileOf("", true) }) },
    "{}",
  );
const service = parse(serviceText(INSTALLED));
const root = rootOf(INSTALLED_VARIANT);
const container = `usr/local/lib/containers/${INSTALLED.name}`;

describe("the service", () => {
  it("has the name of its file and of its container's folder", () => {
    expect(service.name).toBe("lifeline-agent");
    expect(root.has(`usr/local/etc/containers/${service.name}.yaml`)).toBe(true);
    expect(root.get(`${container}${service.container.entrypoint}`)).toMatchObject({ kind: "file", isExecutable: true });
  });

  it("waits for nothing that may never happen, and always starts again", () => {
    expect(service.depends).toEqual([{ service: "cri" }]);
    expect(service.restart).toBe("always");
    expect(Object.keys(service).sort()).toEqual(["container", "depends", "name", "restart"]);
  });

  it("mounts what every Talos has, and writes only to its state", () => {
    const mounts = service.container.mounts as {
      source: string;
      destination: string;
      type: string;
      options: string[];
    }[];
    expect(mounts.map(({ source, options }) => [source, options.includes("rw")])).toEqual([
      ["/var/lib/lifeline-agent", true],
      ["/etc/ssl/certs", false],
      ["/etc/os-release", false],
    ]);
    for (const { source, destination, type } of mounts) {
      expect({ source, type }).toEqual({ source: destination, type: "bind" });
      expect(root.has(`${container}${destination}`), `${destination} can be mounted on`).toBe(true);
    }
  });

  it("names a program and a configuration of the image", () => {
    const { args } = service.container as { args: string[] };
    expect(args.slice(args.indexOf(APPLICATION))).toEqual([APPLICATION, "--config", CONFIG_FILE]);
    expect(root.has(`${container}${APPLICATION}`)).toBe(true);
    const config = root.get(`${container}${CONFIG_FILE}`);
    expect(config?.kind === "file" && parse(new TextDecoder().decode(config.bytes))).toBeNull();
  });

  it("has the whole environment, because Talos adds nothing", () => {
    const names = (service.container.environment as string[]).map((line) => line.split("=")[0]);
    expect(new Set(names).size).toBe(names.length);
    for (const name of ["PATH", "HOME", "TMPDIR", "NODE_EXTRA_CA_CERTS", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"])
      expect(names).toContain(name);
  });
});

describe("the service of a machine in maintenance mode", () => {
  const files = treeOf({ [CONFIG_FILE.slice(1)]: fileOf("a: 1\n"), [JOIN_TOKEN_FILE.slice(1)]: fileOf("t\n") });
  const maintenance = parse(serviceText(MAINTENANCE));
  const inImage = rootOf({ service: MAINTENANCE, files });

  it("waits for nothing, mounts no disk, and logs to the console", () => {
    expect(Object.keys(maintenance).sort()).toEqual(["container", "logToConsole", "name", "restart"]);
    expect(maintenance).toMatchObject({ restart: "always", logToConsole: true });
    const sources = (maintenance.container.mounts as { source: string }[]).map(({ source }) => source);
    expect(sources).toEqual(["/etc/ssl/certs", "/etc/os-release"]);
  });

  it("keeps less in /run than fits, and reads the files of the image", () => {
    const lines = maintenance.container.environment as string[];
    expect(lines).toEqual(
      expect.arrayContaining([
        "LIFELINE_STATE_DIR=/run/lifeline-agent",
        "LIFELINE_SPOOL_MAX_BYTES=25165824",
        `LIFELINE_JOIN_TOKEN_FILE=${JOIN_TOKEN_FILE}`,
      ]),
    );
    const at = `usr/local/lib/containers/${maintenance.name}`;
    for (const path of [CONFIG_FILE, JOIN_TOKEN_FILE]) expect(inImage.get(`${at}${path}`)?.kind).toBe("file");
    expect(inImage.has(`usr/local/etc/containers/${maintenance.name}.yaml`)).toBe(true);
  });

  it("has its own name, because a machine may have both variants", () => {
    expect(MAINTENANCE.name).not.toBe(INSTALLED.name);
    expect(parse(manifestText(MAINTENANCE, "0.1.0")).metadata.name).toBe(maintenance.name);
  });

  it.each([INSTALLED, MAINTENANCE])("$name passes the validator", (kind) => {
    const { problems } = readServiceFile(`${kind.name}.yaml`, new TextEncoder().encode(serviceText(kind)));
    expect(problems).toEqual([]);
  });
});

describe("the manifest", () => {
  it("has what Talos reads", () => {
    const { version, metadata } = parse(manifestText(INSTALLED, "0.1.0"));
    expect(version).toBe("v1alpha1");
    expect(metadata).toMatchObject({
      name: "lifeline-agent",
      version: "0.1.0",
      compatibility: { talos: { version: ">= v1.10.0" } },
    });
    expect(Object.keys(metadata).sort()).toEqual(["author", "compatibility", "description", "name", "version"]);
  });

  it("puts nothing outside /usr/local", () => {
    expect([...root.keys()].filter((path) => !path.startsWith("usr/local/"))).toEqual([]);
  });
});
