import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { RegistryExpectation } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { probe } from "./probe.ts";
import { isAllowedRealm, readBearer } from "./registry-challenge.ts";
import { targetOf, worldOf } from "./testing/loopback.ts";
import { fixture, listening, tcpPeer } from "./testing/peers.ts";
import type { ProbeWorld } from "./world.ts";

const trust = { kind: "private", caPem: fixture("root.pem") } as const;
const OBJECT = "siderolabs/kubelet/manifests/v1";
const DIGEST = { "docker-content-digest": "sha256:00", "content-type": "application/vnd.oci.image.index.v1+json" };
const JSON_TYPE = { "content-type": "application/json" };
const HTML = { "content-type": "text/html; charset=utf-8" };
const BEARER = { "www-authenticate": 'Bearer realm="https://auth.test/token",service="registry.test"' };

/** Nothing listens there. */
const DEAD_BEARER = { "www-authenticate": 'Bearer realm="https://localhost/token",service="registry.test"' };

type Answer = readonly [status: number, headers?: Record<string, string>, body?: string];
type Serve = (request: IncomingMessage, response: ServerResponse) => void;

const expectation: RegistryExpectation = {
  basePath: "/v2",
  object: OBJECT,
  objectRequired: true,
  documentedHosts: ["*.storage.test"],
};

function ask(port: number, changes: Partial<RegistryExpectation> = {}, secure = false, timeoutMs = 10_000) {
  const expect = { ...expectation, ...changes };
  const options = { probe: "registry", expect, ...(secure ? { trust } : {}) } as const;
  return probe(targetOf(options, { port, host: "localhost", timeoutMs }), worldOf());
}

/** Answers `/v2/`, the image, and everything else with 404; `seen` takes each request. */
const registry =
  (root: Answer, object: Answer, seen: string[] = []): Serve =>
  ({ method, url = "" }, response) => {
    seen.push(`${method} ${url}`);
    const path = url.split("?", 1)[0];
    const [status, headers = {}, body = ""] = path === "/v2/" ? root : path === `/v2/${OBJECT}` ? object : [404];
    response.writeHead(status, headers).end(body);
  };

const everywhere =
  (...[status, headers = {}, body = ""]: Answer): Serve =>
  (_, response) =>
    response.writeHead(status, headers).end(body);

