import { spawn } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { MET_ROW, startCollector, verdicts } from "./testing/collector.ts";
import { listenerOf, testFleetCa } from "./testing/fleet-ca.ts";

const main = join(import.meta.dirname, "main.ts");
const start = (...argv: string[]) => spawn(process.execPath, ["--conditions=lifeline:source", main, ...argv]);

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = "";
  for await (const piece of stream) text += piece;
  return text;
}

describe("the process", () => {
  it("hands over what run gives: text on stdout, nothing on stderr, the exit code", async () => {
    const child = start("catalogue", "list", "--only", "machine-api", "--output", "csv");
    const [out, err, [code]] = await Promise.all([textOf(child.stdout), textOf(child.stderr), once(child, "close")]);
    expect(out).toMatch(/^id,from,obligation,.*\r\nmachine-api,talos-node,required,.*\r\n$/);
    expect([err, code]).toEqual(["", 0]);
  });

  it("says nothing of its own on stderr to a collector that is named by its address, over TLS", async () => {
    const fleet = await testFleetCa();
    const answers = {
      getFleetCa: async () => ({ caCertificateDer: fleet.certDer }),
      listVerdicts: async () => verdicts(MET_ROW),
    };
    const collector = await startCollector(answers, await listenerOf(fleet));
    const child = start("status", "--json", "--collector", collector.address, "--ca-fingerprint", fleet.fingerprint);
    const [out, err, [code]] = await Promise.all([textOf(child.stdout), textOf(child.stderr), once(child, "close")]);
    await collector.stop();
    expect([err, code]).toEqual(["", 0]);
    expect(JSON.parse(out).rows).toHaveLength(1);
  });

  it("is quiet when the reader of its output goes first (EPIPE)", async () => {
    const child = start("catalogue", "list", "--json");
    child.stdout.destroy();
    const [err, [code]] = await Promise.all([textOf(child.stderr), once(child, "close")]);
    expect([err, code]).toEqual(["", 0]);
  });

  it("exits with the code of its last result when it is interrupted", async () => {
    const server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
    await once(server, "listening");
    const target = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const flags = ["--omni", `https://${target}`, "--only", "api-endpoint", "--seconds", "300", "--json"];
    const child = start("check", ...flags);
    const out = textOf(child.stdout);
    // Nothing is printed before the end; its first attempt says that it runs.
    await once(server, "connection");
    child.kill("SIGINT");
    const [code] = await once(child, "close");
    server.close();
    expect(JSON.parse(await out).rows[0]).toMatchObject({ requirement: "api-endpoint", target });
    expect(code).toBe(1);
  });

  /** A check of an endpoint that never ends a handshake, and of a STAMP reflector that never answers. */
  async function hangingCheck(seconds: number) {
    const tcp = createServer((socket) => socket.on("error", () => {}));
    const udp = createSocket("udp4");
    tcp.listen(0, "127.0.0.1");
    udp.bind(0, "127.0.0.1");
    await Promise.all([once(tcp, "listening"), once(udp, "listening")]);
    const reflector = `127.0.0.1:${udp.address().port}`;
    const api = `https://127.0.0.1:${(tcp.address() as AddressInfo).port}`;
    const omni = `{ api: "${api}", siderolink: ["${reflector}"], stampReflectors: ["${reflector}"] }`;
    const directory = mkdtempSync(join(tmpdir(), "lifeline-check-process-"));
    const deployment = join(directory, "deployment.yaml");
    writeFileSync(deployment, `version: 1\nname: x\nkind: on-prem\nomni: ${omni}\n`);
    const only = "*-endpoint";
    const child = start("check", "--deployment", deployment, "--only", only, "--seconds", `${seconds}`, "--json");
    const closed = once(child, "close").finally(() => {
      tcp.close();
      udp.close();
      rmSync(directory, { recursive: true });
    });
    return { child, closed, out: textOf(child.stdout), begun: Promise.all([once(tcp, "connection"), stampOn(udp)]) };
  }

  it("ends with its result, though a STAMP session would stay open for a minute", async () => {
    const { out, closed } = await hangingCheck(1);
    expect(JSON.parse(await out).rows.map(({ probe }: { probe: string }) => probe)).toContain("stamp");
    const [code] = await closed;
    expect(code).toBe(1);
  });

  it("ends at SIGINT with attempts in flight and a STAMP session open, and still prints what it knows", async () => {
    const { child, out, closed, begun } = await hangingCheck(300);
    await begun;
    child.kill("SIGINT");
    const [code] = await closed;
    expect(JSON.parse(await out).rows.map(({ probe }: { probe: string }) => probe)).toContain("stamp");
    expect(code).toBe(1);
  });
});

/** Resolves at the first STAMP packet: 44 bytes or more (RFC 8762 §4.2.1). */
async function stampOn(udp: Socket): Promise<void> {
  for (;;) {
    const [bytes] = await once(udp, "message");
    if (bytes.length >= 44) return;
  }
}
