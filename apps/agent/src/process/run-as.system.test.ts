import { chmodSync, lstatSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makePlan } from "@lifeline/wire";
import { afterEach, describe, expect, it } from "vitest";
import { startAgentProcess } from "../testing/agent-process.ts";
import { scratch, tcpTarget, until } from "../testing/fixtures.ts";
import { acknowledge, startCollector } from "../testing/stand-in-collector.ts";

/** Longest wait for a process, ms. It starts within seconds on a busy machine; a test that waits as long has failed. */
const LIMIT_MS = 50_000;

/** A user id that no image uses. */
const UID = 65_532;
/** `1 << CAP_DAC_READ_SEARCH`, as /proc/PID/status prints a set. */
const READ_FILES = "0000000000000004";
const NOTHING = "0000000000000000";

const isRoot = process.getuid?.() === 0;

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function start(environment: Record<string, string>) {
  const started = startAgentProcess([], environment);
  closers.push(() => void started.child.kill("SIGKILL"));
  return started;
}

function statusOf(pid: number, thread: number = pid): Readonly<Record<string, string>> {
  const lines = readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8").split("\n");
  return Object.fromEntries(lines.map((line) => line.split(/:\s+/) as [string, string]));
}

// Only root can become another user: elsewhere these are skipped.
describe.runIf(isRoot)("an agent that root starts, to run as another user", { timeout: 60_000 }, () => {
  it("is that user, with no right except to read files", async () => {
    const { path, remove } = scratch();
    closers.push(remove);
    // Readable by root only, as an administrator's files are, in a directory that everyone may enter.
    chmodSync(path, 0o755);
    const keyFile = join(path, "stamp.key");
    const planFile = join(path, "plan.json");
    for (const [file, text] of [
      [keyFile, "0123456789abcdef"],
      [planFile, JSON.stringify(makePlan([tcpTarget(1, { cadenceMs: 100, timeoutMs: 90 })]))],
    ] as const) {
      writeFileSync(file, text, { mode: 0o600 });
    }
    // The agent makes the parents.
    const stateDir = join(path, "var", "lib", "state");
    const collector = await startCollector({ report: (report, answer) => acknowledge(report, answer) });
    closers.push(() => collector.stop());
    const { pid, child, output, exit } = start({
      LIFELINE_RUN_AS_UID: String(UID),
      LIFELINE_STATE_DIR: stateDir,
      LIFELINE_STAMP_KEY_FILE: keyFile,
      LIFELINE_PLAN_FILE: planFile,
      LIFELINE_COLLECTOR: collector.address,
      LIFELINE_NODE_ID: "node-1",
    });
    await until("it has reported", () => collector.reports.length > 0, LIMIT_MS);
    const status = statusOf(pid);
    const ids = [UID, UID, UID, UID].join("\t");
    expect(status).toMatchObject({ Uid: ids, Gid: ids, Groups: `${UID} `, CapEff: READ_FILES, CapPrm: READ_FILES });
    expect(status).toMatchObject({ CapInh: NOTHING });
    for (const made of [join(path, "var"), stateDir, join(stateDir, "agent.lock"), join(stateDir, "spool")]) {
      expect([made, statSync(made).uid, statSync(made).gid]).toEqual([made, UID, UID]);
    }
    expect(statSync(keyFile).uid).toBe(0);
    expect(output()).not.toContain("cannot write to disk");
    expect(output()).toContain("runs as runAsUid, with root's right to read files");
    child.kill("SIGTERM");
    expect(await exit()).toBe(0);
  });

  it("owns the files that an agent of root left, follows no link, and reads the current content of root's files", async () => {
    const { path, remove } = scratch();
    closers.push(remove);
    chmodSync(path, 0o755);
    const [stateDir, elsewhere] = [join(path, "state"), join(path, "elsewhere")];
    mkdirSync(join(path, "disk", "identity"), { recursive: true });
    symlinkSync(join(path, "disk"), stateDir);
    writeFileSync(join(stateDir, "identity", "next.key"), "", { mode: 0o600 });
    writeFileSync(elsewhere, "root's");
    symlinkSync(elsewhere, join(stateDir, "link"));
    // Read at each dial, long after the start. Only a process that could read the file knows that it holds no token.
    const tokenFile = join(path, "join-token");
    writeFileSync(tokenFile, "two words", { mode: 0o600 });
    const { child, output, exit } = start({
      LIFELINE_RUN_AS_UID: String(UID),
      LIFELINE_STATE_DIR: stateDir,
      LIFELINE_NODE_ID: "n",
      LIFELINE_COLLECTOR: "127.0.0.1:1",
      LIFELINE_CA_FINGERPRINT: `sha256:${"0".repeat(64)}`,
      LIFELINE_JOIN_TOKEN_FILE: tokenFile,
    });
    await until("it says what is wrong with the token", () => output().includes("without spaces"), LIMIT_MS);
    expect(statSync(join(stateDir, "identity", "next.key")).uid).toBe(UID);
    expect([statSync(elsewhere).uid, lstatSync(join(stateDir, "link")).uid]).toEqual([0, 0]);
    child.kill("SIGTERM");
    expect(await exit()).toBe(0);
  });

  it("stays root when runAsUid is 0 or not set", async () => {
    for (const environment of [{}, { LIFELINE_RUN_AS_UID: "0" }]) {
      const { path, remove } = scratch();
      closers.push(remove);
      const { pid, child, output, exit } = start({ ...environment, LIFELINE_STATE_DIR: path, LIFELINE_NODE_ID: "n" });
      await until("it says what it lacks", () => output().includes("nothing to do"), LIMIT_MS);
      expect(statusOf(pid)["Uid"]).toBe("0\t0\t0\t0");
      child.kill("SIGTERM");
      expect(await exit()).toBe(0);
    }
  });
});
