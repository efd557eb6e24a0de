import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { decodeReport, makePlan } from "@lifeline/wire";
import { afterEach, describe, expect, it } from "vitest";
import { startAgentProcess } from "./testing/agent-process.ts";
import { scratch, tcpTarget, until } from "./testing/fixtures.ts";
import { acknowledge, startCollector } from "./testing/stand-in-collector.ts";

/** Longest wait for a process, ms. It starts within seconds on a busy machine; a test that waits as long has failed. */
const LIMIT_MS = 50_000;

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function place(): string {
  const { path, remove } = scratch();
  closers.push(remove);
  return path;
}

function agent(args: readonly string[], environment: Record<string, string> = {}) {
  const started = startAgentProcess(args, environment);
  closers.push(() => void started.child.kill("SIGKILL"));
  return started;
}

describe("the agent's process", { timeout: 60_000 }, () => {
  it("delivers open windows at SIGTERM, and exits 0 (U1)", async () => {
    const path = place();
    let attempts = 0;
    const server = createServer((socket) => {
      attempts += 1;
      socket.resume().on("error", () => {});
    }).listen(0, "127.0.0.1");
    closers.push(() => void server.close());
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const planPath = join(path, "plan.json");
    writeFileSync(planPath, JSON.stringify(makePlan([tcpTarget(port, { cadenceMs: 100, timeoutMs: 90 })])));
    const collector = await startCollector({ report: (report, answer) => acknowledge(report, answer) });
    closers.push(() => collector.stop());
    const { child, output, errors, exit } = agent(["--plan", planPath, "--state-dir", join(path, "state")], {
      LIFELINE_COLLECTOR: collector.address,
      LIFELINE_NODE_ID: "node-1",
    });
    await until("it is connected and measures", () => collector.hellos.length > 0 && attempts >= 3, LIMIT_MS);
    // Node would open its inspector at this signal; the agent does not.
    child.kill("SIGUSR1");
    await until("it measures on", () => attempts >= 6, LIMIT_MS);
    const begun = attempts;
    child.kill("SIGTERM");
    expect(await exit()).toBe(0);
    expect(errors()).toBe("");
    const windows = collector.reports.flatMap(({ report }) => {
      const decoded = decodeReport(report);
      return decoded.ok ? decoded.value.windows : [];
    });
    expect(windows.reduce((sum, { started }) => sum + started, 0)).toBeGreaterThanOrEqual(begun);
    const lines = output()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.at(-1)).toMatchObject({ level: "info", msg: "agent stopped", spoolReports: 0 });
    for (const { time } of lines) expect(String(time)).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it("exits 2 with one line that names the fault in its configuration", async () => {
    const path = join(place(), "agent.yaml");
    writeFileSync(path, "stateDirectory: /tmp\n");
    const { exit, output } = agent(["--config", path]);
    expect(await exit()).toBe(2);
    expect(JSON.parse(output())).toMatchObject({ level: "fatal", code: "unknown-key" });
    expect(output()).toContain("stateDirectory");
  });

  it("reports its proxy without credentials, and no line or message holds a secret (S1)", async () => {
    const path = place();
    const keyFile = join(path, "stamp.key");
    writeFileSync(keyFile, "SECRETSECRETSECRET");
    const collector = await startCollector({ report: (report, answer) => acknowledge(report, answer) });
    closers.push(() => collector.stop());
    const { child, output, exit } = agent(["--state-dir", join(path, "state"), "--log-level", "trace"], {
      LIFELINE_COLLECTOR: collector.address,
      LIFELINE_STAMP_KEY_FILE: keyFile,
      HTTPS_PROXY: "http://SECRET:SECRET@proxy.example:3128",
      HTTP_PROXY: "socks4://SECRET:SECRET@proxy.example:3129",
      NO_PROXY: "127.0.0.1,fdae::/64",
    });
    await until("it said hello", () => collector.hellos.length > 0, LIMIT_MS);
    child.kill("SIGTERM");
    expect(await exit()).toBe(0);
    const [hello] = collector.hellos;
    expect(hello?.proxy).toMatchObject({
      httpsProxy: "http://proxy.example:3128",
      httpProxy: "",
      noProxy: ["127.0.0.1", "fdae::/64"],
    });
    expect(output()).toContain("HTTP_PROXY: a proxy of the kind socks4:// is not supported");
    const said = JSON.stringify(hello, (_, value) => (typeof value === "bigint" ? String(value) : value));
    const encoded = Buffer.from("SECRET:SECRET").toString("base64");
    for (const text of [output(), said]) {
      expect(text).not.toContain("SECRET");
      expect(text).not.toContain(encoded);
    }
  });

  it("exits 2 when its STAMP key or its state directory cannot be used", async () => {
    const short = join(place(), "stamp.key");
    writeFileSync(short, "SECRET");
    const keyless = agent(["--state-dir", place()], { LIFELINE_STAMP_KEY_FILE: short });
    expect(await keyless.exit()).toBe(2);
    expect(keyless.output()).toContain(
      `stampKeyFile: got ${JSON.stringify(JSON.stringify(short)).slice(1, -1)} (6 bytes), want a file with a key of 16 to 1024 bytes`,
    );
    expect(keyless.output()).not.toContain("SECRET");
    const nowhere = agent(["--state-dir", "/proc/lifeline"]);
    expect(await nowhere.exit()).toBe(2);
    expect(nowhere.output()).toContain("want a path at which a directory can be made");
  });
});
