import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError } from "@lifeline/settings";
import { afterAll, describe, expect, it } from "vitest";
import { type Config, readCollectorCommand } from "./config.ts";

const directory = mkdtempSync(join(tmpdir(), "lifeline-config-"));
afterAll(() => rmSync(directory, { recursive: true }));

const file = join(directory, "collector.yaml");
const GOOD = "dataDir: data\ndeployment: deployment.yaml\n";

function read(args: readonly string[], environment: Record<string, string> = {}): Config {
  const command = readCollectorCommand(args, environment);
  if (command.kind === "print") throw new Error("it printed a text");
  return command.config;
}

function load(yaml: string, args: readonly string[] = [], environment: Record<string, string> = {}): Config {
  writeFileSync(file, yaml);
  return read(["--config", file, ...args], environment);
}

function problemsOf(act: () => unknown): readonly string[] {
  try {
    act();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ line }) => line.replaceAll(`${directory}/`, ""));
    throw error;
  }
  return [];
}

describe("the collector's settings", () => {
  it("have defaults; files named in the file are relative to it", () => {
    expect(load(GOOD)).toEqual({
      listen: { host: "127.0.0.1", port: 9_470 },
      httpListen: { host: "127.0.0.1", port: 9_471 },
      httpNames: [],
      dataDir: join(directory, "data"),
      deployment: join(directory, "deployment.yaml"),
      catalogue: undefined,
      catalogueExtras: [],
      tls: undefined,
      handshakeMaxBytes: 12_288,
      identity: undefined,
      accessTokensFile: undefined,
      allowPlaintext: false,
      retentionDays: 30,
      minuteRetentionDays: 90,
      hourRetentionDays: 400,
      maxStreams: 10_000,
      readyFile: undefined,
    });
  });

  it("come from flags before the environment, and from that before the file", () => {
    const config = load(`${GOOD}retentionDays: 1\nmaxStreams: 1\nlisten: "127.0.0.1:1"`, ["--retention-days", "3"], {
      LIFELINE_RETENTION_DAYS: "2",
      LIFELINE_MAX_STREAMS: "2",
    });
    expect(config).toMatchObject({ retentionDays: 3, maxStreams: 2, listen: { port: 1 } });
  });

  it("keep coarser roll-ups as long as finer ones, where nothing else is said", () => {
    const kept = (yaml: string) => {
      const { minuteRetentionDays, hourRetentionDays } = load(GOOD + yaml);
      return [minuteRetentionDays, hourRetentionDays];
    };
    expect(kept("retentionDays: 89")).toEqual([90, 400]);
    expect(kept("retentionDays: 500")).toEqual([500, 500]);
    expect(kept("minuteRetentionDays: 401")).toEqual([401, 401]);
  });

  it("need no file", () => {
    const paths = ["--data-dir", "d", "--deployment", "s.yaml", "--catalogue-extra", "a", "--catalogue-extra", "b"];
    expect(read([...paths, "--listen", "[::1]:0"])).toMatchObject({
      listen: { host: "::1", port: 0 },
      dataDir: "d",
      catalogueExtras: ["a", "b"],
    });
  });

  const keys =
    "listen, httpListen, httpNames, dataDir, deployment, catalogue, catalogueExtras, tls.certFile, tls.keyFile, tls.caFile, " +
    "tls.handshakeMaxBytes, identity.names, identity.caCertFile, identity.caKeyFile, identity.nodeCertificateHours, " +
    "access.tokensFile, allowPlaintext, retentionDays, minuteRetentionDays, hourRetentionDays, maxStreams, readyFile";
  const listen = "host:port with a port from 0 (any free one) to 65535, IPv6 in brackets";
  const plaintext =
    "identity.names, tls.certFile with tls.keyFile and tls.caFile, a loopback address, or allowPlaintext: true";
  const names = "NAME (--identity-name, LIFELINE_IDENTITY_NAMES, identity.names)";
  it.each([
    ["an unknown key", `${GOOD}lisen: x`, [`collector.yaml: lisen: got an unknown key, want one of ${keys}`]],
    [
      "an unknown tls key",
      `${GOOD}tls: {cert: x, certFile: a, keyFile: b, caFile: c}`,
      [`collector.yaml: tls.cert: got an unknown key, want one of ${keys}`],
    ],
    [
      "a port out of range",
      `${GOOD}listen: "127.0.0.1:70000"`,
      [`collector.yaml: listen: got "127.0.0.1:70000", want ${listen}`],
    ],
    ["a listen that is a number", `${GOOD}listen: 9470`, [`collector.yaml: listen: got 9470, want ${listen}`]],
    [
      "retention of no days",
      `${GOOD}retentionDays: 0`,
      ["collector.yaml: retentionDays: got 0, want an integer from 1 to 3650 days"],
    ],
    [
      "half a day of retention",
      `${GOOD}retentionDays: 1.5`,
      ["collector.yaml: retentionDays: got 1.5, want an integer from 1 to 3650 days"],
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
      "a word for true or false",
      `${GOOD}allowPlaintext: "yes"`,
      ['collector.yaml: allowPlaintext: got "yes", want true or false'],
    ],
    [
      "a certificate without its key",
      `${GOOD}tls: {certFile: a, caFile: c}`,
      [
        "tls.keyFile: got nothing, want FILE (--tls-key, LIFELINE_TLS_KEY, tls.keyFile), because collector.yaml: tls.certFile is given",
      ],
    ],
    [
      "tls that is no mapping",
      `${GOOD}tls: true`,
      ["collector.yaml: tls: got true, want a mapping with some of certFile, keyFile, caFile, handshakeMaxBytes"],
    ],
    [
      "plaintext beyond loopback",
      `${GOOD}listen: "0.0.0.0:9470"`,
      [`collector.yaml: listen: got 0.0.0.0 without TLS, want ${plaintext}`],
    ],
    [
      "plaintext at a name that looks like loopback",
      `${GOOD}listen: "127.example:9470"`,
      [`collector.yaml: listen: got 127.example without TLS, want ${plaintext}`],
    ],
    [
      "a listener that cannot know whose node an agent is",
      `${GOOD}tls: {certFile: a, keyFile: b}`,
      [
        "tls.caFile: got nothing, want FILE (--tls-ca, LIFELINE_TLS_CA, tls.caFile), because collector.yaml: tls.certFile is given",
      ],
    ],
    [
      "a fleet CA without a name to be dialled by",
      `${GOOD}identity: {nodeCertificateHours: 12}`,
      [`identity.names: got nothing, want ${names}, because collector.yaml: identity.nodeCertificateHours is given`],
    ],
    [
      "a name that is none",
      `${GOOD}identity: {names: ["a b"]}`,
      ['collector.yaml: identity.names[0]: got "a b", want a host name or an address'],
    ],
    [
      "no names",
      `${GOOD}identity: {names: []}`,
      ["collector.yaml: identity.names: got an empty list, want a list of 1 to 16 host names or addresses"],
    ],
    [
      "a name with a port for metrics",
      `${GOOD}httpNames: ["a.example:9471"]`,
      ['collector.yaml: httpNames[0]: got "a.example:9471", want a host name or an address'],
    ],
    [
      "half a fleet CA",
      `${GOOD}identity: {names: [a], caKeyFile: k}`,
      [
        "identity.caCertFile: got nothing, want FILE (--ca-cert, LIFELINE_CA_CERT, identity.caCertFile), " +
          "because collector.yaml: identity.caKeyFile is given",
      ],
    ],
    [
      "a fleet CA beside certificates from files",
      `${GOOD}identity: {names: [a]}\ntls: {certFile: a, keyFile: b, caFile: c}`,
      [
        "collector.yaml: identity.names: got it beside tls, want one of them: identity makes the listener's certificate itself",
      ],
    ],
    [
      "broken YAML",
      "a: [",
      ["collector.yaml:1:5: got broken YAML (BAD_INDENT), want consistent indentation and closed brackets"],
    ],
    ["a list", "- a", ["collector.yaml: got a list of 1, want a mapping of settings"]],
    [
      "several problems at once",
      "dataDir: ''\nmaxStreams: many",
      [
        'collector.yaml: dataDir: got "", want a path of 1 to 4095 bytes',
        "deployment: got nothing, want FILE (--deployment, LIFELINE_DEPLOYMENT, deployment)",
        'collector.yaml: maxStreams: got "many", want an integer from 1 to 20000 agents',
      ],
    ],
  ])("are refused for %s", (_, yaml, problems) => {
    expect(problemsOf(() => load(yaml))).toEqual(problems);
  });

  it("name the variable, the flag or the file that is wrong", () => {
    expect(problemsOf(() => load(GOOD, [], { LIFELINE_MAX_STREAMS: "x" }))).toEqual([
      'LIFELINE_MAX_STREAMS: maxStreams: got "x", want an integer from 1 to 20000 agents',
    ]);
    expect(problemsOf(() => load(GOOD, ["--max-streams", "x"]))).toEqual([
      '--max-streams: maxStreams: got "x", want an integer from 1 to 20000 agents',
    ]);
    expect(problemsOf(() => read(["--max-stream", "1"]))[0]).toMatch(
      /^command line: got Unknown option '--max-stream', want some of --help, --version, --config, --listen/,
    );
    expect(problemsOf(() => read(["--config", join(directory, "absent")]))).toEqual([
      "absent: got ENOENT, want a file that can be read",
    ]);
    expect(problemsOf(() => load(GOOD, [], { LIFELINE_MAX_STREAM: "1" }))[0]).toMatch(
      /^LIFELINE_MAX_STREAM: got an unknown variable, want one of LIFELINE_CONFIG, LIFELINE_LISTEN, /,
    );
    expect(problemsOf(() => load(GOOD, [], { LIFELINE_ADMIN_TOKEN: "t", LIFELINE_READER_TOKEN: "t" }))).toEqual([]);
  });

  it("take the names of a fleet CA from a list, a variable and flags, and then listen beyond loopback", () => {
    const yaml = `${GOOD}listen: "0.0.0.0:9470"\nidentity: {names: [collector.example, "192.0.2.1"]}`;
    expect(load(yaml).identity).toEqual({
      names: ["collector.example", "192.0.2.1"],
      ca: undefined,
      nodeCertificateHours: 24,
    });
    expect(load(GOOD, [], { LIFELINE_IDENTITY_NAMES: "a.example,::1" }).identity?.names).toEqual(["a.example", "::1"]);
    expect(load(GOOD, ["--identity-name", "a", "--identity-name", "b"]).identity?.names).toEqual(["a", "b"]);
    expect(load(`${GOOD}httpNames: [a.example]`).httpNames).toEqual(["a.example"]);
    expect(load(GOOD, [], { LIFELINE_HTTP_NAMES: "a.example,b" }).httpNames).toEqual(["a.example", "b"]);
    expect(load(GOOD, ["--http-name", "a", "--http-name", "b"]).httpNames).toEqual(["a", "b"]);
  });

  it("allow plaintext beyond loopback where allowPlaintext says so", () => {
    expect(load(`${GOOD}listen: "0.0.0.0:9470"`, ["--allow-plaintext"]).allowPlaintext).toBe(true);
  });

  it("name the other commands in the help", () => {
    expect(readCollectorCommand(["--help"], {}, "other commands\n")).toMatchObject({
      text: expect.stringMatching(/^lifeline-collector: [\s\S]*\nother commands\n$/),
    });
  });
});
