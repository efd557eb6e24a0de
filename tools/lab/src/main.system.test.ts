import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

let folder: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lab-main-"));
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await rm(folder, { recursive: true });
});

function launch(file: "main.ts" | "fault-command.ts", args: readonly string[]) {
  const script = fileURLToPath(new URL(file, import.meta.url));
  const child = spawn(process.execPath, ["--conditions=lifeline:source", script, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  const printed = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (printed.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (printed.stderr += text));
  return { child, printed, ended: once(child, "close") };
}

async function finish(file: "main.ts" | "fault-command.ts", args: readonly string[]) {
  const { ended, printed } = launch(file, args);
  const [status] = await ended;
  return { status, ...printed };
}

describe("the stand-in as a process", () => {
  it("prints one ready line, takes a fault from the command, and ends cleanly on SIGTERM", async () => {
    const [control, stateFile] = [join(folder, "control.sock"), join(folder, "state.json")];
    const { child, printed, ended } = launch("main.ts", ["--control", control, "--state-file", stateFile]);
    await once(child.stdout, "data");
    const ready = JSON.parse(printed.stdout);
    expect(ready).toMatchObject({ label: "lab", pid: child.pid, listeners: [{ name: "api" }, {}, {}] });
    expect(JSON.parse(await readFile(stateFile, "utf8"))).toEqual(ready);

    const command = await finish("fault-command.ts", ["--control", control, "machine-api", "drop"]);
    expect(command).toMatchObject({ status: 0, stderr: "" });
    expect(command.stdout).toMatch(/^lab stand-in, pid \d+\napi .* none\nmachine-api .* drop\nsiderolink .* none\n$/);
    expect(JSON.parse(await readFile(stateFile, "utf8")).listeners[1].fault).toBe("drop");

    child.kill("SIGTERM");
    expect(await ended).toEqual([0, null]);
    expect(printed.stdout.split("\n")).toHaveLength(2);
    expect(printed.stderr).not.toContain("PRIVATE KEY");
    expect([existsSync(control), existsSync(stateFile)]).toEqual([false, false]);
  });

  it.each([
    [["--port", "1"], 2, /^lab: Unknown option '--port'/],
    [["--control"], 2, /^lab: .*--control <value>' argument missing/],
    // No directory of that name can be written to.
    [["--state-file", "/proc/state.json"], 2, /^lab: state-file: cannot be written: /],
  ])("%j ends with %d and prints the reason", async (args, status, reason) => {
    const ended = await finish("main.ts", args);
    expect(ended).toMatchObject({ status, stdout: "" });
    expect(ended.stderr).toMatch(reason);
  });
});

describe("the fault command", () => {
  const usage =
    "expected --control PATH, then a listener (api, machine-api, siderolink, all) and a fault (none, refuse, drop, stall)";
  it.each([
    [[], 2, `--control: missing; ${usage}`],
    [["--control", "x.sock", "api"], 2, `1 arguments; ${usage}`],
    [["--control", "/nowhere/x.sock"], 1, 'control: "/nowhere/x.sock": connect ENOENT /nowhere/x.sock'],
  ])("%j ends with %d", async (args, status, message) => {
    expect(await finish("fault-command.ts", args)).toEqual({ status, stdout: "", stderr: `lab: ${message}\n` });
  });
});
