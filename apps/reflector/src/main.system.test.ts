import { type ChildProcess, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { decodeReflected, encodeSender, OWN_ERROR_ESTIMATE, sequenceAt } from "@lifeline/stamp";
import { describe, expect, it } from "vitest";

function run(...args: string[]): ChildProcess {
  const main = new URL("main.ts", import.meta.url).pathname;
  return spawn(process.execPath, ["--conditions=lifeline:source", main, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
}

describe("the reflector's process", () => {
  it("reflects until SIGTERM, logs JSON, and exits with 0", async () => {
    const child = run("--listen", "127.0.0.1:0");
    const lines: { level: string; time: string; msg: string; port?: number; reflected?: number }[] = [];
    let errors = "";
    child.stderr?.on("data", (chunk) => {
      errors += chunk;
    });
    for await (const line of createInterface({ input: child.stdout ?? process.stdin })) {
      lines.push(JSON.parse(line));
      const { msg, port } = lines.at(-1) ?? { msg: "" };
      if (msg !== "reflecting") continue;
      // Node would open its inspector on it, and say so on stderr.
      child.kill("SIGUSR1");
      const socket = createSocket("udp4");
      const answered = once(socket, "message");
      socket.send(encodeSender({ sequence: sequenceAt(0), sentAt: 0n, errorEstimate: OWN_ERROR_ESTIMATE }), port ?? 0);
      const [reply] = await answered;
      socket.close();
      expect(decodeReflected(reply).kind).toBe("ok");
      child.kill("SIGTERM");
    }
    if (child.exitCode === null) await once(child, "exit");
    expect(child.exitCode).toBe(0);
    expect(errors).toBe("");
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(lines.at(-1)).toMatchObject({ level: "info", time, msg: "stopped", reflected: 1 });
  });

  it.each([
    [
      ["--listen", "nowhere"],
      2,
      'lifeline-reflector: --listen: got "nowhere", want ADDRESS:PORT, such as 192.0.2.1:862 or [::]:862\n',
    ],
    [
      ["--key-file", "/nonexistent"],
      2,
      'lifeline-reflector: --key-file: got "/nonexistent" (ENOENT), want a file that can be read\n',
    ],
  ])("refuses %j with exit code %d", async (args, code, message) => {
    const child = run(...args);
    let stderr = "";
    child.stderr?.on("data", (chunk) => {
      stderr += chunk;
    });
    await once(child, "close");
    expect(child.exitCode).toBe(code);
    expect(stderr).toBe(message);
  });
});
