import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LIFELINE_VERSION } from "@lifeline/measure";
import { afterAll, describe, expect, it } from "vitest";
import { ConfigError } from "./config-error.ts";
import { readCommand } from "./given-settings.ts";
import { helpText } from "./help.ts";
import type { Program, Settings } from "./setting.ts";
import * as kind from "./setting-type.ts";

const directory = mkdtempSync(join(tmpdir(), "lifeline-settings-"));
afterAll(() => rmSync(directory, { recursive: true }));
const defaultFile = join(directory, "default.yaml");
const file = join(directory, "named.yaml");

const SETTINGS = {
  address: { type: kind.hostPort, required: true, help: "where to go" },
  days: { type: kind.integer(1, 9, "days"), default: 3, help: "how long it lasts, days" },
  extras: { flag: "extra", type: kind.list(kind.file, 2, "files"), help: "more files" },
  "tls.certFile": { name: "cert", type: kind.file, help: "certificate" },
  "tls.keyFile": { type: kind.file, help: "its key" },
  isOpen: { name: "open", type: kind.boolean, default: false, help: "lets everybody in" },
  "pool.size": { name: "", type: kind.integer(1, 9, ""), help: "how many" },
  "pool.shared": { name: "", type: kind.boolean, default: true, help: "for all" },
  mode: { name: "", type: kind.word(["slow"], ""), default: "slow", help: "how it goes" },
} as const satisfies Settings;

const PROGRAM: Program<typeof SETTINGS> = {
  name: "lifeline-example",
  summary: "is an example",
  settings: SETTINGS,
  file: { path: defaultFile },
  otherVariables: { LIFELINE_SECRET: "a secret" },
  notes: "exit codes: 0\n",
};
const { file: _, ...FLAGS_ONLY } = PROGRAM;

function read(args: readonly string[], environment: Record<string, string> = {}, program: typeof PROGRAM = PROGRAM) {
  const command = readCommand(program, args, environment, (given) => {
    const tls = given.allOf("tls", ["certFile", "keyFile"]);
    given.allOf("pool", ["size"]);
    if (given.values.isOpen && given.isGiven("days")) given.refuse("days", "it beside isOpen", "one of them");
    given.check();
    return { ...given.values, tls };
  });
  if (command.kind === "print") throw new Error(command.text);
  return command.config;
}

function refusal(args: readonly string[], environment: Record<string, string> = {}, program = PROGRAM): string[] {
  try {
    read(args, environment, program);
  } catch (error) {
    if (error instanceof ConfigError) {
      return error.problems.map(({ code, line }) => `${code} ${line.replaceAll(`${directory}/`, "")}`);
    }
    throw error;
  }
  return [];
}

function write(path: string, text: string): void {
  writeFileSync(path, text);
}

const ADDRESS = ["--address", "a:1"];
const FLAGS = "some of --help, --version, --config, --address, --days, --extra, --cert, --tls-key-file, --open";
const VARIABLES =
  "LIFELINE_CONFIG, LIFELINE_ADDRESS, LIFELINE_DAYS, LIFELINE_EXTRAS, LIFELINE_CERT, LIFELINE_TLS_KEY_FILE, LIFELINE_OPEN, LIFELINE_SECRET";

