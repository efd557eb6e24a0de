import { spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { listenerOf, testAuthority } from "./testing/authority.ts";
import { MET_ROW, startCollector, verdicts } from "./testing/collector.ts";

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
    const fleet = await testAuthority();
    const answers = {
      getAuthority: async () => ({ authorityCertificateDer: fleet.certDer }),
      listVerdicts: async () => verdicts(MET_ROW),
    };
    const collector = await startCollector(answers, await listenerOf(fleet));
    const child = start("status", "--json", "--collector", collector.address, "--authority", fleet.fingerprint);
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

  it("exits with the code of what it knew when it is told to end", async () => {
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
});
