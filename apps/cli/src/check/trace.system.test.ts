import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttp2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loopbackDeployment } from "../testing/loopback-deployment.ts";
import { runHere } from "../testing/run-cli.ts";

const directory = mkdtempSync(join(tmpdir(), "lifeline-trace-"));
const server = createHttp2Server();
let calls = 0;
server.on("stream", (stream) => {
  calls += 1;
  const message = "unknown method LifelineProbe for service sidero.link.ProvisionService";
  stream.respond({ ":status": 200, "grpc-status": "12", "grpc-message": message, "set-cookie": "SECRET" });
  stream.end();
});
let machineApi = "";
beforeAll(async () => {
  await once(server.listen(0, "127.0.0.1"), "listening");
  machineApi = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  rmSync(directory, { recursive: true });
});

function argvOf(...more: readonly string[]): readonly string[] {
  const path = join(directory, "deployment.yaml");
  writeFileSync(path, loopbackDeployment(machineApi));
  return ["check", "--deployment", path, ...more];
}

describe("lifeline check --trace", () => {
  it("makes one attempt, prints each step, and exits as the row's verdict says", async () => {
    const before = calls;
    const { out, err, exitCode } = await runHere(argvOf("--trace", "machine-api grpc"));
    expect(calls - before).toBe(1);
    expect(err).toBe("");
    expect(out.split("\n").map((line) => line.replace(/^ *\+\d+\.\d ms {2}/, ""))).toEqual([
      `target   one attempt at machine-api ${machineApi} grpc IPv4, threshold 2000 ms`,
      `tcp      SYN to ${machineApi}, threshold 950 ms`,
      expect.stringMatching(/^tcp {6}connected from 127\.0\.0\.1; /),
      expect.stringMatching(/^grpc {5}POST http:\/\/127\.0\.0\.1:\d+\/sidero\.link\.ProvisionService\/\w+$/),
      "http     status 200",
      "grpc     grpc-status 12: unknown method LifelineProbe for service sidero.link.ProvisionService",
      expect.stringMatching(/^end {6}answered in phase first-byte: /),
      expect.stringMatching(
        /^end {6}time by phase: connect .* ms, request .* ms, first byte .* ms, round trip .* clock$/,
      ),
      expect.stringMatching(/^verdict {2}met: /),
      "",
    ]);
    expect(exitCode).toBe(0);
  });

  it("prints the same steps as an array with --json", async () => {
    const { out, exitCode } = await runHere(argvOf("--trace", "api-endpoint tcp", "--json"));
    const steps: readonly { atMs: number; step: string; text: string }[] = JSON.parse(out);
    expect(steps.map(({ step }) => step).slice(0, 4)).toEqual(["target", "tcp", "tcp", "end"]);
    expect(steps[2]?.text).toMatch(/^ECONNREFUSED after .* ms: refused$/);
    expect(steps[2]?.atMs).toBeGreaterThan(0);
    expect(steps.find(({ step }) => step === "verdict")?.text).toMatch(/^unmet, cause refused: /);
    expect(steps.at(-1)).toMatchObject({ step: "next", text: "More attempts: lifeline check --only api-endpoint" });
    expect(exitCode).toBe(1);
  });

  it("refuses a target that matches several, with their names, and probes nothing", async () => {
    const { out, err, exitCode } = await runHere(argvOf("--trace", "machine-api"));
    expect(err).toBe(
      `error: --trace: 'machine-api' matches 2 targets; add words of one of them:\n` +
        `  machine-api ${machineApi} tcp IPv4\n  machine-api ${machineApi} grpc IPv4\n`,
    );
    expect([out, exitCode]).toEqual(["", 2]);
  });

  it("is one attempt, so it takes no length of a run", async () => {
    const { err, exitCode } = await runHere(argvOf("--trace", "machine-api grpc", "--seconds", "3"));
    expect(err).toContain("cannot be used with option '--seconds");
    expect(exitCode).toBe(2);
  });
});
