import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { configFileOf, environmentOverrides, loadConfig, unknownVariables } from "./config.ts";
import { ConfigError } from "./config-error.ts";
import { scratch } from "./testing/fixtures.ts";

let place = scratch();
beforeAll(() => {
  place = scratch();
});
afterAll(() => place.remove());

function fileOf(text: string): string {
  const path = join(place.path, "agent.yaml");
  writeFileSync(path, text);
  return path;
}

function refusal(text: string, environment: Record<string, string> = {}): string {
  try {
    loadConfig(fileOf(text), environmentOverrides(environment));
  } catch (error) {
    if (error instanceof ConfigError) return error.message.replace(`${place.path}/`, "");
    throw error;
  }
  return "admitted";
}

describe("a configuration", () => {
  it("has defaults for everything", () => {
    expect(loadConfig(undefined, [])).toEqual({
      collector: undefined,
      stateDir: "/var/lib/lifeline",
      nodeId: undefined,
      roles: ["talos-node"],
      plan: { kind: "collector" },
      tls: undefined,
      spool: { maxBytes: 384 * 1024 * 1024, maxAgeHours: 72 },
      logLevel: "info",
      resolvers: undefined,
      hostsFile: undefined,
    });
    expect(loadConfig(fileOf("# nothing yet\n"), [])).toEqual(loadConfig(undefined, []));
  });

  it("is read from the file that is named, else from the default one where there is such a file", () => {
    const there = fileOf("logLevel: debug\n");
    const absent = join(place.path, "nothing", "agent.yaml");
    // Talos makes a directory of a mount's source that is missing.
    const directory = join(place.path, "made.yaml");
    mkdirSync(directory);
    expect(configFileOf(undefined, {}, there)).toBe(there);
    expect(configFileOf(undefined, {}, absent)).toBeUndefined();
    expect(configFileOf(undefined, {}, join(there, "agent.yaml"))).toBeUndefined();
    expect(configFileOf(undefined, {}, directory)).toBeUndefined();
    expect(configFileOf(undefined, { LIFELINE_CONFIG: "" }, there)).toBe(there);
    expect(configFileOf(undefined, { LIFELINE_CONFIG: absent }, there)).toBe(absent);
    expect(configFileOf("/flag.yaml", { LIFELINE_CONFIG: absent }, there)).toBe("/flag.yaml");
    expect(() => loadConfig(configFileOf(undefined, { LIFELINE_CONFIG: absent }, there), [])).toThrow(/ENOENT/);
  });

  it("names the user to become, as a number", () => {
    expect(loadConfig(undefined, environmentOverrides({ LIFELINE_RUN_AS_UID: "65532" })).runAsUid).toBe(65_532);
    expect(refusal("", { LIFELINE_RUN_AS_UID: "nobody" })).toBe(
      'LIFELINE_RUN_AS_UID: runAsUid: got "nobody", want an integer from 0 to 4294967294, a user id',
    );
  });

  it("takes a STAMP key and Talos's socket by path, of the file or the environment", () => {
    const file = fileOf("stampKeyFile: /a/key\ntalos: {socket: /a/machine.sock}\n");
    expect(loadConfig(file, [])).toMatchObject({ stampKeyFile: "/a/key", talos: { socket: "/a/machine.sock" } });
    const environment = { LIFELINE_STAMP_KEY_FILE: "/b/key", LIFELINE_TALOS_SOCKET: "/b/machine.sock" };
    expect(loadConfig(file, environmentOverrides(environment))).toMatchObject({
      stampKeyFile: "/b/key",
      talos: { socket: "/b/machine.sock" },
    });
  });

  it("lets the environment stand above the file, field by field", () => {
    const file = fileOf("collector: 127.0.0.1:1\nspool: {maxBytes: 8388608, maxAgeHours: 5}\nplan: collector\n");
    const environment = {
      LIFELINE_COLLECTOR: "[::1]:2",
      LIFELINE_SPOOL_MAX_AGE_HOURS: "6",
      LIFELINE_PLAN_FILE: "/plan.yaml",
      LIFELINE_ROLES: "omni-host, talos-node",
      LIFELINE_NODE_ID: "",
    };
    expect(loadConfig(file, environmentOverrides(environment))).toMatchObject({
      collector: "[::1]:2",
      spool: { maxBytes: 8_388_608, maxAgeHours: 6 },
      plan: { kind: "file", path: "/plan.yaml" },
      roles: ["omni-host", "talos-node"],
      nodeId: undefined,
    });
  });

  it.each([
    ["unknown key", "colector: a:1", 'agent.yaml: colector: got "colector", want one of the keys collector,'],
    [
      "unknown inner key",
      "spool: {bytes: 1}",
      'agent.yaml: spool.bytes: got "bytes", want one of the keys maxBytes, maxAgeHours',
    ],
    ["list for a mapping", "[1]", "agent.yaml: got a list, want a mapping"],
    ["another file, which may be a secret", "1f2e3d4c.c2VjcmV0", "agent.yaml: got a string, want a mapping"],
    ["list for an inner mapping", "spool: []", "agent.yaml: spool: got [], want a mapping"],
    ["no port", "collector: omni.example", 'agent.yaml: collector: got "omni.example", want host:port'],
    ["port out of range", "collector: 127.0.0.1:70000", 'agent.yaml: collector: got "127.0.0.1:70000", want host:port'],
    [
      "text for a number",
      "spool: {maxBytes: 64MiB}",
      'agent.yaml: spool.maxBytes: got "64MiB", want an integer from 8388608 to',
    ],
    ["too small a spool", "spool: {maxBytes: 1}", "agent.yaml: spool.maxBytes: got 1, want an integer from 8388608 to"],
    ["unknown role", "roles: [master]", 'agent.yaml: roles[0]: got "master", want one of talos-node, omni-host'],
    ["no role", "roles: []", "agent.yaml: roles: got [], want at least one of talos-node, omni-host"],
    ["half of mutual TLS", "tls: {caFile: a, certFile: b}", "agent.yaml: tls.keyFile: got nothing, want a value for"],
    [
      "another key of talos",
      "talos: {socket: a, role: admin}",
      'agent.yaml: talos.role: got "role", want one of the keys socket',
    ],
    ["talos without a socket", "talos: {}", "agent.yaml: talos.socket: got nothing, want a value for"],
    ["too long a socket", `talos: {socket: ${"s".repeat(108)}}`, "want a path of 1 to 107 bytes"],
    ["a key for its file", "stampKeyFile: [1]", "agent.yaml: stampKeyFile: got [1], want a path"],
    ["another plan", "plan: none", 'agent.yaml: plan: got "none", want the word collector, or a mapping {file: PATH}'],
    [
      "resolver by name",
      "resolvers: [dns.example:53]",
      'agent.yaml: resolvers[0]: got "dns.example:53", want address:port',
    ],
    [
      "a node id no collector admits",
      "nodeId: node/1",
      'agent.yaml: nodeId: got "node/1", want 1 to 253 lower-case letters, digits, dots, hyphens and underscores, a letter or digit first and last',
    ],
    ["a node id in capitals", "nodeId: Rack-7", 'agent.yaml: nodeId: got "Rack-7", want 1 to 253 lower-case letters,'],
    [
      "a node id that is a number",
      "nodeId: 12",
      "agent.yaml: nodeId: got 12, want 1 to 253 lower-case letters, digits,",
    ],
    ["an empty node id", 'nodeId: ""', 'agent.yaml: nodeId: got "", want 1 to 253 lower-case letters, digits,'],
    ["a key twice", "stateDir: a\nstateDir: b", "agent.yaml:2: DUPLICATE_KEY: want each key once"],
    ["no YAML", "a: [", "agent.yaml:"],
    ["an alias", "stateDir: &a x\nnodeId: *a", "agent.yaml:2: got an alias, want a document without aliases"],
    ["a tag of its own", "stateDir: !own x", "agent.yaml:1: TAG_RESOLVE_FAILED: want a YAML or JSON document"],
    ["a key that is no text", "? [a]\n: b", "agent.yaml:1: NON_STRING_KEY: want a YAML or JSON document"],
    [
      "plaintext beyond loopback",
      "collector: 192.0.2.1:443",
      'agent.yaml: collector: got "192.0.2.1:443", want enrol {authority}, tls {caFile, certFile, keyFile}, a loopback address, or allowPlaintext: true',
    ],
    [
      "an authority that is no fingerprint",
      "enrol: {authority: x}",
      'agent.yaml: enrol.authority: got "x", want sha256: and 64 hexadecimal characters',
    ],
    [
      "a token in the configuration",
      `enrol: {authority: "sha256:${"0".repeat(64)}", token: x}`,
      'agent.yaml: enrol.token: got "token", want one of the keys',
    ],
    [
      "two ways to a certificate",
      `enrol: {authority: "sha256:${"0".repeat(64)}"}\ntls: {caFile: a, certFile: b, keyFile: c}`,
      'agent.yaml: enrol: got "it beside tls", want one of them',
    ],
    ["plaintext to a name", "collector: omni.example:443", 'agent.yaml: collector: got "omni.example:443", want enrol'],
  ])("is refused with file, field, value and what would be right: %s", (_, text, message) => {
    expect(refusal(text)).toContain(message);
  });

  it("names the variable when that is where a value came from", () => {
    expect(refusal("{}", { LIFELINE_SPOOL_MAX_BYTES: "lots" })).toContain(
      'LIFELINE_SPOOL_MAX_BYTES: spool.maxBytes: got "lots", want an integer',
    );
    expect(refusal("{}", { LIFELINE_ROLES: "x" })).toContain('LIFELINE_ROLES: roles[0]: got "x"');
  });

  it.each(["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1"])(
    "may speak plaintext to loopback: %s (S1)",
    (collector) => {
      expect(refusal(`collector: "${collector}"`)).toBe("admitted");
    },
  );

  it("may speak plaintext elsewhere when that is allowed, or TLS is given (S1)", () => {
    expect(refusal("{collector: 192.0.2.1:443, allowPlaintext: true}")).toBe("admitted");
    expect(refusal("{collector: 192.0.2.1:443, tls: {caFile: a, certFile: b, keyFile: c}}")).toBe("admitted");
  });

  it("is unreadable when its file is", () => {
    expect(() => loadConfig("/nonexistent/agent.yaml", [])).toThrow(
      "/nonexistent/agent.yaml: ENOENT: want a readable file",
    );
  });

  it("points out variables that mean nothing to it", () => {
    expect(unknownVariables({ LIFELINE_COLECTOR: "a", LIFELINE_COLLECTOR: "b", PATH: "c" })).toEqual([
      "LIFELINE_COLECTOR",
    ]);
  });
});
