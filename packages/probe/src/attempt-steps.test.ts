import type { RequestListener } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { connect } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { manualClock, type ProbeOptions, type Target } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { type AttemptStep, noteChain, pathOnly, stepRecorder } from "./attempt-steps.ts";
import { probe } from "./probe.ts";
import { NO_WATCH } from "./silence-watch.ts";
import { dnsServer } from "./testing/dns-server.ts";
import { targetOf, temporaryFile, worldOf } from "./testing/loopback.ts";
import { closedPort, fixture, listening, silentTcpPort, tcpPeer, udpPeer } from "./testing/peers.ts";
import type { ProbeWorldOptions } from "./world.ts";

const pem = fixture("good.pem");
const trust = { kind: "public" } as const;
const tcp = { probe: "tcp", acceptReset: false } as const;
const tls = { probe: "tls", trust, alpn: ["h2"], alpnRequired: false } as const;
const http = {
  probe: "http",
  trust,
  expect: { method: "GET", path: "/page?sig=SECRET-QUERY", version: "1.1", statuses: [200] },
} as const;

/** The steps of one attempt at peer.test, a line each. */
async function stepsOf(
  options: ProbeOptions,
  changes: Partial<Target> & { port: number },
  world: Partial<ProbeWorldOptions> = {},
): Promise<readonly string[]> {
  using hosts = temporaryFile("hosts", "127.0.0.1 peer.test\n");
  const steps: AttemptStep[] = [];
  const target = targetOf(options, { host: "peer.test", ...changes });
  await probe(target, worldOf({ hostsFile: hosts.path, ...world }), NO_WATCH, (step) => steps.push(step));
  const times = steps.map(({ atNs }) => atNs);
  expect(times, "steps come in the order of time").toEqual([...times].sort((a, b) => a - b));
  return steps.map(({ kind, text }) => `${kind} ${text}`);
}

async function httpsPeer(serve: RequestListener) {
  return listening(createHttpsServer({ cert: pem, key: pem }, serve));
}

const redirecting: RequestListener = (_, response) => {
  response.writeHead(302, {
    location: "https://user:SECRET-PASSWORD@blob.test/layer?sig=SECRET-QUERY#SECRET-FRAGMENT",
    "set-cookie": "session=SECRET-COOKIE",
  });
  response.end();
};

