import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ConfigError } from "@lifeline/settings";
import { afterAll, describe, expect, it } from "vitest";
import { type AgentConfig, parseConfig, readAgentCommand } from "./config.ts";
import { scratch } from "./testing/fixtures.ts";

const place = scratch();
afterAll(() => place.remove());

function fileOf(text: string): string {
  const path = join(place.path, "agent.yaml");
  writeFileSync(path, text);
  return path;
}

function load(text: string, environment: Record<string, string> = {}, flags: readonly string[] = []): AgentConfig {
  const command = readAgentCommand(["--config", fileOf(text), ...flags], environment);
  if (command.kind === "print") throw new Error("it printed a text");
  return command.config;
}

function refusal(text: string, environment: Record<string, string> = {}, flags: readonly string[] = []): string {
  try {
    load(text, environment, flags);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.replaceAll(`${place.path}/`, "");
    throw error;
  }
  return "taken";
}

const FINGERPRINT = `sha256:${"0".repeat(64)}`;
const NODE_ID = "1 to 253 lower-case letters, digits, dots, hyphens and underscores, a letter or digit first and last";
const PLAINTEXT =
  "enrol.caFingerprint, tls.caFile with tls.certFile and tls.keyFile, a loopback address, or allowPlaintext: true";
const KEYS =
  "collector, allowPlaintext, enrol.caFingerprint, enrol.tokenFile, tls.caFile, tls.certFile, tls.keyFile, stateDir, spool.maxBytes, " +
  "spool.maxAgeHours, nodeId, roles, plan, plan.file, resolvers, hostsFile, stampKeyFile, talos.socket, runAsUid, logLevel";
const HOST_PORT = "host:port with a port from 1 to 65535, IPv6 in brackets";
const SPOOL = "an integer from 8388608 to 17179869184 bytes";

