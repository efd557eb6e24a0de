/** The units for systemd, checked against the programs' settings and by systemd itself. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FLUSH_GRACE_MS } from "@lifeline/agent";
import { AGENT_NODE, COLLECTOR_NODE, type NodeProcess, PLAIN_NODE } from "@lifeline/bundle";
import { STOP_WITHIN_MS } from "@lifeline/collector";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { flagsOf, type ProgramName, settingsOf } from "./program.ts";
import { filesOf, ROOT, textOf } from "./repository.ts";
import { readUnit, valuesOf } from "./unit-file.ts";

const NAMES: readonly ProgramName[] = ["agent", "collector", "reflector"];
/** Flags and environment of each program's Node, as in images and `npm start`. */
const NODE_OF: Readonly<Record<ProgramName, NodeProcess>> = {
  agent: AGENT_NODE,
  collector: COLLECTOR_NODE,
  reflector: PLAIN_NODE,
};
const DROP_IN = "deploy/systemd/lifeline-reflector.service.d/witness.conf";
const pathOf = (name: ProgramName) => `deploy/systemd/lifeline-${name}.service`;
const unitOf = (path: string) => readUnit(path, textOf(path));
/** Where the units expect the checkout. */
const INSTALLED = "/opt/lifeline";
/**
 * Of `systemd-analyze security`, in tenths of its score: 0 is confined, 10 is unconfined root. A unit without hardening
 * has 9.6.
 */
const EXPOSURE_MAX_TENTHS = 20;

describe("a unit file", () => {
  it("is read line by line, and an empty value removes those before it", () => {
    const unit = readUnit("x", "# c\n[Service]\nA=1\nA=\nA=2 3\n\n[Install]\nB=\n");
    expect(valuesOf(unit, "Service", "A")).toEqual(["2 3"]);
    expect(valuesOf(unit, "Install", "B")).toEqual([]);
    expect(valuesOf(unit, "Unit", "A")).toEqual([]);
  });

  it.each(["A=1", "[Service]\nA", '[Service]\nA="1"', "[Service]\nA=1 \\"])("%j is refused", (text) => {
    expect(() => readUnit("x", text)).toThrow(/^x:\d: got .*, want /);
  });
});

describe("the units", () => {
  it("are all in this test", () => {
    expect(filesOf("deploy/systemd/**/*.{conf,service}")).toEqual([...NAMES.map(pathOf), DROP_IN].sort());
  });

  it.each([...NAMES.map((name) => [pathOf(name), name] as const), [DROP_IN, "reflector"] as const])(
    "%s uses only flags and variables of its program",
    (path, name) => {
      const unit = unitOf(path);
      const [command = "", ...more] = valuesOf(unit, "Service", "ExecStart");
      expect(more).toEqual([]);
      const program = `${INSTALLED}/apps/${name}/dist/main.js`;
      const node = NODE_OF[name];
      const start = [`${INSTALLED}/node_modules/.bin/node`, ...node.flags, program];
      const words = command.split(" ");
      expect(words.slice(0, start.length)).toEqual(start);
      const args = words.slice(start.length);
      const { flags, variables } = settingsOf(name);
      expect(flagsOf(args).filter((flag) => !flags.has(flag))).toEqual([]);
      const given = Object.fromEntries(
        valuesOf(unit, "Service", "Environment").map((text) => text.split(/=(.*)/, 2) as [string, string]),
      );
      expect(given).toMatchObject(node.environment);
      const own = Object.keys(given).filter((variable) => !(variable in node.environment));
      expect(own.filter((variable) => !variables.has(variable))).toEqual([]);
    },
  );

  it.each([...NAMES.map(pathOf), DROP_IN])("%s uses each credential that it loads, and no other", (path) => {
    const unit = unitOf(path);
    const loaded = valuesOf(unit, "Service", "LoadCredential").map((text) => text.split(":", 1)[0]);
    const said = ["ExecStart", "Environment"].flatMap((key) => valuesOf(unit, "Service", key)).join(" ");
    // The unit of the drop-in loads this one.
    const before = path === DROP_IN ? ["stamp-key"] : [];
    const used = [...said.matchAll(/%d\/([\w.-]+)/g)].map((match) => match[1]);
    expect(used.sort()).toEqual([...loaded, ...before].sort());
  });

  it.each(NAMES)("lifeline-%s.service gives the program more time to stop than it needs", (name) => {
    const [text = ""] = valuesOf(unitOf(pathOf(name)), "Service", "TimeoutStopSec");
    const grantedMs = Number(/^(\d+)s$/.exec(text)?.[1]) * 1_000;
    expect(grantedMs).toBeGreaterThan(2 * Math.max(STOP_WITHIN_MS, FLUSH_GRACE_MS));
  });

  it.each(NAMES)("lifeline-%s.service makes no core dump, and ignores NODE_OPTIONS", (name) => {
    const unit = unitOf(pathOf(name));
    expect(valuesOf(unit, "Service", "LimitCORE")).toEqual(["0"]);
    expect(valuesOf(unit, "Service", "UnsetEnvironment")).toEqual(["NODE_OPTIONS"]);
  });

  it.each(NAMES)("lifeline-%s.service does not restart with an invalid configuration", (name) => {
    const unit = unitOf(pathOf(name));
    expect(valuesOf(unit, "Service", "Restart")).toEqual(["on-failure"]);
    expect(valuesOf(unit, "Service", "RestartPreventExitStatus")).toEqual(["2"]);
  });
});

const version = spawnSync("systemd-analyze", ["--version"], { encoding: "utf8" });
const isMissing = version.status !== 0;
if (isMissing && process.env["CI"] === "true")
  throw new Error("systemd-analyze is not installed; CI needs the package systemd");

describe.skipIf(isMissing)("systemd itself (skipped unless the package systemd is installed)", () => {
  let directory = "";
  const analyze = (...args: string[]) => spawnSync("systemd-analyze", args, { encoding: "utf8" });
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "lifeline-units-"));
    cpSync(join(ROOT, "deploy/systemd"), directory, { recursive: true });
    // systemd-analyze wants the program to exist, so this machine's Node replaces the one in /opt.
    for (const path of filesOf("deploy/systemd/**/*.{conf,service}")) {
      const copy = join(directory, path.slice("deploy/systemd/".length));
      const text = readFileSync(copy, "utf8");
      writeFileSync(copy, text.replaceAll(`${INSTALLED}/node_modules/.bin/node`, process.execPath));
    }
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it.each(NAMES)("accepts lifeline-%s.service", (name) => {
    const { status, stderr } = analyze("verify", join(directory, `lifeline-${name}.service`));
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  it("finds an error", () => {
    const path = join(directory, "lifeline-wrong.service");
    writeFileSync(path, `[Service]\nExecStart=${process.execPath}\nProtectSytem=strict\n`);
    expect(analyze("verify", path).stderr).toContain("ProtectSytem");
  });

  it.each(NAMES)("finds lifeline-%s.service well confined", (name) => {
    const path = join(directory, `lifeline-${name}.service`);
    const { status, stdout, stderr } = analyze(
      "security",
      "--offline=true",
      `--threshold=${EXPOSURE_MAX_TENTHS}`,
      path,
    );
    expect(status, `${stdout.split("\n").slice(-3).join("\n")}${stderr}`).toBe(0);
  });
});