describe("the steps of an attempt", () => {
  it("are name, connection, chain with dates, request, status and redirect, without a secret (S1)", async () => {
    await using peer = await httpsPeer(redirecting);
    const steps = await stepsOf(http, { port: peer.port });
    expect(steps).toEqual([
      "dns peer.test, without a query: 127.0.0.1",
      `tcp SYN to 127.0.0.1:${peer.port}, threshold 950 ms`,
      expect.stringMatching(
        /^tcp connected from 127\.0\.0\.1; TCP_INFO: round trip \d+\.\d\d ms, segments sent again: 0$/,
      ),
      "tls handshake for peer.test, ALPN http/1.1",
      expect.stringMatching(/^tls TLSv1\.3, ALPN (none|http\/1\.1)$/),
      expect.stringMatching(
        /^tls certificate CN=peer\.test, issuer CN=Lifeline test root, valid from 20\S+Z to 2120-01-01T00:00:00\.000Z$/,
      ),
      expect.stringMatching(/^tls certificate CN=Lifeline test root, .*, a CA that this host trusts$/),
      `http HTTP/1.1 GET https://peer.test:${peer.port}/page`,
      "http status 302, redirects to https://blob.test",
    ]);
    expect(steps.join("\n")).not.toContain("SECRET");
  });

  it("name the alert of a server that shares no application protocol", async () => {
    const server = createTlsServer({ cert: pem, key: pem, minVersion: "TLSv1.3", ALPNProtocols: ["http/1.1"] });
    server.on("tlsClientError", () => {});
    await using peer = await listening(server);
    const steps = await stepsOf(tls, { port: peer.port });
    expect(steps.at(-1)).toMatch(/^tls alert 120 \(ERR_SSL_\w+\)$/);
  });

  it("say what is wrong with a certificate", async () => {
    const expired = fixture("expired.pem");
    await using peer = await listening(createTlsServer({ cert: expired, key: expired }));
    const steps = await stepsOf(tls, { port: peer.port });
    expect(steps.at(-1)).toBe("tls certificate refused: CERT_HAS_EXPIRED");
  });

  it("say that a port refuses", async () => {
    const port = await closedPort();
    const steps = await stepsOf(tcp, { port });
    expect(steps.at(-1)).toMatch(/^tcp ECONNREFUSED after \d+\.\d\d ms: refused$/);
  });

  it("say that nothing answered", async () => {
    await using peer = await silentTcpPort();
    const steps = await stepsOf(tcp, { port: peer.port, timeoutMs: 50 });
    expect(steps.at(-1)).toBe("tcp no answer; SYNs sent again: 0: timeout");
  });

  it("name each question to a resolver and its answer", async () => {
    await using resolver = await dnsServer();
    const port = await closedPort();
    const at = `127.0.0.1:${resolver.port}`;
    expect(await stepsOf(tcp, { port, host: "api.test", family: 6 }, { resolvers: [at] })).toContain(
      `dns AAAA api.test at ${at}: ::1`,
    );
    expect(await stepsOf(tcp, { port, host: "nxdomain.test" }, { resolvers: [at] })).toEqual([
      `dns A nxdomain.test at ${at}: dns-nxdomain (ENOTFOUND)`,
    ]);
  });

  it("give a proxy's address and status, and never its credentials (S1)", async () => {
    await using origin = await httpsPeer((_, response) => response.end());
    await using proxy = await tcpPeer((client) =>
      client.once("data", () => {
        const upstream = connect(origin.port, "127.0.0.1", () => {
          client.write("HTTP/1.1 200 OK\r\nSet-Cookie: SECRET-COOKIE\r\n\r\n");
          client.pipe(upstream).pipe(client);
        });
        upstream.on("error", () => client.destroy());
      }),
    );
    const credentials = { username: "SECRET-USER", password: "SECRET-PASSWORD" };
    const steps = await stepsOf(
      http,
      { port: origin.port, proxy: { host: "127.0.0.1", port: proxy.port } },
      { proxyCredentials: () => credentials },
    );
    expect(steps.filter((step) => step.startsWith("proxy"))).toEqual([
      `proxy through 127.0.0.1:${proxy.port}`,
      `proxy CONNECT peer.test:${origin.port}`,
      "proxy status 200",
    ]);
    expect(steps.at(-1)).toBe("http status 200");
    expect(steps.join("\n")).not.toMatch(/SECRET|U0VDUkVU/);
  });

  it("give a registry's requests without their queries", async () => {
    await using peer = await httpsPeer((request, response) => {
      response.writeHead(request.url === "/v2/?ns=gcr.io" ? 200 : 404, { "set-cookie": "SECRET-COOKIE" });
      response.end();
    });
    const expectation = {
      basePath: "/v2",
      object: "pause/manifests/3.10",
      namespace: "gcr.io",
      objectRequired: true,
      documentedHosts: [],
    };
    const steps = await stepsOf({ probe: "registry", trust, expect: expectation }, { port: peer.port });
    const origin = `https://peer.test:${peer.port}`;
    expect(steps.filter((step) => step.startsWith("http"))).toEqual([
      `http GET ${origin}/v2/`,
      "http status 200",
      `http HEAD ${origin}/v2/pause/manifests/3.10`,
      "http status 404",
    ]);
  });

  it("give datagrams and what came back", async () => {
    await using echo = await udpPeer((bytes, from, socket) => socket.send(bytes, from.port, from.address));
    const steps = await stepsOf({ probe: "udp", payloadBytes: 16, expectRefusal: false }, { port: echo.port });
    expect(steps.slice(1)).toEqual([
      `udp 16 bytes to 127.0.0.1:${echo.port} from 127.0.0.1`,
      expect.stringMatching(/^udp 16 bytes came back after \d+\.\d\d ms, by the (kernel|monotonic) clock$/),
    ]);
  });

  it("show hidden characters of a peer's text, and cut it", () => {
    const steps: AttemptStep[] = [];
    const note = stepRecorder(manualClock(0), (step) => steps.push(step));
    const dates = { notBefore: "2026-01-01T00:00:00.000Z", notAfter: "2027-01-01T00:00:00.000Z" };
    noteChain(note, [{ subject: "CN=a\u001b[2J\u202e", issuer: "CN=b", sha256: "", anchor: false, ...dates }]);
    note("http", "x".repeat(5_000));
    expect(steps[0]?.text).toContain("CN=a\\u{1B}[2J\\u{202E}, issuer CN=b");
    expect(steps[1]?.text).toHaveLength(641);
  });

  it.each([
    ["/v2/?ns=gcr.io", "/v2/"],
    ["/a#b?c", "/a"],
    ["/a?b\n#c", "/a"],
    ["/plain", "/plain"],
  ])("cut the path %j to %j", (path, shown) => {
    expect(pathOnly(path)).toBe(shown);
  });
});
