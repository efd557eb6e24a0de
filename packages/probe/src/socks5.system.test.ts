import { createServer, type RequestListener } from "node:http";
import { createSecureServer } from "node:http2";
import { connect, type Socket } from "node:net";
import type { ProbeOptions, ProxyScheme } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { probe } from "./probe.ts";
import { targetOf, worldOf } from "./testing/loopback.ts";
import { closedPort, fixture, listening, type Peer, tcpPeer } from "./testing/peers.ts";
import type { ProbeWorldOptions } from "./world.ts";

const pem = fixture("good.pem");
const trust = { kind: "private", caPem: fixture("root.pem") } as const;
const tls = { probe: "tls", trust, alpn: [], alpnRequired: false } as const;
const http = { probe: "http", expect: { method: "GET", path: "/", version: "1.1", statuses: [200] } } as const;
const ok: RequestListener = (_, response) => response.end("ok");

interface SocksPeer extends Peer {
  /** What each client sent before the tunnel, in hexadecimal. */
  readonly sent: string[];
}

/** A SOCKS5 proxy that picks `method`, opens the requested port on loopback, and splits its answers. */
async function socksPeer(method = 0, login = 0): Promise<SocksPeer> {
  const sent: string[] = [];
  const serve = (client: Socket, picked: boolean, isLoggedIn: boolean): void => {
    client.once("data", (bytes) => {
      sent.push(bytes.toString("hex"));
      if (!picked) {
        client.write(Uint8Array.of(5));
        setImmediate(() => client.write(Uint8Array.of(method)));
        return serve(client, true, method === 0);
      }
      if (!isLoggedIn) {
        client.write(Uint8Array.of(1, login));
        return serve(client, true, true);
      }
      const upstream = connect(bytes.readUInt16BE(bytes.byteLength - 2), "127.0.0.1", () => {
        client.write(Uint8Array.of(5, 0, 0, 1, 127, 0, 0, 1, 0, 9));
        client.pipe(upstream).pipe(client);
      });
      upstream.on("error", () => client.destroy());
    });
  };
  const peer = await tcpPeer((client) => serve(client, false, false));
  return { ...peer, sent };
}

function through(
  port: number,
  options: ProbeOptions,
  targetPort: number,
  {
    host = "localhost",
    scheme = "socks5" as ProxyScheme,
    timeoutMs = 10_000,
    ...changes
  }: {
    readonly host?: string;
    readonly scheme?: ProxyScheme;
    readonly timeoutMs?: number;
  } & Partial<ProbeWorldOptions> = {},
) {
  const proxy = { scheme, host: "127.0.0.1", port };
  return probe(targetOf(options, { port: targetPort, host, proxy, timeoutMs }), worldOf(changes));
}

describe("an attempt through a SOCKS5 proxy", () => {
  it.each(["socks5", "socks5h"] as const)("leaves the target's name to the proxy: %s", async (scheme) => {
    await using proxy = await socksPeer();
    await using server = await listening(createServer(ok));
    const sample = await through(proxy.port, http, server.port, { scheme });
    expect(sample.outcome.reason).toBe("answered");
    expect(sample.rtt).toBeUndefined();
    expect(sample.evidence.proxy).toBe(`${scheme}://127.0.0.1:${proxy.port}`);
    const port = server.port.toString(16).padStart(4, "0");
    expect(proxy.sent.slice(0, 2)).toEqual(["050100", `0501000309${Buffer.from("localhost").toString("hex")}${port}`]);
  });

  it.each([
    ["127.0.0.1", "017f000001"],
    ["::1", "0400000000000000000000000000000001"],
  ])("gives an address as an address: %s", async (host, bytes) => {
    await using proxy = await socksPeer();
    await using server = await listening(createServer(ok));
    await through(proxy.port, http, server.port, { host });
    expect(proxy.sent[1]).toBe(`050100${bytes}${server.port.toString(16).padStart(4, "0")}`);
  });

  it("carries TLS", async () => {
    await using proxy = await socksPeer();
    await using server = await listening(createSecureServer({ cert: pem, key: pem }, (_, response) => response.end()));
    expect((await through(proxy.port, tls, server.port)).outcome).toEqual({ reason: "answered", phase: "tls" });
  });

  it("logs in where the proxy wants it, and shows the credentials nowhere (S1)", async () => {
    await using proxy = await socksPeer(2);
    await using server = await listening(createServer(ok));
    const proxyCredentials = () => ({ username: "us", password: "secret" });
    const sample = await through(proxy.port, http, server.port, { proxyCredentials });
    expect(sample.outcome.reason).toBe("answered");
    expect(proxy.sent.slice(0, 2)).toEqual(["05020002", `01027573${"06"}${Buffer.from("secret").toString("hex")}`]);
    expect(JSON.stringify(sample)).not.toContain("secret");
  });

  it("says that credentials are missing, or wrong", async () => {
    await using wanting = await socksPeer(0xff);
    expect((await through(wanting.port, http, 9)).outcome).toEqual({ reason: "proxy-auth", phase: "proxy" });
    await using refusing = await socksPeer(2, 1);
    const proxyCredentials = () => ({ username: "us", password: "er" });
    expect((await through(refusing.port, http, 9, { proxyCredentials })).outcome.reason).toBe("proxy-auth");
  });

  it.each([
    [2, "SOCKS_NOT_ALLOWED"],
    [5, "SOCKS_CONNECTION_REFUSED"],
    [99, "SOCKS_99"],
  ])("says why the proxy does not connect: %i", async (reply, code) => {
    await using proxy = await tcpPeer((client) =>
      client.once("data", () => {
        client.write(Uint8Array.of(5, 0));
        client.once("data", () => client.write(Uint8Array.of(5, reply, 0, 1, 0, 0, 0, 0, 0, 0)));
      }),
    );
    const sample = await through(proxy.port, http, 9);
    expect(sample).toMatchObject({ outcome: { reason: "proxy-refused", phase: "proxy" }, evidence: { code } });
  });

  it.each<[string, (client: Socket) => void, string]>([
    [
      "speaks HTTP",
      (client) => client.once("data", () => client.write("HTTP/1.1 400 Bad Request\r\n\r\n")),
      "SOCKS_MALFORMED",
    ],
    ["is SOCKS4", (client) => client.once("data", () => client.write(Uint8Array.of(0, 91))), "SOCKS_MALFORMED"],
    [
      "picks what was not offered",
      (client) => client.once("data", () => client.write(Uint8Array.of(5, 1))),
      "SOCKS_MALFORMED",
    ],
    ["closes", (client) => client.once("data", () => client.end()), "ECONNRESET"],
    ["resets", (client) => client.once("data", () => client.resetAndDestroy()), "ECONNRESET"],
  ])("judges a proxy that %s", async (_, serve, code) => {
    await using proxy = await tcpPeer(serve);
    const sample = await through(proxy.port, http, 9);
    expect(sample).toMatchObject({ outcome: { reason: "proxy-unreachable", phase: "proxy" }, evidence: { code } });
  });

  it("judges a proxy that says nothing, and one that is not there", async () => {
    await using silent = await tcpPeer((client) => client.resume());
    const unanswered = await through(silent.port, http, 9, { timeoutMs: 1_500 });
    expect(unanswered).toMatchObject({ outcome: { reason: "proxy-unreachable" }, evidence: { code: "ETIMEDOUT" } });
    const refused = await through(await closedPort(), http, 9);
    expect(refused).toMatchObject({ outcome: { reason: "proxy-unreachable" }, evidence: { code: "ECONNREFUSED" } });
  });
});