describe("the registry probe", () => {
  it("asks for the API, then for the image, over one connection", async () => {
    const seen: string[] = [];
    let connections = 0;
    const server = createServer(registry([200, JSON_TYPE, "{}"], [200, DIGEST], seen));
    server.on("connection", () => {
      connections += 1;
    });
    await using peer = await listening(server);
    const sample = await ask(peer.port);
    expect(sample.outcome).toEqual({ reason: "answered", phase: "first-byte" });
    expect(seen).toEqual(["GET /v2/", `HEAD /v2/${OBJECT}`]);
    expect(connections).toBe(1);
    expect(sample.rtt?.source).toBe("kernel");
    expect(sample.evidence.code).toBeUndefined();
  });

  it("takes another connection of a server that closes each", async () => {
    await using peer = await listening(
      createServer((request, response) => {
        response.setHeader("connection", "close");
        registry([200, JSON_TYPE, "{}"], [200, DIGEST])(request, response);
      }),
    );
    expect((await ask(peer.port)).outcome.reason).toBe("answered");
  });

  it.each<[string, Serve, string, Partial<RegistryExpectation>?]>([
    ["a registry without the API's root, that has the image", registry([404], [200, DIGEST]), "answered"],
    ["a registry that challenges, and gives the image to anybody", registry([401, BEARER], [200, DIGEST]), "answered"],
    [
      "a registry that redirects to its storage",
      registry([200], [307, { location: "https://eu.storage.test/b?sig=secret" }]),
      "answered",
    ],
    ["a redirect elsewhere", registry([200], [307, { location: "https://portal.test/" }]), "http-redirected"],
    ["a captive portal", everywhere(302, { location: "https://portal.test/" }), "http-redirected"],
    ["404 to everything", everywhere(404, HTML, "no"), "not-a-registry"],
    ["HTML to everything", everywhere(200, HTML, "<html>"), "not-a-registry"],
    ["text to everything", everywhere(200, { "content-type": "text/plain" }, "ok"), "not-a-registry"],
    ["JSON to everything", everywhere(200, JSON_TYPE, "{}"), "not-a-registry"],
    ["a log-in without a challenge", everywhere(401), "not-a-registry"],
    ["a redirect to its own log-in", everywhere(302, { location: "/login" }), "not-a-registry"],
    ["a block page", everywhere(403, HTML, "blocked"), "http-status"],
    ["a proxy without its server", everywhere(502), "upstream-down"],
    ["a limit", everywhere(429, { "retry-after": "7" }), "rate-limited"],
    ["a limit on images alone", registry([200], [429]), "rate-limited"],
    ["a public image that is not there", registry([200], [404]), "object-missing"],
    ["an image that is withheld", registry([200], [403]), "http-status"],
    ["a public image that wants credentials", registry([401, { "www-authenticate": "Basic" }], [401]), "http-status"],
    [
      "a token from a host that no document names, without which nothing is given",
      registry([401, BEARER], [401, BEARER]),
      "token-host-undocumented",
    ],
    [
      "a token from a host that does not answer",
      registry([401, DEAD_BEARER], [401, DEAD_BEARER]),
      "token-host-unreachable",
    ],
    [
      "such a token at a mirror",
      registry([401, DEAD_BEARER], [401, DEAD_BEARER]),
      "token-host-unreachable",
      { objectRequired: false },
    ],
    ["such a token, without which the image is given", registry([401, DEAD_BEARER], [200, DIGEST]), "answered"],
    ["an undocumented token of an image that is withheld", registry([401, BEARER], [403]), "http-status"],
    [
      "an undocumented token at a mirror",
      registry([401, BEARER], [401, BEARER]),
      "registry-private",
      { objectRequired: false },
    ],
    ["a mirror without the image", registry([200], [404]), "object-unproven", { objectRequired: false }],
    [
      "a private mirror",
      registry([401, { "www-authenticate": "Basic" }], [401]),
      "registry-private",
      { objectRequired: false },
    ],
    ["a mirror that is no registry", everywhere(404), "not-a-registry", { objectRequired: false }],
    ["only the API, where no image is named", registry([200], [404]), "answered", { object: undefined as never }],
  ])("judges %s", async (_, serve, reason, changes) => {
    await using peer = await listening(createServer(serve));
    const { object, ...rest } = { ...changes };
    const sample = await ask(
      peer.port,
      changes !== undefined && "object" in changes ? { ...rest, object: undefined as never } : rest,
    );
    expect(sample.outcome).toEqual({ reason, phase: "first-byte" });
    expect(JSON.stringify(sample)).not.toContain("secret");
    expect(object).toBeUndefined();
  });

  it("names the host that gives the tokens and was not asked", async () => {
    await using peer = await listening(createServer(registry([401, BEARER], [401, BEARER])));
    const { evidence } = await ask(peer.port);
    expect(evidence).toMatchObject({ code: "https://auth.test", httpStatus: 401 });
  });

  it("names the host that gives the tokens and did not answer", async () => {
    await using peer = await listening(createServer(registry([401, DEAD_BEARER], [401, DEAD_BEARER])));
    const { evidence } = await ask(peer.port);
    expect(evidence).toMatchObject({ code: "https://localhost: refused", httpStatus: 401 });
  });

  it.each(["agent-overload", "stalled", "dns-nodata"] as const)("blames no token host for %s", async (reason) => {
    await using peer = await listening(createServer(registry([401, BEARER], [401, BEARER])));
    const world = worldOf();
    const resolve: ProbeWorld["names"]["resolve"] = async (name, ...more) =>
      name === "auth.test"
        ? { kind: "failed", reason, code: reason, queried: false }
        : world.names.resolve(name, ...more);
    const named = { ...expectation, documentedHosts: ["auth.test"] };
    const target = targetOf({ probe: "registry", expect: named }, { port: peer.port, host: "localhost" });
    const sample = await probe(target, Object.assign(Object.create(world), { names: { ...world.names, resolve } }));
    expect(sample).toMatchObject({ outcome: { reason }, evidence: { code: `https://auth.test: ${reason}` } });
  });

  it.each([
    ["a mirror below a path", "/ghcr.io/v2", "/ghcr.io/v2/", `/ghcr.io/v2/${OBJECT}`],
    ["a mirror whose path replaces the API's", "/v2/proxy-ghcr.io", "/v2/", `/v2/proxy-ghcr.io/${OBJECT}`],
  ])("asks %s for its registry", async (_, basePath, root, image) => {
    const seen: string[] = [];
    await using peer = await listening(
      createServer(({ url = "" }, response) => {
        seen.push(url);
        response.writeHead(200, url.includes("manifests") ? DIGEST : JSON_TYPE).end();
      }),
    );
    expect((await ask(peer.port, { basePath, namespace: "ghcr.io" })).outcome.reason).toBe("answered");
    expect(seen).toEqual([`${root}?ns=ghcr.io`, `${image}?ns=ghcr.io`]);
  });

  it.each([
    [
      "resets",
      (socket: import("node:net").Socket) => void socket.once("data", () => socket.resetAndDestroy()),
      "reset",
    ],
    ["says nothing", () => {}, "handshake-timeout"],
    [
      "speaks no HTTP",
      (socket: import("node:net").Socket) => void socket.once("data", () => socket.end("SSH-2.0\r\n")),
      "http-protocol",
    ],
  ])("judges a peer that %s", async (_, serve, reason) => {
    await using peer = await tcpPeer(serve);
    expect((await ask(peer.port, {}, false, 300)).outcome).toEqual({ reason, phase: "first-byte" });
  });

  it("is answered over TLS by a trusted server", async () => {
    const pem = fixture("good.pem");
    await using peer = await listening(createHttpsServer({ cert: pem, key: pem }, registry([200], [200, DIGEST])));
    const sample = await ask(peer.port, {}, true);
    expect(sample.outcome.reason).toBe("answered");
    expect(sample.evidence.chain).not.toHaveLength(0);
  });
});