describe("settings", () => {
  it("come from flags, then the environment, then the file, then the defaults", () => {
    write(file, "address: file:1\ndays: 4\nextras: [a, /b]\ntls: {certFile: c}\n");
    const environment = {
      LIFELINE_ADDRESS: "variable:1",
      LIFELINE_DAYS: "5",
      LIFELINE_TLS_KEY_FILE: "k",
      LIFELINE_CERT: "",
    };
    expect(read(["--config", file, "--days", "6"], environment)).toMatchObject({
      address: "variable:1",
      days: 6,
      extras: [join(directory, "a"), "/b"],
      tls: { certFile: join(directory, "c"), keyFile: "k" },
      isOpen: false,
    });
    expect(read([...ADDRESS, "--open"], { LIFELINE_EXTRAS: "a: b" })).toMatchObject({
      extras: ["a", "b"],
      isOpen: true,
    });
    expect(read([...ADDRESS, "--extra", "a", "--extra", "b"])).toMatchObject({
      extras: ["a", "b"],
      days: 3,
      tls: undefined,
    });
  });

  it("come from the named file, or from the default one if it exists", () => {
    expect(read(ADDRESS).days).toBe(3);
    write(defaultFile, "days: 7\n");
    write(file, "days: 8\n");
    expect(read(ADDRESS).days).toBe(7);
    expect(read(ADDRESS, { LIFELINE_CONFIG: "" }).days).toBe(7);
    expect(read(ADDRESS, { LIFELINE_CONFIG: file }).days).toBe(8);
    expect(read([...ADDRESS, "--config", defaultFile], { LIFELINE_CONFIG: file }).days).toBe(7);
    rmSync(defaultFile);
    // Talos makes a directory of a mount's missing source.
    mkdirSync(defaultFile);
    expect(read(ADDRESS).days).toBe(3);
    rmSync(defaultFile, { recursive: true });
    expect(refusal(ADDRESS, { LIFELINE_CONFIG: "/nonexistent" })).toEqual([
      "unreadable /nonexistent: got ENOENT, want a file that can be read",
    ]);
  });

  it.each<[readonly string[], Record<string, string>, string]>([
    [[], {}, "missing address: got nothing, want HOST:PORT (--address, LIFELINE_ADDRESS, address)"],
    [[...ADDRESS, "--days", "10"], {}, "bad-value --days: days: got 10, want an integer from 1 to 9 days"],
    [[...ADDRESS, "--days=-1"], {}, 'bad-value --days: days: got "-1", want an integer from 1 to 9 days'],
    [
      ADDRESS,
      { LIFELINE_EXTRAS: "a:b:c" },
      "bad-value LIFELINE_EXTRAS: extras: got a list of 3, want a list of at most 2 files",
    ],
    [
      ADDRESS,
      { LIFELINE_DAY: "hush" },
      `unknown-variable LIFELINE_DAY: got an unknown variable, want one of ${VARIABLES}`,
    ],
    [["--day", "1"], {}, `bad-flag command line: got Unknown option '--day', want ${FLAGS}`],
    [["--days"], {}, `bad-flag command line: got Option '--days <value>' argument missing, want ${FLAGS}`],
    [["hush"], {}, `bad-flag command line: got an argument that is no flag, want ${FLAGS}`],
    [
      [...ADDRESS, "--cert", "c"],
      {},
      "missing tls.keyFile: got nothing, want FILE (--tls-key-file, LIFELINE_TLS_KEY_FILE, tls.keyFile), because --cert: tls.certFile is given",
    ],
    [[...ADDRESS, "--open", "--days", "1"], {}, "contradiction --days: days: got it beside isOpen, want one of them"],
    [
      ["--address", "http://user:hush@a/"],
      {},
      'bad-value --address: address: got "http://…@a/", want host:port with a port from 1 to 65535, IPv6 in brackets',
    ],
  ])("are refused: %j %j", (args, environment, problem) => {
    const problems = refusal(args, environment);
    expect(problems).toEqual([problem]);
    expect(problems.join()).not.toContain("hush");
  });

  it.each([
    ["an unknown key", "addres: a:1", "unknown-key named.yaml: addres: got an unknown key, want one of KEYS"],
    ["an unknown inner key", "tls: {key: k}", "unknown-key named.yaml: tls.key: got an unknown key, want one of KEYS"],
    [
      "a dot for a mapping",
      '"tls.keyFile": k',
      "unknown-key named.yaml: tls.keyFile: got an unknown key, want one of KEYS",
    ],
    [
      "a key of every object",
      "constructor: k",
      "unknown-key named.yaml: constructor: got an unknown key, want one of KEYS",
    ],
    [
      "text for a mapping",
      "tls: k",
      'bad-value named.yaml: tls: got "k", want a mapping with some of certFile, keyFile',
    ],
    [
      "a list for a mapping",
      "tls: []",
      "bad-value named.yaml: tls: got an empty list, want a mapping with some of INNER",
    ],
    [
      "nothing for text",
      "address:",
      "bad-value named.yaml: address: got null, want host:port with a port from 1 to 65535, IPv6 in brackets",
    ],
    ["a text for the file", "hush", "bad-value named.yaml: got a text, want a mapping of settings"],
    ["a number for the file", "123456789012", "bad-value named.yaml: got a number, want a mapping of settings"],
    ["true for the file", "true", "bad-value named.yaml: got a boolean, want a mapping of settings"],
    ["too long a file", `#${" ".repeat(65_536)}`, "too-large named.yaml: got 65537 characters, want at most 65536"],
  ])("are refused in a file for %s", (_, text, problem) => {
    write(file, text);
    expect(refusal(["--config", file, ...(text.startsWith("address") ? [] : ADDRESS)])).toEqual([
      problem.replace("KEYS", Object.keys(SETTINGS).join(", ")).replace("INNER", "certFile, keyFile"),
    ]);
  });

  it("are not given by an empty mapping in a file", () => {
    write(file, "pool: {}\n");
    expect(read(["--config", file, ...ADDRESS])).toEqual(read(ADDRESS));
    write(file, "pool: {}\ntls: {}\n");
    const files = ["--cert", "c", "--tls-key-file", "k"];
    expect(read(["--config", file, ...ADDRESS, ...files]).tls).toEqual({ certFile: "c", keyFile: "k" });
  });

  it("are missing from an empty mapping that needs all its keys", () => {
    write(file, "tls: {}\n");
    expect(refusal(["--config", file, ...ADDRESS])).toEqual([
      "missing tls.certFile: got nothing, want FILE (--cert, LIFELINE_CERT, tls.certFile), because named.yaml: tls is given",
      "missing tls.keyFile: got nothing, want FILE (--tls-key-file, LIFELINE_TLS_KEY_FILE, tls.keyFile), because named.yaml: tls is given",
    ]);
  });

  it("ignore variables of the command line, of Kubernetes's services and of other programs", () => {
    const environment = {
      LIFELINE_TOKEN: "t",
      LIFELINE_LISTEN: "127.0.0.1:9470",
      LIFELINE_JOIN_TOKEN: "j",
      LIFELINE_SECRET: "s",
      LIFELINE_COLLECTOR_SERVICE_HOST: "10.0.0.1",
      LIFELINE_COLLECTOR_PORT: "tcp://10.0.0.1:9470",
      LIFELINE_COLLECTOR_PORT_9470_TCP_ADDR: "10.0.0.1",
      PATH: "/bin",
    };
    expect(refusal(ADDRESS, environment)).toEqual([]);
    expect(refusal(ADDRESS, environment, FLAGS_ONLY)).toEqual([]);
  });

  it("of a program without a file are named by their flags", () => {
    expect(refusal(["--days", "10"], {}, FLAGS_ONLY)).toEqual([
      "missing --address: got nothing, want HOST:PORT (--address)",
      "bad-value --days: got 10, want an integer from 1 to 9 days",
    ]);
    expect(refusal([...ADDRESS, "--extra", "a", "--extra", ""], {}, FLAGS_ONLY)).toEqual([
      'bad-value --extra[1]: got "", want a path of 1 to 4095 bytes',
    ]);
  });

  it("print the version", () => {
    expect(readCommand(PROGRAM, ["--version"], {}, () => 0)).toEqual({ kind: "print", text: `${LIFELINE_VERSION}\n` });
  });

  it("are all in the help", () => {
    expect(helpText(PROGRAM).replaceAll(directory, "/etc")).toBe(`lifeline-example: is an example

A flag overrides its environment variable, which overrides its key in the YAML file.

  --address HOST:PORT, LIFELINE_ADDRESS, address
      where to go
  --days N, LIFELINE_DAYS, days
      how long it lasts, days (default 3)
  --extra FILE, LIFELINE_EXTRAS, extras
      more files
  --cert FILE, LIFELINE_CERT, tls.certFile
      certificate
  --tls-key-file FILE, LIFELINE_TLS_KEY_FILE, tls.keyFile
      its key
  --open, LIFELINE_OPEN, isOpen
      lets everybody in (default false)
  pool.size
      how many
  pool.shared
      for all (default true)
  mode
      how it goes (default slow)
  --config FILE, LIFELINE_CONFIG
      YAML file of settings (default /etc/default.yaml, where it exists); paths in it are relative to it
  --version
      prints the version
  --help, -h
      prints this text
  LIFELINE_SECRET
      a secret

exit codes: 0
`);
  });
});
