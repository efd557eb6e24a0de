import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const GUARD = JSON.stringify(new URL("process-guard.ts", import.meta.url).href);
const flags = ["--conditions=lifeline:source", "--input-type=module", "-e"];

it("opens no inspector on SIGUSR1, and keeps running", async () => {
  const program = `import { guardProcess } from ${GUARD}; guardProcess(); setInterval(() => {}, 1000); console.log("ready");`;
  const child = spawn(process.execPath, [...flags, program], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk) => {
    said += chunk;
  });
  await once(child.stdout, "data");
  child.kill("SIGUSR1");
  // Nothing should happen. On a slow machine this may miss an inspector, but it never fails without one.
  await new Promise((resolve) => setTimeout(resolve, 500));
  child.kill("SIGTERM");
  const [, signal] = await once(child, "exit");
  expect([said, signal]).toEqual(["", "SIGTERM"]);
});

it.each([
  ["an inspector that a signal opened earlier", [], "undefined"],
  ["no inspector if Node was started with it", ["--inspect=127.0.0.1:0"], "string"],
])("closes %s", async (_, more, kind) => {
  const program = `import { guardProcess } from ${GUARD}; import inspector from "node:inspector";
    if (inspector.url() === undefined) inspector.open(0, "127.0.0.1");
    guardProcess(); console.log(typeof inspector.url()); process.exit();`;
  const { stdout } = await promisify(execFile)(process.execPath, [...more, ...flags, program]);
  expect(stdout.trim()).toBe(kind);
});

it("leaves the environment out of Node's reports", async () => {
  const program = `import { guardProcess } from ${GUARD}; guardProcess(); console.log(JSON.stringify(process.report.getReport()));`;
  const env = { ...process.env, LIFELINE_JOIN_TOKEN: "hush-hush" };
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, program], { env, maxBuffer: 1 << 24 });
  expect(stdout).toContain("nodejsVersion");
  expect(stdout).not.toContain("hush-hush");
});

it("prints no deprecation warning", async () => {
  const warn = 'process.emitWarning("old", "DeprecationWarning", "DEP0123");';
  const program = `import { guardProcess } from ${GUARD}; guardProcess(); ${warn}`;
  const { stderr } = await promisify(execFile)(process.execPath, [...flags, program]);
  expect(stderr).toBe("");
});
