import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadConfig } from "./config.ts";
import { ConfigError } from "./config-error.ts";

const directory = mkdtempSync(join(tmpdir(), "lifeline-config-"));
afterAll(() => rmSync(directory, { recursive: true }));

const file = join(directory, "collector.yaml");
const GOOD = "dataDir: data\ndeployment: site.yaml\n";
function load(yaml: string, args: string[] = [], env: Record<string, string> = {}) {
  writeFileSync(file, yaml);
  return loadConfig(["--config", file, ...args], env);
}
function problemsOf(act: () => unknown): readonly string[] {
  try {
    act();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe("loadConfig", () => {
  it("fills in the defaults; files named in the file are relative to it", () => {
    expect(load(GOOD)).toEqual({
      listen: { host: "127.0.0.1", port: 9_470 },
      httpListen: { host: "127.0.0.1", port: 9_471 },
      httpNames: [],
      dataDir: join(directory, "data"),
      deployment: join(directory, "site.yaml"),
      catalogue: undefined,
      catalogueExtras: [],
      tls: undefined,
      handshakeMaxBytes: 12_288,
      allowPlaintext: false,
      retentionDays: 30,
      minuteRetentionDays: 90,
      hourRetentionDays: 400,
      maxStreams: 10_000,
      readyFile: undefined,
    });
  });

  it("takes flags before the environment, and that before the file", () => {
    const config = load(`${GOOD}retentionDays: 1\nmaxStreams: 1\nlisten: "127.0.0.1:1"`, ["--retention-days", "3"], {
      LIFELINE_RETENTION_DAYS: "2",
      LIFELINE_MAX_STREAMS: "2",
    });
    expect(config).toMatchObject({ retentionDays: 3, maxStreams: 2, listen: { port: 1 } });
  });

  it("keeps what is coarser as long as what is finer, where nothing else is said", () => {
    const kept = (yaml: string) => {
      const { minuteRetentionDays, hourRetentionDays } = load(GOOD + yaml);
      return [minuteRetentionDays, hourRetentionDays];
    };
    expect(kept("retentionDays: 89")).toEqual([90, 400]);
    expect(kept("retentionDays: 500")).toEqual([500, 500]);
    expect(kept("minuteRetentionDays: 401")).toEqual([401, 401]);
  });

  it("needs no file", () => {
    const args = [
      "--data-dir",
      "d",
      "--deployment",
      "s.yaml",
      "--listen",
      "[::1]:0",
      "--catalogue-extra",
      "a",
      "--catalogue-extra",
      "b",
    ];
    expect(loadConfig(args, {})).toMatchObject({
      listen: { host: "::1", port: 0 },
      dataDir: "d",
      catalogueExtras: ["a", "b"],
    });
  });

  const settings =
    "listen, httpListen, httpNames, dataDir, deployment, catalogue, catalogueExtras, tls.certFile, tls.keyFile, tls.caFile, " +
    "tls.handshakeMaxBytes, identity.names, identity.authorityCertFile, identity.authorityKeyFile, identity.nodeCertificateHours, " +
    "access.tokensFile, allowPlaintext, retentionDays, minuteRetentionDays, hourRetentionDays, maxStreams, readyFile";
  it.each([
    ["an unknown key", `${GOOD}lisen: x`, [`collector.yaml: lisen: got an unknown key, want one of ${settings}`]],
    [
      "an unknown tls key",
      `${GOOD}tls: {cert: x, certFile: a, keyFile: b, caFile: c}`,
      [`collector.yaml: tls.cert: got an unknown key, want one of ${settings}`],
    ],
    [
      "a port out of range",
      `${GOOD}listen: "127.0.0.1:70000"`,
      ['collector.yaml: listen: got "127.0.0.1:70000", want host:port with a port from 0 to 65535, IPv6 in brackets'],
    ],
    [
      "a listen that is a number",
      `${GOOD}listen: 9470`,
      ["collector.yaml: listen: got 9470, want host:port with a port from 0 to 65535, IPv6 in brackets"],
    ],
    [
      "retention of no days",
      `${GOOD}retentionDays: 0`,
      ["collector.yaml: retentionDays: got 0, want an integer from 1 to 3650"],
    ],
    [
      "half a day of retention",
      `${GOOD}retentionDays: 1.5`,
      ["collector.yaml: retentionDays: got 1.5, want an integer from 1 to 3650"],
    ],
    [
      "minutes kept for less time than reports",
      `${GOOD}minuteRetentionDays: 29`,
      ["collector.yaml: minuteRetentionDays: got 29, want at least 30, the days of retentionDays"],
    ],
    [
      "hours kept for less time than the minutes are by default",
      `${GOOD}hourRetentionDays: 89`,
      ["collector.yaml: hourRetentionDays: got 89, want at least 90, the days of minuteRetentionDays"],
    ],
    [
      "a flag that is a word",
      `${GOOD}allowPlaintext: "yes"`,
      ['collector.yaml: allowPlaintext: got "yes", want true or false'],
    ],
    [
      "a certificate without its key",
      `${GOOD}tls: {certFile: a, caFile: c}`,
      ["tls.keyFile: got nothing, want a file path, for other tls settings are given"],
    ],
    [
      "tls that is no mapping",
      `${GOOD}tls: true`,
      ["collector.yaml: tls: got true, want a mapping with certFile, keyFile, caFile, handshakeMaxBytes"],
    ],
    [
      "plaintext beyond loopback",
      `${GOOD}listen: "0.0.0.0:9470"`,
      [
        "listen: got 0.0.0.0 without tls, want identity.names, tls.certFile with tls.keyFile and tls.caFile, a loopback address, " +
          "or allowPlaintext: true",
      ],
    ],
    [
      "a listener that could not tell whose node speaks",
      `${GOOD}tls: {certFile: a, keyFile: b}`,
      ["tls.caFile: got nothing, want a file path, for without it nobody knows whose node an agent speaks for"],
    ],
    [
      "an authority without a name to be dialled by",
      `${GOOD}identity: {nodeCertificateHours: 12}`,
      [
        "identity.names: got nothing, want a list of at most 16 host names or addresses, for other identity settings are given",
      ],
    ],
    [
      "a name that is none",
      `${GOOD}identity: {names: ["a b"]}`,
      ["collector.yaml: identity.names: got a list of 1, want a list of at most 16 host names or addresses"],
    ],
    [
      "a name with a port for metrics",
      `${GOOD}httpNames: ["a.example:9471"]`,
      ["collector.yaml: httpNames: got a list of 1, want a list of at most 16 host names or addresses"],
    ],
    [
      "half an authority",
      `${GOOD}identity: {names: [a], authorityKeyFile: k}`,
      ["identity.authorityCertFile and identity.authorityKeyFile: got one of them, want both or none"],
    ],
    [
      "an authority beside certificates from files",
      `${GOOD}identity: {names: [a]}\ntls: {certFile: a, keyFile: b, caFile: c}`,
      [
        "identity: got it beside tls, want one of them: with identity the listener's certificate is the fleet authority's",
      ],
    ],
    [
      "broken YAML",
      "a: [",
      [
        "collector.yaml:1:5: got broken YAML (BAD_INDENT), want consistent indentation and closed brackets",
        "dataDir: got nothing, want a file path (--data-dir)",
        "deployment: got nothing, want a file path (--deployment)",
      ],
    ],
    [
      "a list",
      "- a",
      [
        "collector.yaml: got a list of 1, want a mapping of settings",
        "dataDir: got nothing, want a file path (--data-dir)",
        "deployment: got nothing, want a file path (--deployment)",
      ],
    ],
    [
      "several problems at once",
      "dataDir: ''\nmaxStreams: many",
      [
        'collector.yaml: dataDir: got "", want a file path',
        "deployment: got nothing, want a file path (--deployment)",
        'collector.yaml: maxStreams: got "many", want an integer from 1 to 20000',
      ],
    ],
  ])("refuses %s", (_, yaml, problems) => {
    expect(problemsOf(() => load(yaml))).toEqual(problems);
  });

  it.each([
    ["an alias", "listen: &a x\nhttpListen: *a", "collector.yaml:4:13: got the alias *a, want the value written out"],
    ["a tag", "listen: !own x", "collector.yaml:3:9: got broken YAML (TAG_RESOLVE_FAILED), want no tag"],
    ["a key twice", "dataDir: x", "collector.yaml:3:1: got a key twice, want each key once"],
    ["a key that is no text", "? [a]\n: b", "collector.yaml:3:3: got broken YAML (NON_STRING_KEY), want a text key"],
  ])("refuses %s where it stands in the file", (_, yaml, problem) => {
    expect(problemsOf(() => load(GOOD + yaml))[0]).toBe(problem);
  });

  it("names the variable or the flag that is wrong", () => {
    expect(problemsOf(() => load(GOOD, [], { LIFELINE_MAX_STREAMS: "x" }))).toEqual([
      'environment: LIFELINE_MAX_STREAMS: got "x", want an integer from 1 to 20000',
    ]);
    expect(problemsOf(() => load(GOOD, ["--max-streams", "x"]))).toEqual([
      'flag --max-streams: got "x", want an integer from 1 to 20000',
    ]);
    expect(problemsOf(() => loadConfig(["--max-stream", "1"], {}))[0]).toMatch(
      /^flags: Unknown option '--max-stream'; want some of --config, --listen/,
    );
    expect(problemsOf(() => loadConfig(["--config", join(directory, "absent")], {}))[0]).toMatch(
      /^config: got ".*absent" \(ENOENT\), want a file/,
    );
  });

  it("takes the names of an authority from a list, a variable and flags, and listens beyond loopback with one", () => {
    const yaml = `${GOOD}listen: "0.0.0.0:9470"\nidentity: {names: [collector.example, "192.0.2.1"]}`;
    expect(load(yaml).identity).toEqual({
      names: ["collector.example", "192.0.2.1"],
      authority: undefined,
      nodeCertificateHours: 24,
    });
    expect(load(GOOD, [], { LIFELINE_IDENTITY_NAMES: "a.example,::1" }).identity?.names).toEqual(["a.example", "::1"]);
    expect(load(GOOD, ["--identity-name", "a", "--identity-name", "b"]).identity?.names).toEqual(["a", "b"]);
    expect(load(`${GOOD}httpNames: [a.example]`).httpNames).toEqual(["a.example"]);
    expect(load(GOOD, [], { LIFELINE_HTTP_NAMES: "a.example,b" }).httpNames).toEqual(["a.example", "b"]);
    expect(load(GOOD, ["--http-name", "a", "--http-name", "b"]).httpNames).toEqual(["a", "b"]);
  });

  it("allows plaintext beyond loopback where it is asked for", () => {
    expect(load(`${GOOD}listen: "0.0.0.0:9470"`, ["--allow-plaintext"]).allowPlaintext).toBe(true);
  });
});
