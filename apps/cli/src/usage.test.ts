import { globSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { listCatalogues } from "@lifeline/catalogue";
import { LIFELINE_VERSION } from "@lifeline/measure";
import { CLI_VARIABLES } from "@lifeline/settings";
import { describe, expect, it } from "vitest";
import { runHere } from "./testing/run-cli.ts";

describe("usage errors exit 2 and say what would be right", () => {
  const hint = "(--help shows how)\n";
  it.each<[string, string[], string]>([
    ["unknown command", ["stauts"], `error: unknown command 'stauts'\n(Did you mean status?)\n${hint}`],
    ["unknown option", ["status", "--onyl", "x"], `error: unknown option '--onyl'\n(Did you mean --only?)\n${hint}`],
    [
      "unknown format",
      ["status", "--output", "xml"],
      `error: option '--output <format>' argument 'xml' is invalid. Allowed choices are table, wide, json, csv, markdown.\n${hint}`,
    ],
    [
      "two formats",
      ["status", "--json", "--output", "csv"],
      `error: option '--json' cannot be used with option '--output <format>'\n${hint}`,
    ],
    [
      "argument too many",
      ["nodes", "x"],
      `error: too many arguments for 'nodes'. Expected 0 arguments but got 1: x.\n${hint}`,
    ],
    ["argument too few", ["node"], `error: missing required argument 'id'\n${hint}`],
    [
      "unknown shell",
      ["completion", "tcsh"],
      `error: command-argument value 'tcsh' is invalid for argument 'shell'. Allowed choices are bash, zsh, fish.\n${hint}`,
    ],
    [
      "option of another command",
      ["catalogue", "list", "--watch"],
      "error: --watch: 'catalogue list' does not use it\n",
    ],
    ["collector for check", ["--collector", "a:1", "check"], "error: --collector: 'check' does not use it\n"],
    [
      "empty pattern",
      ["status", "--only", ""],
      `error: --only: got "", want a pattern of 1 to 256 characters such as 'node-*'\n`,
    ],
    [
      "collector without port",
      ["status", "--collector", "omni"],
      "error: --collector: got 'omni', want host:port with a port from 1 to 65535, IPv6 in brackets, such as 127.0.0.1:9470\n",
    ],
    ["key without certificate", ["status", "--key-file", "k"], "error: --key-file: needs --cert-file too\n"],
    [
      "plaintext and TLS",
      ["status", "--ca-file", "c", "--allow-plaintext"],
      "error: --allow-plaintext: cannot be combined with --ca-file, --cert-file and --key-file, which need TLS\n",
    ],
    [
      "plaintext and a fleet CA",
      ["status", "--ca-fingerprint", "sha256:0", "--allow-plaintext"],
      "error: --allow-plaintext: cannot be combined with --ca-fingerprint, which needs TLS\n",
    ],
    [
      "a fingerprint and a CA file",
      ["status", "--ca-fingerprint", "sha256:0", "--ca-file", "c"],
      "error: --ca-fingerprint: cannot be combined with --ca-file; use one of them\n",
    ],
    [
      "a fingerprint that is none",
      ["status", "--ca-fingerprint", "sha256:0"],
      "error: --ca-fingerprint: got 'sha256:0', want sha256: and 64 hexadecimal characters\n",
    ],
    [
      "token for a command that queries no collector",
      ["catalogue", "list", "--token-file", "t"],
      "error: --token-file: 'catalogue list' does not use it\n",
    ],
    [
      "token that is not there",
      ["status", "--token-file", "/nowhere/token"],
      "error: --token-file: /nowhere/token cannot be read (ENOENT)\n",
    ],
    [
      "no uses",
      ["token", "create", "--uses", "0"],
      `error: option '--uses <n>' argument '0' is invalid. want a whole number of nodes from 1 to 100000\n${hint}`,
    ],
    [
      "lifetime too short",
      ["token", "create", "--for", "59s"],
      `error: option '--for <time>' argument '59s' is invalid. want a whole number of s, m, h or d, from 1m to 365d, such as 24h\n${hint}`,
    ],
    [
      "pattern from a variable that was not set",
      ["token", "create", "--nodes", ""],
      `error: option '--nodes <pattern>' argument '' is invalid. want a pattern of 1 to 256 characters such as 'rack-3-*'\n${hint}`,
    ],
    [
      "pattern in capitals, which no node id has",
      ["token", "create", "--nodes", "Rack-*"],
      `error: option '--nodes <pattern>' argument 'Rack-*' is invalid. want lower-case letters, as node ids have, such as 'rack-3-*'\n${hint}`,
    ],
    ["watching what is made once", ["token", "create", "--watch"], "error: --watch: 'token create' does not use it\n"],
    [
      "watching what is done once",
      ["node", "revoke", "worker-1", "--watch"],
      "error: --watch: 'node revoke' does not use it\n",
    ],
    [
      "token id that is none",
      ["token", "revoke", "abc"],
      "error: <id>: want 8 hexadecimal characters, as 'lifeline token list' shows them\n",
    ],
    [
      "token itself for its id, which is not repeated (S1)",
      ["token", "revoke", "1f2e3d4c.c2VjcmV0"],
      "error: <id>: this looks like a token; its id is the part before the dot. Want 8 hexadecimal characters, as 'lifeline token list' shows them\n",
    ],
    [
      "node id that is none",
      ["node", "revoke", "a/b"],
      "error: <id>: got 'a/b', want 1 to 253 lower-case letters, digits, dots, hyphens and underscores, a letter or digit first and last\n",
    ],
    [
      "missing file",
      ["status", "--ca-file", "/nowhere/ca.pem"],
      "error: --ca-file: /nowhere/ca.pem cannot be read (ENOENT)\n",
    ],
    [
      "file that is no PEM",
      ["status", "--ca-file", "/dev/null"],
      "error: --ca-file: /dev/null holds no PEM of at most 1 MiB\n",
    ],
    [
      "watching CSV",
      ["status", "--watch", "--output", "csv"],
      "error: --watch: cannot be combined with --output csv; use table, wide or json\n",
    ],
    [
      "age without unit",
      ["incidents", "--since", "12"],
      `error: option '--since <age>' argument '12' is invalid. want a whole number of s, m, h or d, at most 3650d, such as 12h\n${hint}`,
    ],
    ["history of no node", ["history"], `error: missing required argument 'id'\n${hint}`],
    [
      "a step that is not kept",
      ["history", "n", "--step", "5m"],
      `error: option '--step <length>' argument '5m' is invalid. Allowed choices are 10s, 1m, 1h.\n${hint}`,
    ],
    ...["yesterday", "2026-02-30T00:00:00Z", "2026-03-01", "2026-03-01T12:00:00", "6", "0h"].map(
      (text): [string, string[], string] => [
        `history from ${text}`,
        ["history", "n", "--from", text],
        `error: option '--from <time>' argument '${text}' is invalid. want a time of RFC 3339 such as 2026-03-01T12:00:00Z, or an age such as 6h or 7d\n${hint}`,
      ],
    ),
    [
      "history that ends before it begins",
      ["history", "n", "--from", "2026-03-01T13:00:00+01:00", "--to", "2026-03-01T12:00:00Z"],
      "error: --from: got 2026-03-01T12:00:00.000Z, want a time before 2026-03-01T12:00:00.000Z, the end of the history\n",
    ],
    [
      "check of nothing",
      ["check"],
      "error: check: give --deployment FILE, or --omni URL with --siderolink HOST:PORT\n",
    ],
    [
      "check of two",
      ["check", "--deployment", "d.yaml", "--omni", "https://o"],
      "error: --omni: cannot be combined with --deployment; set it in the file\n",
    ],
    [
      "no seconds",
      ["check", "--omni", "https://o", "--seconds", "0"],
      `error: option '--seconds <n>' argument '0' is invalid. want a whole number of seconds from 1 to 300\n${hint}`,
    ],
    [
      "version that is none",
      ["check", "--omni", "omni.example.com", "--talos-version", "banana"],
      `error: option '--talos-version <version>' argument 'banana' is invalid. want a Talos version such as v1.13.2\n${hint}`,
    ],
    [
      "unknown role",
      ["check", "--omni", "https://o", "--role", "router"],
      `error: option '--role <role>' argument 'router' is invalid. Allowed choices are omni-host, talos-node.\n${hint}`,
    ],
    [
      "URL that is none",
      ["check", "--omni", "http://omni.example.com"],
      'error: command line: omni.api: got "http://omni.example.com", want an https URL of host and optional port, without path, query or credentials: its scheme is not https\n',
    ],
    [
      "unknown release",
      ["catalogue", "list", "--release", "v9.9"],
      `error: bundled catalogues: version: got "v9.9", want one of ${listCatalogues().join(", ")}\n`,
    ],
    [
      "unknown row",
      ["catalogue", "show", "machine-ap"],
      `error: catalogue ${listCatalogues().at(-1)} has no row 'machine-ap'; the closest: machine-api, saas-machine-api\n`,
    ],
  ])("%s", async (_, argv, message) => {
    const { err, out, exitCode } = await runHere(argv);
    expect(err).toBe(message);
    expect(out).toBe("");
    expect(exitCode).toBe(2);
  });

  it("names the environment variable when the value came from there", async () => {
    const { err } = await runHere(["nodes"], { env: { LIFELINE_COLLECTOR: "x" } });
    expect(err).toMatch(/^error: LIFELINE_COLLECTOR: got 'x', want host:port/);
  });

  it("shows help on stderr without a command", async () => {
    const { err, out, exitCode } = await runHere([]);
    expect(err).toMatch(/^Usage: lifeline/);
    expect([out, exitCode]).toEqual(["", 2]);
  });
});

describe("help", () => {
  const commands = [
    "status",
    "nodes",
    "node",
    "incidents",
    "history",
    "check",
    "catalogue list",
    "catalogue show",
    "catalogue diff",
    "token create",
    "token list",
    "token revoke",
    "enrolments",
    "node revoke",
    "node readmit",
    "completion",
  ];
  it.each(commands)("of '%s' ends with two or three examples of that very command", async (command) => {
    const { out, exitCode } = await runHere([...command.split(" "), "--help"]);
    const examples = out.split("Examples:\n")[1]?.trimEnd().split("\n") ?? [];
    expect([2, 3]).toContain(examples.length);
    for (const line of examples) expect(line).toContain(`lifeline ${command}`);
    expect(exitCode).toBe(0);
  });

  it("and the documentation show no join token written to a file that others may read, nor a umask that stays", async () => {
    const docs = ["running.md", "install-talos.md"].map((name) =>
      readFileSync(join(import.meta.dirname, "../../../docs", name), "utf8").replaceAll("\\\n", ""),
    );
    const helps = await Promise.all([["token"], ["token", "create"]].map((words) => runHere([...words, "--help"])));
    const lines = [...docs, ...helps.map(({ out }) => out)].flatMap((text) => text.split("\n"));
    const written = lines.filter((line) => line.includes("token create") && line.includes(">"));
    expect(written).toHaveLength(5);
    for (const line of written) expect(line.trim()).toMatch(/^\(umask 077; lifeline token create .*> join-token\)/);
  });

  it("of a command lists only the global options that it does not refuse", async () => {
    const { out } = await runHere(["catalogue", "diff", "--help"]);
    expect(out).toContain("--json");
    expect(out).not.toContain("--collector");
  });

  it("lists the exit codes that README lists", async () => {
    const { out } = await runHere(["--help"]);
    const listed = [...out.matchAll(/^ {2}(\d+) +(.*)$/gm)].map(([, code, meaning]) => `| ${code} | ${meaning} |`);
    const readme = readFileSync(join(import.meta.dirname, "../../../README.md"), "utf8");
    expect(listed).toHaveLength(5);
    expect(readme).toContain(`| Exit code | Meaning |\n|---|---|\n${listed.join("\n")}\n\n`);
  });

  it("prints the version of the package", async () => {
    expect(await runHere(["--version"])).toEqual({ out: `${LIFELINE_VERSION}\n`, err: "", exitCode: 0 });
  });

  it("reads only variables that other programs leave alone", () => {
    const files = globSync("**/*.ts", { cwd: import.meta.dirname, exclude: ["**/*.test.ts", "testing/**"] });
    const texts = files.map((path) => readFileSync(join(import.meta.dirname, path), "utf8"));
    const variables = texts.flatMap((text) => [...text.matchAll(/"(LIFELINE_[A-Z_]+)"/g)].map(([, name]) => name));
    expect(new Set(variables)).toEqual(new Set(CLI_VARIABLES));
  });
});

describe("a collector that is not there", () => {
  it("exits 3 and says what to check", async () => {
    const port = await freePort();
    const { err, out, exitCode } = await runHere(["status", "--collector", `127.0.0.1:${port}`]);
    expect(err).toBe(`\
error: the collector at 127.0.0.1:${port} cannot be reached: No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:${port}
check: it runs; --collector or LIFELINE_COLLECTOR is its address; no firewall blocks the port;
       the collector serves plaintext (for TLS use --ca-fingerprint or --ca-file)
'lifeline check' probes from this host without a collector
`);
    expect(out).toBe("");
    expect(exitCode).toBe(3);
  });

  it("exits 3 for JSON too, with nothing on stdout", async () => {
    const { out, exitCode } = await runHere(["nodes", "--json"], {
      env: { LIFELINE_COLLECTOR: `127.0.0.1:${await freePort()}` },
    });
    expect([out, exitCode]).toEqual(["", 3]);
  });
});

/** A port at which nothing listens: it was given to us, and given back. */
function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