describe("the agent's settings", () => {
  it("have defaults", () => {
    expect(load("# nothing yet\n")).toEqual({
      collector: undefined,
      stateDir: "/var/lib/lifeline",
      nodeId: undefined,
      roles: ["talos-node"],
      plan: { kind: "collector" },
      tls: undefined,
      enrol: undefined,
      allowPlaintext: false,
      spool: { maxBytes: 384 * 1024 * 1024, maxAgeHours: 72 },
      logLevel: "info",
      resolvers: undefined,
      hostsFile: undefined,
      stampKeyFile: undefined,
      talos: undefined,
      runAsUid: undefined,
    });
    expect(readAgentCommand([], {})).toEqual({ kind: "run", config: load("{}") });
  });

  it("name files relative to the settings file", () => {
    expect(load("stateDir: state\nstampKeyFile: /a/key\ntalos: {socket: machine.sock}\n")).toMatchObject({
      stateDir: join(place.path, "state"),
      stampKeyFile: "/a/key",
      talos: { socket: join(place.path, "machine.sock") },
    });
    expect(load("{}", { LIFELINE_STATE_DIR: "state" }).stateDir).toBe("state");
  });

  it("come from flags before the environment, and from that before the file, key by key", () => {
    const file = "collector: 127.0.0.1:1\nspool: {maxBytes: 8388608, maxAgeHours: 5}\nplan: collector\nnodeId: a\n";
    const environment = {
      LIFELINE_COLLECTOR: "[::1]:2",
      LIFELINE_SPOOL_MAX_AGE_HOURS: "6",
      LIFELINE_PLAN_FILE: "/plan.yaml",
      LIFELINE_ROLES: "omni-host, talos-node",
      LIFELINE_NODE_ID: "b",
      LIFELINE_LOG_LEVEL: "",
      LIFELINE_RUN_AS_UID: "65532",
      LIFELINE_ALLOW_PLAINTEXT: "true",
    };
    expect(load(file, environment, ["--node-id", "c"])).toMatchObject({
      collector: "[::1]:2",
      spool: { maxBytes: 8_388_608, maxAgeHours: 6 },
      plan: { kind: "file", path: "/plan.yaml" },
      roles: ["omni-host", "talos-node"],
      nodeId: "c",
      logLevel: "info",
      runAsUid: 65_532,
    });
  });

  it.each([
    ["an unknown key", "colector: a:1", `agent.yaml: colector: got an unknown key, want one of ${KEYS}`],
    ["an unknown inner key", "spool: {b: 1}", `agent.yaml: spool.b: got an unknown key, want one of ${KEYS}`],
    [
      "a token among the settings",
      `enrol: { caFingerprint: "${FINGERPRINT}", token: hush}`,
      `agent.yaml: enrol.token: got an unknown key, want one of ${KEYS}`,
    ],
    ["a list", "[1]", "agent.yaml: got a list of 1, want a mapping of settings"],
    ["a text, which may be a secret", "1f2e3d4c.c2VjcmV0", "agent.yaml: got a text, want a mapping of settings"],
    [
      "a list for a mapping",
      "spool: []",
      "agent.yaml: spool: got an empty list, want a mapping with some of maxBytes, maxAgeHours",
    ],
    [
      "an empty mapping",
      "talos: {}",
      "talos.socket: got nothing, want SOCKET (--talos-socket, LIFELINE_TALOS_SOCKET, talos.socket), because agent.yaml: talos is given",
    ],
    ["no port", "collector: omni.example", `agent.yaml: collector: got "omni.example", want ${HOST_PORT}`],
    ["a wrong port", "collector: 127.0.0.1:70000", `agent.yaml: collector: got "127.0.0.1:70000", want ${HOST_PORT}`],
    ["nothing for text", "collector:", `agent.yaml: collector: got null, want ${HOST_PORT}`],
    ["text for a number", "spool: {maxBytes: 64MiB}", `agent.yaml: spool.maxBytes: got "64MiB", want ${SPOOL}`],
    ["digits in quotes", 'spool: {maxBytes: "9000000"}', `agent.yaml: spool.maxBytes: got "9000000", want ${SPOOL}`],
    ["too small a spool", "spool: {maxBytes: 1}", `agent.yaml: spool.maxBytes: got 1, want ${SPOOL}`],
    ["an unknown role", "roles: [master]", 'agent.yaml: roles[0]: got "master", want one of talos-node, omni-host'],
    ["no role", "roles: []", "agent.yaml: roles: got an empty list, want a list of 1 to 2 of talos-node, omni-host"],
    [
      "half of mutual TLS",
      "tls: {caFile: a, certFile: b}",
      "tls.keyFile: got nothing, want FILE (--tls-key-file, LIFELINE_TLS_KEY_FILE, tls.keyFile), because agent.yaml: tls.caFile is given",
    ],
    ["too long a socket", `talos: {socket: /${"s".repeat(107)}}`, "want a path of 1 to 107 bytes"],
    [
      "a key for its file",
      "stampKeyFile: [1]",
      "agent.yaml: stampKeyFile: got a list of 1, want a path of 1 to 4095 bytes",
    ],
    ["another plan", "plan: none", 'agent.yaml: plan: got "none", want the word collector, or a mapping {file: PATH}'],
    [
      "a resolver by name",
      "resolvers: [dns.example:53]",
      'agent.yaml: resolvers[0]: got "dns.example:53", want address:port, IPv6 in brackets',
    ],
    ["a node id no collector admits", "nodeId: node/1", `agent.yaml: nodeId: got "node/1", want ${NODE_ID}`],
    ["a node id in capitals", "nodeId: Rack-7", `agent.yaml: nodeId: got "Rack-7", want ${NODE_ID}`],
    ["a node id that is a number", "nodeId: 12", `agent.yaml: nodeId: got 12, want ${NODE_ID}`],
    ["a key twice", "stateDir: a\nstateDir: b", "agent.yaml:2:1: got a key twice, want each key once"],
    [
      "no YAML",
      "a: [",
      "agent.yaml:1:5: got broken YAML (BAD_INDENT), want consistent indentation and closed brackets",
    ],
    [
      "plaintext beyond loopback",
      "collector: 192.0.2.1:443",
      `agent.yaml: collector: got "192.0.2.1:443" without TLS, want ${PLAINTEXT}`,
    ],
    [
      "plaintext to a name",
      "collector: 127.example:443",
      `agent.yaml: collector: got "127.example:443" without TLS, want ${PLAINTEXT}`,
    ],
    [
      "no fingerprint",
      "enrol: { caFingerprint: x}",
      'agent.yaml: enrol.caFingerprint: got "x", want sha256: and 64 hexadecimal characters',
    ],
    [
      "a join token without a fingerprint",
      "enrol: {tokenFile: t}",
      "enrol.caFingerprint: got nothing, want FINGERPRINT (--ca-fingerprint, LIFELINE_CA_FINGERPRINT, enrol.caFingerprint), because agent.yaml: enrol.tokenFile is given",
    ],
    [
      "two ways to a certificate",
      `enrol: { caFingerprint: "${FINGERPRINT}"}\ntls: {caFile: a, certFile: b, keyFile: c}`,
      "agent.yaml: enrol.caFingerprint: got it beside tls, want one of them: a certificate from the collector, or from files",
    ],
    [
      "several problems",
      "runAsUid: -1\nlogLevel: loud",
      "agent.yaml: runAsUid: got -1, want an integer from 0 to 4294967294 (a user id)\n" +
        'agent.yaml: logLevel: got "loud", want one of trace, debug, info, warn, error, fatal, silent',
    ],
  ])("are refused with file, key, value and the wanted value: %s", (_, text, message) => {
    if (message.startsWith("want")) expect(refusal(text)).toContain(message);
    else expect(refusal(text)).toBe(message);
  });

  it.each([
    [{ LIFELINE_SPOOL_MAX_BYTES: "lots" }, `LIFELINE_SPOOL_MAX_BYTES: spool.maxBytes: got "lots", want ${SPOOL}`],
    [{ LIFELINE_ROLES: "x" }, 'LIFELINE_ROLES: roles[0]: got "x", want one of talos-node, omni-host'],
    [{ LIFELINE_ALLOW_PLAINTEXT: "yes" }, 'LIFELINE_ALLOW_PLAINTEXT: allowPlaintext: got "yes", want true or false'],
  ])("name the variable that is wrong: %j", (environment, message) => {
    expect(refusal("{}", environment)).toBe(message);
  });

  it("refuse a variable that is misspelt, without its value, and a flag", () => {
    expect(refusal("{}", { LIFELINE_JOIN_TOKN: "hush" })).toMatch(
      /^LIFELINE_JOIN_TOKN: got an unknown variable, want one of LIFELINE_CONFIG, LIFELINE_COLLECTOR, [A-Z_, ]+$/,
    );
    expect(refusal("{}", {}, ["--colector", "a"])).toMatch(
      /^command line: got Unknown option '--colector', want some of/,
    );
  });

  it.each(["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1"])("allow plaintext to loopback: %s (S1)", (to) => {
    expect(refusal(`collector: "${to}"`)).toBe("taken");
  });

  it("require TLS elsewhere, unless plaintext is allowed (S1)", () => {
    expect(refusal("{collector: 192.0.2.1:443, allowPlaintext: true}")).toBe("taken");
    expect(refusal("{collector: 192.0.2.1:443, tls: {caFile: a, certFile: b, keyFile: c}}")).toBe("taken");
  });

  it("can be parsed from a text, for tools", () => {
    expect(parseConfig("/etc/agent.yaml", "stateDir: s\n", { LIFELINE_NODE_ID: "n" })).toMatchObject({
      stateDir: "/etc/s",
      nodeId: "n",
    });
  });
});