describe("a challenge", () => {
  it.each([
    ['Bearer realm="https://auth.test/token",service="r"', "https://auth.test/token", "r"],
    ['bearer service="r", realm="https://auth.test/t"', "https://auth.test/t", "r"],
    ['Bearer realm="https://auth.test/t"', "https://auth.test/t", undefined],
  ])("%s is read", (text, realm, service) => {
    const read = readBearer({ "www-authenticate": text });
    expect([read?.realm.href, read?.service]).toEqual([realm, service]);
  });

  it.each(['Basic realm="x"', "Bearer", 'Bearer realm="no url"', "", 'Bearer service="r"'])(
    "%s has no realm",
    (text) => {
      expect(readBearer({ "www-authenticate": text })).toBeUndefined();
    },
  );

  it.each([
    ["https://registry.test/token", true],
    ["https://auth.docs.test/token", true],
    ["https://auth.other.test/token", false],
    ["http://registry.test/token", false],
    ["https://registry.test:8443/token", false],
    ["https://user:pass@registry.test/token", false],
  ])("of the realm %s may be followed: %s", (realm, allowed) => {
    const challenge = { realm: new URL(realm), service: undefined };
    expect(isAllowedRealm(challenge, "registry.test", ["*.docs.test"])).toBe(allowed);
  });
});
