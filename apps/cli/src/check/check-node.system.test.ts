/** `lifeline check` measures from the node as it is: its resolvers, proxies and clock, and what intercepts its TLS. */
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, connect, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { systemClock } from "@lifeline/measure";
import { afterAll, describe, expect, it } from "vitest";
import { listenerOf, testFleetCa } from "../testing/fleet-ca.ts";
import { runHere } from "../testing/run-cli.ts";
import type { TestWorldOptions } from "../testing/world.ts";

const directory = mkdtempSync(join(tmpdir(), "lifeline-check-node-"));
afterAll(() => rmSync(directory, { recursive: true }));

const open: (Server | Socket)[] = [];
afterAll(() => {
  for (const server of open) server.close();
});

async function listening(server: Server): Promise<number> {
  open.push(server.listen(0, "127.0.0.1"));
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

/** An HTTPS endpoint that completes handshakes and says no more. */
function tlsEndpoint({ certPem, keyPem }: { readonly certPem: string; readonly keyPem: string }): Promise<number> {
  const options = { cert: certPem, key: keyPem, ALPNProtocols: ["h2", "http/1.1"] };
  return listening(createTlsServer(options, (socket) => socket.on("error", () => {}).resume()));
}

/** Seconds from 1900 to 1970 (RFC 5905 §6, figure 4). */
const NTP_UNIX_OFFSET_S = 2_208_988_800;

/** A time server whose clock is `behindMs` behind this host's. */
async function timeServer(behindMs: number): Promise<number> {
  const socket = createSocket("udp4");
  open.push(socket);
  socket.on("message", (request, from) => {
    const answer = Buffer.alloc(48);
    request.copy(answer, 24, 40, 48);
    answer.writeUInt8(0x24, 0);
    answer.writeUInt8(2, 1);
    const nowS = Math.round((systemClock.wallMs() - behindMs) / 1_000) + NTP_UNIX_OFFSET_S;
    for (const at of [32, 40]) answer.writeUInt32BE(nowS, at);
    socket.send(answer, from.port, from.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket.address().port;
}

interface Row {
  readonly requirement: string;
  readonly probe: string;
  readonly target: string | null;
  readonly proxy: string | null;
  readonly verdict: string;
  readonly cause: string;
  readonly evidence: string;
  readonly nextStep: string;
}

/**
 * Runs the check until no targeted row is unknown: where this process stalls, nothing is measured (M3), and the check
 * is run again.
 */
async function check(deployment: string, only: string, options: TestWorldOptions = {}) {
  const argv = ["check", "--deployment", deployment, "--only", only, "--seconds", "4", "--json"];
  for (;;) {
    const { out, err } = await runHere(argv, options);
    const rows: readonly Row[] = JSON.parse(out).rows;
    const isOpen = ({ requirement, verdict }: Row) =>
      verdict === "unknown" || (requirement === "node-clock" && verdict === "not-applicable");
    const isMeasured = !rows.filter(isJudged).some(isOpen);
    if (isMeasured) return { rows, err, out };
  }
}

/** The rows that the tests are about: TLS, the clock and the resolvers. */
function isJudged({ requirement, probe, target, proxy }: Row): boolean {
  if (requirement === "node-clock") return true;
  // The direct way to a name that only the proxy resolves is never measured.
  const isDirect = proxy === null && target?.startsWith("omni.test") === true;
  return requirement === "api-endpoint" && probe === "tls" && !isDirect;
}

describe.concurrent("lifeline check on this node", () => {
  it("measures the resolvers of its resolv.conf, not Talos's defaults", async () => {
    const resolvConf = file("resolv.conf", "nameserver 127.0.0.9\n");
    const deployment = file(
      "resolver.yaml",
      "version: 1\nname: x\nkind: on-prem\nomni: { api: 'https://127.0.0.1:1' }\n",
    );
    const { rows } = await check(deployment, "node-dns-*", { node: { resolvers: undefined, paths: { resolvConf } } });
    expect(rows.map(({ target }) => target)).toEqual(["127.0.0.9:53", "127.0.0.9:53"]);
  });

  it("goes through the proxy of its environment, with the credentials, and shows them nowhere (S1)", async () => {
    const fleetCa = await testFleetCa();
    const endpointPort = await tlsEndpoint(await listenerOf(fleetCa, { names: ["omni.test"] }));
    const asked = new Set<string>();
    const proxy = createHttpServer().on("connect", (request, socket) => {
      asked.add(`${request.url} ${request.headers["proxy-authorization"]}`);
      const upstream = connect(endpointPort, "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        upstream.pipe(socket).pipe(upstream);
      });
      for (const end of [upstream, socket]) end.on("error", () => {});
    });
    const proxyPort = await listening(proxy);
    const caFile = file("omni.pem", fleetCa.certPem);
    const deployment = file(
      "proxy.yaml",
      `version: 1\nname: x\nkind: on-prem\nomni: { api: 'https://omni.test:8443', caFile: ${caFile} }\n`,
    );
    const env = { HTTPS_PROXY: `http://ada:s3cr%40t@127.0.0.1:${proxyPort}` };
    const { rows, out, err } = await check(deployment, "api-endpoint", { env });
    const through = rows.filter((row) => row.proxy === `127.0.0.1:${proxyPort}`);
    expect(through.map(({ probe, verdict }) => [probe, verdict])).toContainEqual(["tls", "met"]);
    expect([...asked]).toEqual([`omni.test:8443 Basic ${Buffer.from("ada:s3cr@t").toString("base64")}`]);
    expect(out + err).not.toMatch(/s3cr/);
  });

  it("does not measure the direct path where it cannot use the proxy, and does not print its value (S1)", async () => {
    const env = { HTTPS_PROXY: "socks4://ada:secret@127.0.0.1:1" };
    const argv = ["check", "--omni", "https://omni.example", "--only", "api-endpoint", "--seconds", "1", "--json"];
    const { err, out } = await runHere(argv, { env });
    expect(err).toBe(
      "warning: HTTPS_PROXY: a proxy of the kind socks4:// is not supported; want http, https, socks5 or socks5h://[user:pass@]host:port\n",
    );
    expect(JSON.parse(out).rows).toMatchObject([
      { verdict: "unknown", cause: "unsupported-proxy", target: null, evidence: expect.stringContaining("socks4://") },
    ]);
    expect(out + err).not.toContain("secret");
  });

  it.each([
    ["https", true],
    ["socks5", true],
    ["http", false],
  ])("says which Talos it assumes where that decides how a proxy is asked: %s", async (scheme, isSaid) => {
    const omni = ["--omni", "https://omni.test", "--machine-api", "https://omni.test:8090"];
    const argv = ["check", ...omni, "--only", "machine-api", "--seconds", "1", "--json"];
    const env = { HTTPS_PROXY: `${scheme}://127.0.0.1:1` };
    const remarksOf = async (more: readonly string[]) => {
      const { out } = await runHere([...argv, ...more], { env, isOther: true });
      return JSON.parse(out).remarks.filter((one: string) => one.startsWith("Judged for Talos"));
    };
    expect(await remarksOf([])).toHaveLength(isSaid ? 1 : 0);
    expect(await remarksOf(["--talos-version", "v1.10.0"])).toEqual([]);
  });

  it("names the product that intercepts TLS, where the certificate carries its mark", async () => {
    const port = await tlsEndpoint(await listenerOf(await testFleetCa("Untangle")));
    const caFile = file("own.pem", (await testFleetCa("own")).certPem);
    const deployment = file(
      "untangle.yaml",
      `version: 1\nname: x\nkind: on-prem\nomni: { api: 'https://127.0.0.1:${port}', caFile: ${caFile} }\n`,
    );
    const { rows } = await check(deployment, "api-endpoint");
    const tls = rows.find(({ probe }) => probe === "tls");
    expect(tls).toMatchObject({ verdict: "unmet", cause: "tls-intercepted" });
    expect(tls?.evidence).toContain("Untangle");
    expect(tls?.nextStep).toMatch(/^Network team: exempt/);
  });

  /** A deployment with an expired certificate, and a row for a time server on a port of its own. */
  async function expiredWith(name: string, timePort: number): Promise<string> {
    const fleetCa = await testFleetCa();
    const port = await tlsEndpoint(await listenerOf(fleetCa, { isExpired: true }));
    const caFile = file(`${name}.pem`, fleetCa.certPem);
    file(
      `${name}-time.yaml`,
      `schema: 1
requirements:
  - id: own-time
    purpose: "Time on a port of its own"
    source: { document: "a test", version: "1", section: "none" }
    from: talos-node
    deployments: [on-prem]
    obligation: required
    protocol: udp
    port: ${timePort}
    place: { kind: service, service: time-server }
    published: null
    effective: { value: "a time server", evidence: ["a test"] }
    probes:
      - { probe: ntp, cadenceMs: 64000 }
`,
    );
    return file(
      `${name}.yaml`,
      `version: 1
name: x
kind: on-prem
omni: { api: 'https://127.0.0.1:${port}', caFile: ${caFile} }
network: { timeServers: [127.0.0.1] }
catalogue: { extra: [${name}-time.yaml] }
`,
    );
  }

  it("blames its own clock, not the certificate, when the time server's clock is another", async () => {
    const deployment = await expiredWith("ahead", await timeServer(90 * 60_000));
    const { rows } = await check(deployment, "*");
    expect(rows.find(({ requirement }) => requirement === "node-clock")).toMatchObject({
      verdict: "unmet",
      cause: "clock",
      evidence: expect.stringMatching(/ahead of the time server's/),
    });
    const tls = rows.find(({ requirement, probe }) => requirement === "api-endpoint" && probe === "tls");
    expect(tls).toMatchObject({ verdict: "unmet", cause: "clock" });
    expect(tls?.nextStep).toBe("Node owner: correct the node's clock; see the time server rows.");
  });

  it("blames the certificate when the time server's clock agrees", async () => {
    const deployment = await expiredWith("agreed", await timeServer(0));
    const { rows } = await check(deployment, "*");
    expect(rows.find(({ requirement }) => requirement === "node-clock")).toMatchObject({ verdict: "met" });
    const tls = rows.find(({ requirement, probe }) => requirement === "api-endpoint" && probe === "tls");
    expect(tls).toMatchObject({ verdict: "unmet", cause: "tls-expired" });
  });
});
