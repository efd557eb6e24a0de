import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, it } from "vitest";
import type { ServicesState } from "./lab-services.ts";
import { requestMode } from "./services-client.ts";

const start = (...args: string[]) =>
  spawn(process.execPath, ["--conditions=lifeline:source", join(import.meta.dirname, "main.ts"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });

describe("the program", () => {
  it("prints its state in one line when ready, obeys its control socket, and ends on a signal", async () => {
    const folder = await mkdtemp(join(tmpdir(), "lab-services-main-"));
    const control = join(folder, "control.sock");
    const program = start("--web", "127.0.0.1:0", "--omni-name", "omni.lab.test=127.0.0.1", "--control", control);
    try {
      const [line] = (await once(createInterface(program.stdout), "line")) as [string];
      const state = JSON.parse(line) as ServicesState;
      expect(state).toMatchObject({ label: "lab", pid: program.pid, listeners: [{ name: "web", host: "127.0.0.1" }] });
      const after = await requestMode(control, { client: "*", service: "api", mode: "stall" });
      expect(after.modes).toEqual([{ client: "*", service: "api", mode: "stall" }]);
      program.kill("SIGTERM");
      expect(await once(program, "exit")).toEqual([0, null]);
    } finally {
      program.kill("SIGKILL");
      await rm(folder, { recursive: true });
    }
  });

  it("ends with 2 and the reason when it cannot read its flags", async () => {
    const program = start("--web", "here");
    const [[text], [status]] = await Promise.all([
      once(program.stderr.setEncoding("utf8"), "data"),
      once(program, "exit"),
    ]);
    expect([status, text]).toEqual([
      2,
      'lab-services: --web: "here" is no endpoint; expected IP:PORT, such as 127.0.0.1:443\n',
    ]);
  });
});
