/**
 * The first start of a collector as docs/running.md tells it: its files are written, its commands are typed in their
 * order. Paths, names and ports are this test's; everything else is the page's.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterAll, expect, it } from "vitest";
import { blocksOf } from "./markdown.ts";
import { ROOT, textOf } from "./repository.ts";

const PAGE = textOf("docs/running.md");
const folder = mkdtempSync(join(tmpdir(), "lifeline-guide-"));
const children: ChildProcess[] = [];

afterAll(async () => {
  for (const child of children) {
    if (child.exitCode !== null || !child.kill("SIGTERM")) continue;
    await once(child, "close");
  }
  rmSync(folder, { recursive: true });
});

/** A port that is free now, on the loopback address that the collector takes. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

const program = (app: string) =>
  `'${process.execPath}' --conditions=lifeline:source '${join(ROOT, "apps", app, "src/main.ts")}'`;

/** The page's text as this test needs it. */
function adapted(text: string, port: number, fingerprint: string): string {
  return text
    .replaceAll("node apps/collector/dist/main.js", program("collector"))
    .replaceAll(/(?<=\d; |^)lifeline /gm, `${program("cli")} `)
    .replaceAll("/var/lib/lifeline-collector", join(folder, "data"))
    .replaceAll("collector.example.internal:9470", `127.0.0.1:${port}`)
    .replaceAll("collector.example.internal", "127.0.0.1")
    .replaceAll("0.0.0.0:9470", `127.0.0.1:${port}\nhttpListen: 127.0.0.1:0`)
    .replaceAll("sha256:…", fingerprint);
}

/** The indented commands of a section, continued lines joined. */
function commandsIn(heading: string): readonly string[] {
  const section = PAGE.split(/^### /m).find((part) => part.startsWith(heading)) ?? "";
  return section
    .replaceAll(/ \\\n\s+/g, " ")
    .split("\n")
    .filter((line) => line.startsWith("    "))
    .map((line) => line.trim());
}

const shell = async (command: string) => (await promisify(execFile)("sh", ["-c", command], { cwd: folder })).stdout;

/** Starts a command that keeps running, until it logs that it serves. */
async function started(command: string): Promise<void> {
  const child = spawn("sh", ["-c", `exec ${command}`], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  for await (const line of createInterface(child.stdout)) if (/ serves/.test(line)) return;
  throw new Error(`${command} ended: exit code ${child.exitCode}`);
}

it("runs the commands of docs/running.md from an empty folder to a join token", async () => {
  const [deployment = "", collector = ""] = blocksOf(PAGE, "yaml");
  const port = await freePort();
  mkdirSync(join(folder, "data"));
  writeFileSync(join(folder, "deployment.yaml"), deployment);
  writeFileSync(join(folder, "collector.yaml"), adapted(collector, port, ""));

  const commands = commandsIn("Certificates from the collector");
  expect(commands).toHaveLength(5);
  let fingerprint = "";
  for (const command of commands) {
    const line = adapted(command, port, fingerprint);
    if (/--config/.test(line)) await started(line);
    else fingerprint = (await shell(line)).match(/sha256:[0-9a-f]{64}/)?.[0] ?? fingerprint;
  }
  expect(fingerprint).not.toBe("");
  expect((await shell("cat join-token")).trim()).not.toBe("");
});
