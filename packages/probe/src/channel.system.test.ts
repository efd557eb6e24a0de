import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { createServer as createHttp2Server, createSecureServer } from "node:http2";
import { connect, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { ProbeOptions, Trust } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { probe } from "./probe.ts";
import { dnsServer } from "./testing/dns-server.ts";
import { targetOf, worldOf } from "./testing/loopback.ts";
import { closedPort, fixture, listening, type Peer, silentTcpPort, tcpPeer } from "./testing/peers.ts";
import { PunctualClock } from "./testing/punctual-clock.ts";
import type { ProbeWorldOptions } from "./world.ts";

const pem = fixture("good.pem");
const trust = { kind: "private", caPem: fixture("root.pem") } as const;
const tls = { probe: "tls", trust, alpn: [], alpnRequired: false } as const;
const http = (version: "1.1" | "2", secure = false) =>
  ({
    probe: "http",
    expect: { method: "GET", path: "/", version, statuses: [200] },
    ...(secure ? { trust } : {}),
  }) as const;
const ok: RequestListener = (_, response) => response.end("ok");

/** A proxy that opens the requested port on loopback, and records each request. */
async function proxyPeer(prefix = ""): Promise<Peer & { readonly heads: string[] }> {
  const heads: string[] = [];
  const peer = await tcpPeer((client) =>
    client.once("data", (bytes) => {
      const head = bytes.toString("latin1");
      heads.push(head);
      const port = Number(/^CONNECT \S+:(\d+) HTTP\/1\.1\r\n/.exec(head)?.[1]);
      const upstream = connect(port, "127.0.0.1", () => {
        client.write(`${prefix}HTTP/1.1 200 Connection established\r\nVia: 1.1 test\r\n\r\n`);
        // The target's first bytes may arrive together with the proxy's answer.
        client.cork();
        setImmediate(() => client.uncork());
        client.pipe(upstream).pipe(client);
      });
      upstream.on("error", () => client.destroy());
    }),
  );
  return { ...peer, heads };
}

/** One attempt at localhost:`port` through a proxy at 127.0.0.1:`proxyPort`. */
function via(
  proxyPort: number,
  options: ProbeOptions,
  port: number,
  changes: Partial<ProbeWorldOptions> = {},
  proxyHost = "127.0.0.1",
  timeoutMs = 10_000,
) {
  const proxy = { host: proxyHost, port: proxyPort };
  return probe(targetOf(options, { port, host: "localhost", proxy, timeoutMs }), worldOf(changes));
}

describe("an attempt through a proxy", () => {
  it("requests the tunnel once, with credentials, and reports no measurement of the proxy as one of the endpoint (S1)", async () => {
    await using proxy = await proxyPeer();
    await using server = await listening(createSecureServer({ cert: pem, key: pem }, (_, response) => response.end()));
    const requested: string[] = [];
    const sample = await via(proxy.port, tls, server.port, {
      proxyCredentials: (name) => {
        requested.push(name);
        return { username: "user", password: "pass" };
      },
    });
    expect(sample.outcome).toEqual({ reason: "answered", phase: "tls" });
    expect(requested).toEqual([`127.0.0.1:${proxy.port}`]);
    expect(proxy.heads).toEqual([
      `CONNECT localhost:${server.port} HTTP/1.1\r\nHost: localhost:${server.port}\r\n` +
        "User-Agent: lifeline-probe/0.1\r\nProxy-Authorization: Basic dXNlcjpwYXNz\r\n\r\n",
    ]);
    expect(sample.rtt).toBeUndefined();
    expect(sample.phases.connectNs).toBeGreaterThan(0);
    expect(sample.phases.tlsNs).toBeGreaterThan(0);
    expect(sample.evidence).toMatchObject({
      proxy: `127.0.0.1:${proxy.port}`,
      proxyStatus: 200,
      address: "127.0.0.1",
      localAddress: "127.0.0.1",
    });
    expect(sample.evidence.answers).toBeUndefined();
    expect(JSON.stringify(sample)).not.toContain("dXNlcjpwYXNz");
  });

  it("sends no credentials where there are none", async () => {
    await using proxy = await proxyPeer();
    await using server = await listening(createServer(ok));
    expect((await via(proxy.port, http("1.1"), server.port)).outcome.reason).toBe("answered");
    expect(proxy.heads[0]).not.toMatch(/authorization/i);
  });

  it.each(["", "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"])(
    "carries HTTP/1.1, HTTP/2 and gRPC, in cleartext and over TLS, after %j",
    async (prefix) => {
      await using proxy = await proxyPeer(prefix);
      await using clear1 = await listening(createServer(ok));
      await using clear2 = await listening(createHttp2Server((_, response) => response.end("ok")));
      await using secure = await listening(
        createSecureServer({ cert: pem, key: pem }, (_, response) => response.end()),
      );
      const grpcServer = createHttp2Server();
      grpcServer.on("stream", (stream) => stream.respond({ ":status": 200, "grpc-status": "12" }, { endStream: true }));
      await using grpc = await listening(grpcServer);
      const samples = await Promise.all([
        via(proxy.port, http("1.1"), clear1.port),
        via(proxy.port, http("2"), clear2.port),
        via(proxy.port, http("2", true), secure.port),
        via(proxy.port, { probe: "grpc", expect: { method: "/s.S/M", status: 12, message: "*" } }, grpc.port),
      ]);
      expect(samples.map(({ outcome }) => outcome.reason)).toEqual(Array(4).fill("answered"));
      expect(samples.map(({ rtt }) => rtt)).toEqual(Array(4).fill(undefined));
    },
  );

  it("keeps the target's bytes that arrive together with the proxy's answer", async () => {
    const settings = Buffer.from("000000040000000000", "hex");
    await using proxy = await tcpPeer((client) =>
      client.once("data", () => client.write(Buffer.concat([Buffer.from("HTTP/1.1 200 OK\r\n\r\n"), settings]))),
    );
    // The stream is never answered. Without the connection preface the reason would be http-protocol.
    const unanswered = await via(proxy.port, http("2"), 9, {}, "127.0.0.1", 1_500);
    expect(unanswered.outcome).toEqual({ reason: "handshake-timeout", phase: "first-byte" });
    await using banner = await tcpPeer((client) =>
      client.once("data", () => client.write("HTTP/1.1 200 OK\r\n\r\nSSH-2.0-OpenSSH\r\n")),
    );
    expect((await via(banner.port, http("2"), 9)).outcome.reason).toBe("http-protocol");
    expect((await via(banner.port, http("1.1"), 9)).outcome.reason).toBe("http-protocol");
    expect((await via(banner.port, tls, 9)).outcome).toEqual({ reason: "tls-plaintext", phase: "tls" });
  });

  it.each([
    ["wants credentials", "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "proxy-auth", 407],
    ["forbids", "HTTP/1.1 403 Forbidden\r\ncontent-length: 5\r\n\r\nnever", "proxy-refused", 403],
    ["cannot reach the target", "HTTP/1.0 502 Bad Gateway\r\n\r\n", "proxy-refused", 502],
    ["gives no reason phrase", "HTTP/1.1 503\r\n\r\n", "proxy-refused", 503],
    ["opens by a status that Go does not take", "HTTP/1.1 204 No Content\r\n\r\n", "proxy-refused", 204],
    ["redirects", "HTTP/1.1 302 Found\r\nlocation: http://portal.test/\r\n\r\n", "proxy-refused", 302],
  ])("judges a proxy that %s", async (_, answer, reason, proxyStatus) => {
    await using proxy = await tcpPeer((client) => client.once("data", () => client.end(answer)));
    const sample = await via(proxy.port, tls, 9);
    expect(sample.outcome).toEqual({ reason, phase: "proxy" });
    expect(sample.evidence).toMatchObject({ proxyStatus, proxy: `127.0.0.1:${proxy.port}` });
    expect(sample.rtt).toBeUndefined();
  });

  it.each([
    ["resets", (client) => client.once("data", () => client.resetAndDestroy()), "ECONNRESET"],
    ["closes", (client) => client.once("data", () => client.end()), "ECONNRESET"],
    ["closes within its answer", (client) => client.once("data", () => client.end("HTTP/1.1 2")), "ECONNRESET"],
    ["speaks no HTTP", (client) => client.write("SSH-2.0-OpenSSH\r\n"), "PROXY_HEAD_MALFORMED"],
    ["answers TLS", (client) => client.write(Buffer.of(21, 3, 1, 0, 2, 2, 10)), "PROXY_SPEAKS_TLS"],
    ["answers a bare line", (client) => client.once("data", () => client.write("OK\r\n\r\n")), "PROXY_HEAD_MALFORMED"],
    ["has a head without end", (client) => endless(client), "PROXY_HEAD_OVERFLOW"],
    ["has interim heads without end", (client) => interims(client), "PROXY_HEAD_OVERFLOW"],
    ["accepts, and says nothing", () => {}, "ETIMEDOUT"],
    ["stops half-way", (client) => client.once("data", () => client.write("HTTP/1.1 200 OK\r\n")), "ETIMEDOUT"],
  ] satisfies [string, (client: Socket) => void, string][])("judges a proxy that %s", async (_, serve, code) => {
    await using proxy = await tcpPeer(serve);
    const sample = await via(proxy.port, tls, 9, {}, "127.0.0.1", 1_500);
    expect(sample.outcome).toEqual({ reason: "proxy-unreachable", phase: "proxy" });
    expect(sample.evidence.code).toBe(code);
    expect(sample.evidence.proxyStatus).toBeUndefined();
    // The proxy was reached, and the sample shows it.
    expect(sample.phases.connectNs).toBeGreaterThan(0);
  });

  it("judges a proxy that refuses, that is silent, and whose name does not resolve", async () => {
    const refused = await via(await closedPort(), tls, 9);
    expect(refused.outcome).toEqual({ reason: "proxy-unreachable", phase: "proxy" });
    expect(refused.evidence.code).toBe("ECONNREFUSED");
    expect(refused.rtt).toBeUndefined();
    await using silent = await silentTcpPort();
    const lost = await via(silent.port, tls, 9);
    expect(lost.outcome).toEqual({ reason: "proxy-unreachable", phase: "proxy" });
    expect(lost.evidence.code).toBe("ETIMEDOUT");
    await using names = await dnsServer();
    const resolvers = [`127.0.0.1:${names.port}`];
    const unnamed = await via(9, tls, 9, { resolvers }, "nxdomain.test");
    expect(unnamed.outcome).toEqual({ reason: "proxy-unreachable", phase: "proxy" });
    expect(unnamed.evidence).toMatchObject({ code: "ENOTFOUND", proxy: "nxdomain.test:9" });
  });

  it("resolves the proxy's name here, and leaves the target's name to the proxy", async () => {
    await using names = await dnsServer();
    await using proxy = await proxyPeer();
    await using server = await listening(createServer(ok));
    const resolvers = [`127.0.0.1:${names.port}`];
    const sample = await via(proxy.port, http("1.1"), server.port, { resolvers }, "good.test");
    expect(sample.outcome.reason).toBe("answered");
    expect(names.queryCount("localhost")).toBe(0);
    expect(names.queryCount("good.test")).toBe(1);
  });

  it("does not blame a proxy that has no address of this family", async () => {
    expect((await via(9, tls, 9, {}, "::1")).outcome).toEqual({ reason: "dns-nodata", phase: "dns" });
  });

  it("sends credentials that cannot add a header", async () => {
    await using proxy = await proxyPeer();
    await using server = await listening(createServer(ok));
    const proxyCredentials = () => ({ username: "x\r\nEvil: 1", password: "" });
    await via(proxy.port, http("1.1"), server.port, { proxyCredentials });
    expect(proxy.heads[0]).toMatch(/Proxy-Authorization: Basic [\w=]+\r\n\r\n$/);
  });

  it.each([
    [["NTLM"], "proxy-auth-scheme", "NTLM"],
    [["Negotiate", "NTLM"], "proxy-auth-scheme", "Negotiate, NTLM"],
    [['Digest realm="a, Basic b", nonce="c"'], "proxy-auth-scheme", "Digest"],
    [["Negotiate, NTLM TlRMTVNTUAAC="], "proxy-auth-scheme", "Negotiate, NTLM"],
    [["Negotiate", 'BASIC realm="p"'], "proxy-auth", undefined],
    [['NTLM, Basic realm="p, q"'], "proxy-auth", undefined],
    [["\u001b[31m"], "proxy-auth", undefined],
  ])("says which authentication a proxy wants: %j", async (headers, reason, code) => {
    const challenges = headers.map((header) => `Proxy-Authenticate: ${header}\r\n`).join("");
    await using proxy = await tcpPeer((client) =>
      client.once("data", () => client.end(`HTTP/1.1 407 Auth\r\n${challenges}Content-Length: 0\r\n\r\n`)),
    );
    const sample = await via(proxy.port, tls, 9, { proxyCredentials: () => ({ username: "a", password: "b" }) });
    expect(sample.outcome).toEqual({ reason, phase: "proxy" });
    expect(sample.evidence.code).toBe(code);
  });

  it("judges the target's certificate behind the tunnel", async () => {
    await using proxy = await proxyPeer();
    const expired = fixture("expired.pem");
    await using server = await listening(createSecureServer({ cert: expired, key: expired }, (_, r) => r.end()));
    expect((await via(proxy.port, tls, server.port)).outcome).toEqual({ reason: "tls-expired", phase: "tls" });
  });

  it("is stalled when this process stalled (M3)", async () => {
    const clock = new PunctualClock();
    await using proxy = await tcpPeer((client) => client.once("data", () => clock.stall(20_000)));
    const sample = await via(proxy.port, tls, 9, { clock });
    expect(sample.outcome).toEqual({ reason: "stalled", phase: "proxy" });
  });
});

describe("an attempt through a proxy over TLS", () => {
  const certificate = (name: string) => ({ cert: fixture(name), key: fixture(name) });

  /** A proxy over TLS that opens the requested port on loopback. */
  function tlsProxy(name = "good.pem"): Promise<Peer> {
    return listening(
      createTlsServer({ ...certificate(name), ALPNProtocols: ["h2", "http/1.1"] }, (client) => {
        client.on("error", () => {});
        client.once("data", (bytes) => {
          const port = Number(/^CONNECT \S+:(\d+) HTTP/.exec(bytes.toString("latin1"))?.[1]);
          const upstream = connect(port, "127.0.0.1", () => {
            client.write("HTTP/1.1 200 OK\r\n\r\n");
            client.pipe(upstream).pipe(client);
          });
          upstream.on("error", () => client.destroy());
        });
      }),
    );
  }

  function through(port: number, options: ProbeOptions, targetPort: number, ca: Trust | undefined) {
    const proxy = { scheme: "https", host: "127.0.0.1", port, ...(ca === undefined ? {} : { trust: ca }) } as const;
    return probe(targetOf(options, { port: targetPort, host: "localhost", proxy }), worldOf({ publicRoots: [] }));
  }

  it("carries HTTP, HTTP/2 and gRPC, over TLS to the target as well", async () => {
    await using proxy = await tlsProxy();
    await using clear = await listening(createServer(ok));
    await using secure = await listening(createSecureServer(certificate("good.pem"), (_, response) => response.end()));
    const samples = await Promise.all([
      through(proxy.port, http("1.1"), clear.port, trust),
      through(proxy.port, http("2", true), secure.port, trust),
      through(proxy.port, tls, secure.port, trust),
    ]);
    expect(samples.map(({ outcome }) => outcome.reason)).toEqual(["answered", "answered", "answered"]);
    expect(samples[0]?.evidence.proxy).toBe(`https://127.0.0.1:${proxy.port}`);
    expect(samples.map(({ rtt }) => rtt)).toEqual([undefined, undefined, undefined]);
  });

  it.each([
    ["another authority", "good.pem", undefined],
    ["an end that is over", "expired.pem", trust],
  ])("does not accept a proxy's certificate of %s, and shows it", async (_, name, ca) => {
    await using proxy = await tlsProxy(name);
    const sample = await through(proxy.port, tls, 9, ca);
    expect(sample.outcome).toEqual({ reason: "proxy-untrusted", phase: "proxy" });
    expect(sample.evidence.chain?.[0]?.subject).toContain("peer.test");
    expect(sample.phases.tlsNs).toBeUndefined();
  });

  it("judges a proxy that speaks no TLS, and one that ends it", async () => {
    await using plain = await tcpPeer((client) => client.once("data", () => client.end("HTTP/1.1 400 Bad\r\n\r\n")));
    const spoken = await through(plain.port, tls, 9, trust);
    expect(spoken.outcome).toEqual({ reason: "proxy-unreachable", phase: "proxy" });
    await using reset = await tcpPeer((client) => client.once("data", () => client.resetAndDestroy()));
    expect((await through(reset.port, tls, 9, trust)).outcome.reason).toBe("proxy-unreachable");
  });

  it.each(["https", "socks5", "socks5h"] as const)(
    "asks a proxy of the kind %s in cleartext where it must",
    async (scheme) => {
      const proxy = { scheme, host: "127.0.0.1", cleartextConnect: true } as const;
      const at = (port: number) =>
        probe(targetOf(http("1.1"), { port: clear.port, host: "localhost", proxy: { ...proxy, port } }), worldOf());
      await using clear = await listening(createServer(ok));
      await using plain = await proxyPeer();
      const sample = await at(plain.port);
      expect(sample.outcome.reason).toBe("answered");
      expect(sample.evidence.proxy).toBe(`${scheme}://127.0.0.1:${plain.port}`);
      await using secured = await tlsProxy();
      expect((await at(secured.port)).outcome).toEqual({ reason: "proxy-unreachable", phase: "proxy" });
    },
  );

  it("leaves no connection to the proxy open (S2)", async () => {
    const closed: Promise<unknown>[] = [];
    await using proxy = await tcpPeer((client) => {
      closed.push(once(client, "close"));
      const upstream = connect(inner.port, "127.0.0.1");
      upstream.on("error", () => client.destroy());
      client.pipe(upstream).pipe(client);
    });
    await using inner = await tlsProxy();
    await using secure = await listening(createSecureServer(certificate("good.pem"), (_, response) => response.end()));
    expect((await through(proxy.port, tls, secure.port, trust)).outcome.reason).toBe("answered");
    expect(closed).toHaveLength(1);
    await Promise.all(closed);
  });
});

function endless(client: Socket): void {
  client.write("HTTP/1.1 200 OK\r\n");
  client.write(`x-filler: ${"x".repeat(20_000)}`);
}

function interims(client: Socket): void {
  client.write("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(600));
}
