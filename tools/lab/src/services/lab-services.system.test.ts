import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { systemClock } from "@lifeline/measure";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Services, startServices } from "./lab-services.ts";
import { PROXY_CREDENTIALS } from "./listeners.ts";
import type { ServiceMode } from "./modes.ts";
import { requestMode } from "./services-client.ts";

const HOST = "127.0.0.1";
/** The clients: one is at fault, the other is not. */
const ILL = "127.0.0.2";
const WELL = "127.0.0.3";
/** tcpmux (RFC 1078): no service listens there. */
const NOBODYS_PORT = 1;
/** Longer than a loopback exchange under load. A service that is silent this long counts as stalled. */
const SILENCE_MS = 700;

let services: Services;
let folder: string;
let control: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lab-services-"));
  control = join(folder, "control.sock");
  const upstream = await freePort();
  services = await startServices({
    clock: systemClock,
    names: [
      { name: "omni.lab.test", addresses: [HOST, "fd00::1"], owner: "omni" },
      { name: "ghcr.io", addresses: [HOST], owner: "public", issuer: "Sectigo Limited" },
      { name: "factory.talos.dev", addresses: [HOST], owner: "public" },
    ],
    web: [{ host: HOST, port: upstream }],
    machineApi: [{ host: HOST, port: 0 }],
    middlebox: [{ host: HOST, port: 0, upstream: { host: HOST, port: upstream } }],
    proxy: [{ host: HOST, port: 0 }],
    proxyReaches: [{ host: HOST, port: NOBODYS_PORT }],
    controlPath: control,
    caFolder: folder,
  });
});

afterEach(() => services.quiet());

afterAll(async () => {
  await services.close();
  await rm(folder, { recursive: true });
});

async function freePort(): Promise<number> {
  const { createServer } = await import("node:net");
  const server = createServer().listen(0, HOST);
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

function portOf(name: string): number {
  return services.state().listeners.find((listener) => listener.name === name)?.port ?? 0;
}

interface Seen {
  readonly code: string;
  readonly alpn: string | false;
  readonly issuer: string;
}

/** A handshake as a client that trusts the public root sees it: code `ok`, OpenSSL's, or the socket's. */
function tryTls(name: string, from: string, options: ConnectionOptions = {}): Promise<Seen> {
  return new Promise((resolve) => {
    const socket: TLSSocket = connectTls({
      host: HOST,
      port: portOf(name),
      localAddress: from,
      servername: "omni.lab.test",
      ca: services.state().publicRootPem,
      ALPNProtocols: ["h2", "http/1.1"],
      ...options,
      rejectUnauthorized: false,
    } as ConnectionOptions);
    const end = (code: string) => {
      const leaf = socket.getPeerCertificate(true) as Partial<ReturnType<TLSSocket["getPeerCertificate"]>> | null;
      const issuer = leaf?.issuer as { CN?: string; O?: string; OU?: string } | undefined;
      resolve({
        code,
        alpn: socket.alpnProtocol ?? false,
        issuer: [issuer?.O, issuer?.OU].join("/"),
      });
      socket.destroy();
    };
    socket.setTimeout(SILENCE_MS, () => end("silence"));
    socket.once("secureConnect", () => end(socket.authorized ? "ok" : String(socket.authorizationError)));
    socket.on("error", (error: NodeJS.ErrnoException) => end(error.code ?? "error"));
    socket.once("close", () => end("closed"));
  });
}

interface Answer {
  readonly status: number | string;
  readonly location?: string | undefined;
  readonly lab?: string | undefined;
  readonly grpc?: string | undefined;
}

/** One request over HTTP/2, trailers included. */
function ask(
  name: string,
  from: string,
  headers: Record<string, string>,
  servername = "omni.lab.test",
): Promise<Answer> {
  return new Promise((resolve) => {
    const { publicRootPem, interceptionRootPem } = services.state();
    const session = connectHttp2(`https://${servername}`, {
      createConnection: () =>
        connectTls({
          host: HOST,
          port: portOf(name),
          localAddress: from,
          servername,
          ca: [publicRootPem, interceptionRootPem],
          ALPNProtocols: ["h2"],
        } as ConnectionOptions),
    });
    const end = (answer: Answer) => {
      session.destroy();
      resolve(answer);
    };
    session.on("error", (error: NodeJS.ErrnoException) => end({ status: error.code ?? "error" }));
    const stream = session.request(headers);
    let answer: Answer = { status: "closed" };
    stream.setTimeout(SILENCE_MS, () => end({ status: "silence" }));
    stream.on("error", (error: NodeJS.ErrnoException) => end({ status: error.code ?? "error" }));
    stream.once("response", (got) => {
      answer = {
        status: got[":status"] ?? 0,
        location: got.location,
        lab: got["x-lifeline"] as string | undefined,
        grpc: got["grpc-status"] as string | undefined,
      };
    });
    stream.once("trailers", (got) => {
      answer = { ...answer, grpc: got["grpc-status"] as string | undefined };
    });
    stream.resume().once("end", () => end(answer));
    stream.end();
  });
}

const HEALTH = { ":method": "GET", ":path": "/healthz" };
const CALL = {
  ":method": "POST",
  ":path": "/lifeline.v1.Reachability/Unknown",
  "content-type": "application/grpc",
  te: "trailers",
};

describe("a TLS service", () => {
  it.each([
    ["ok", "ok"],
    ["rsa", "ok"],
    ["untrusted", "SELF_SIGNED_CERT_IN_CHAIN"],
    ["intercepted", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY"],
    ["expired", "CERT_HAS_EXPIRED"],
    ["not-yet-valid", "CERT_NOT_YET_VALID"],
    ["wrong-name", "ERR_TLS_CERT_ALTNAME_INVALID"],
    ["missing-intermediate", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
    ["reset", "ECONNRESET"],
    ["stall", "silence"],
    ["tls-stall", "silence"],
    ["request-stall", "ok"],
  ] as const)("in mode %s meets the client it is set for with %s, and no other", async (mode, code) => {
    for (const service of ["api", "machine-api"] as const) {
      await services.setMode(ILL, service, mode);
      const listener = service === "api" ? "web" : service;
      expect(await tryTls(listener, ILL)).toMatchObject({ code });
      expect(await tryTls(listener, WELL)).toMatchObject({ code: "ok", alpn: "h2" });
    }
  });

  it.each([
    ["ok", "Lifeline lab/lab"],
    ["intercepted", "Zscaler Inc./lab"],
    ["untrusted", "Lifeline lab private/lab"],
  ] as const)("in mode %s shows the issuer %s", async (mode, issuer) => {
    await services.setMode(ILL, "api", mode);
    expect((await tryTls("web", ILL)).issuer).toBe(issuer);
  });

  it("presents a key of the requested kind", async () => {
    for (const mode of ["ok", "rsa"] as const) {
      await services.setMode(ILL, "api", mode);
      const socket = connectTls({
        host: HOST,
        port: portOf("web"),
        localAddress: ILL,
        servername: "omni.lab.test",
        ca: services.state().publicRootPem,
      } as ConnectionOptions);
      await once(socket, "secureConnect");
      expect(socket.getPeerX509Certificate()?.publicKey.asymmetricKeyType).toBe(mode === "rsa" ? "rsa" : "ec");
      socket.destroy();
    }
  });

  it("certifies a public name by the organisation it is to have, marked as the lab's", async () => {
    const seen = await tryTls("web", WELL, { servername: "ghcr.io" });
    expect(seen).toMatchObject({ code: "ok", issuer: "Sectigo Limited/lab" });
  });

  it("tells Omni from the public hosts by name", async () => {
    await services.setMode(ILL, "public", "untrusted");
    expect((await tryTls("web", ILL, { servername: "ghcr.io" })).code).toBe("SELF_SIGNED_CERT_IN_CHAIN");
    expect((await tryTls("web", ILL)).code).toBe("ok");
    await services.setMode(ILL, "public", "reset", ["factory.talos.dev"]);
    expect((await tryTls("web", ILL, { servername: "ghcr.io" })).code).toBe("ok");
    expect((await tryTls("web", ILL, { servername: "factory.talos.dev" })).code).toBe("ECONNRESET");
    await services.setMode(ILL, "public", "expired", ["ghcr.io"]);
    expect((await tryTls("web", ILL, { servername: "ghcr.io" })).code).toBe("CERT_HAS_EXPIRED");
    expect((await tryTls("web", ILL, { servername: "factory.talos.dev" })).code).toBe("ECONNRESET");
  });

  it.each<[ServiceMode<"public">, string | RegExp]>([
    ["close", "ECONNRESET"],
    ["alert-40", /HANDSHAKE_FAILURE/],
    ["alert-49", /ACCESS_DENIED/],
    ["alert-112", /UNRECOGNIZED_NAME/],
    ["plain-http", /WRONG_VERSION_NUMBER|PACKET_LENGTH/],
  ])("answers a ClientHello as a filter does: %s", async (mode, code) => {
    await services.setMode(ILL, "public", mode);
    expect((await tryTls("web", ILL, { servername: "ghcr.io" })).code).toMatch(code);
  });

  it("applies the mode for every client, except to a client with a mode of its own", async () => {
    await services.setMode("*", "api", "expired");
    await services.setMode(WELL, "api", "ok");
    expect((await tryTls("web", ILL)).code).toBe("CERT_HAS_EXPIRED");
    expect((await tryTls("web", WELL)).code).toBe("ok");
  });

  it("agrees to http/1.1 alone in mode http1-only, and ends an h2-only handshake", async () => {
    await services.setMode(ILL, "machine-api", "http1-only");
    expect(await tryTls("machine-api", ILL)).toMatchObject({ code: "ok", alpn: "http/1.1" });
    const { code } = await tryTls("machine-api", ILL, { ALPNProtocols: ["h2"] });
    expect(code).toMatch(/NO_APPLICATION_PROTOCOL$/);
  });

  it("ends open connections of the client whose mode changes, and no others", async () => {
    const open = async (from: string): Promise<Socket> => {
      const socket = connectTcp({ host: HOST, port: portOf("web"), localAddress: from });
      await once(socket, "connect");
      return socket.on("error", () => undefined).resume();
    };
    const [ill, well] = [await open(ILL), await open(WELL)];
    const closed = once(ill, "close");
    await services.setMode(ILL, "api", "stall");
    await closed;
    expect(well.destroyed).toBe(false);
    well.destroy();
  });

  it("closes connections that do not use TLS", async () => {
    const socket = connectTcp({ host: HOST, port: portOf("web"), localAddress: WELL });
    socket.on("error", () => undefined).end("GET / HTTP/1.1\r\n\r\n");
    await once(socket.resume(), "close");
  });
});

describe("the protocol above TLS", () => {
  it.each([
    ["ok", { status: 200 }],
    ["html-200", { status: 200, lab: "lab" }],
    ["html-415", { status: 415, lab: "lab" }],
    ["html-502", { status: 502, lab: "lab" }],
    ["http-503", { status: 503, lab: "lab" }],
    ["redirect", { status: 302, location: "https://portal.lab.test/login" }],
    ["block-page", { status: 403, lab: "lab" }],
    ["captive-page", { status: 200, lab: "lab" }],
    ["request-stall", { status: "silence" }],
  ] as const)("by the API in mode %s", async (mode, expected) => {
    await services.setMode(ILL, "api", mode);
    expect(await ask("web", ILL, HEALTH)).toMatchObject(expected);
    expect(await ask("web", WELL, HEALTH)).toMatchObject({ status: 200 });
  });

  it.each([
    ["ok", { status: 200, grpc: "12" }],
    ["html-200", { status: 200, grpc: undefined }],
    ["html-415", { status: 415, grpc: undefined }],
    ["html-502", { status: 502, grpc: undefined }],
    ["grpc-unavailable", { status: 200, grpc: "14" }],
    ["redirect", { status: 302, grpc: undefined }],
    ["rsa", { status: 200, grpc: "12" }],
  ] as const)("by the Machine API in mode %s", async (mode, expected) => {
    await services.setMode(ILL, "machine-api", mode);
    expect(await ask("machine-api", ILL, CALL)).toMatchObject(expected);
    expect(await ask("machine-api", WELL, CALL)).toMatchObject({ status: 200, grpc: "12" });
  });
});

describe("the middlebox", () => {
  it("is visible to clients that do not trust it, with the protocol of the true server", async () => {
    const seen = await tryTls("middlebox", ILL);
    expect(seen).toEqual({
      code: "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
      alpn: "h2",
      issuer: "Zscaler Inc./lab",
    });
  });

  it("passes the plaintext on for clients that trust it", async () => {
    expect(await ask("middlebox", ILL, HEALTH)).toMatchObject({ status: 200 });
    expect(await ask("middlebox", ILL, HEALTH, "ghcr.io")).toMatchObject({ status: 200 });
  });

  it.each([
    ["pass", "ok"],
    ["reset", "ECONNRESET"],
    ["stall", "silence"],
  ] as const)("in mode %s: %s", async (mode, code) => {
    await services.setMode(ILL, "middlebox", mode);
    expect((await tryTls("middlebox", ILL)).code).toBe(code);
  });

  it("ends a client's connection when the true server gives none", async () => {
    await services.setMode("*", "api", "reset");
    expect((await tryTls("middlebox", ILL)).code).toBe("ECONNRESET");
  });
});

/** The status of a CONNECT, and the tunnel where there is one. */
function tryConnect(
  authority: string,
  from: string,
  auth?: string,
): Promise<{ status: number | string; socket?: Socket }> {
  return new Promise((resolve) => {
    const request = httpRequest({
      host: HOST,
      port: portOf("proxy"),
      localAddress: from,
      method: "CONNECT",
      path: authority,
      timeout: SILENCE_MS,
      ...(auth === undefined
        ? {}
        : { headers: { "proxy-authorization": `Basic ${Buffer.from(auth).toString("base64")}` } }),
    });
    request.once("connect", (answer, socket) => resolve({ status: answer.statusCode ?? 0, socket }));
    request.once("timeout", () => {
      resolve({ status: "silence" });
      request.destroy();
    });
    request.on("error", (error: NodeJS.ErrnoException) => resolve({ status: error.code ?? "error" }));
    request.end();
  });
}

describe("the proxy", () => {
  it.each([
    ["forbidden", 403],
    ["bad-gateway", 502],
    ["auth-required", 407],
    ["stall", "silence"],
    ["reset", "ECONNRESET"],
  ] as const)("in mode %s answers the client it is set for with %s, and others with a tunnel", async (mode, status) => {
    await services.setMode(ILL, "proxy", mode);
    const target = `omni.lab.test:${portOf("web")}`;
    expect((await tryConnect(target, ILL)).status).toBe(status);
    const other = await tryConnect(target, WELL);
    expect(other.status).toBe(200);
    other.socket?.destroy();
  });

  it("accepts only the configured user and password", async () => {
    await services.setMode(ILL, "proxy", "auth-required");
    const target = `${HOST}:${portOf("machine-api")}`;
    expect((await tryConnect(target, ILL, "lab:guess")).status).toBe(407);
    const { status, socket } = await tryConnect(target, ILL, `${PROXY_CREDENTIALS.user}:${PROXY_CREDENTIALS.password}`);
    expect(status).toBe(200);
    socket?.destroy();
  });

  it("reports a service that does not answer", async () => {
    expect((await tryConnect(`${HOST}:${NOBODYS_PORT}`, ILL)).status).toBe(502);
  });

  it("carries TLS end to end", async () => {
    const { socket } = await tryConnect(`omni.lab.test:${portOf("web")}`, ILL);
    const options = { socket, servername: "omni.lab.test", ca: services.state().publicRootPem } as ConnectionOptions;
    const session = connectTls(options);
    await once(session, "secureConnect");
    expect(session.authorized).toBe(true);
    session.destroy();
  });

  it.each(["example.com:443", "omni.lab.test:22", "127.0.0.1:2", "omni.lab.test", "[::1]:443", ""])(
    "reaches nothing but the lab's services: %j",
    async (authority) => {
      expect((await tryConnect(authority || "/", ILL)).status).toBe(403);
    },
  );

  it("is closed to all in mode down, and comes back on its port", async () => {
    const port = portOf("proxy");
    await services.setMode("*", "proxy", "down");
    expect((await tryConnect(`omni.lab.test:${portOf("web")}`, WELL)).status).toBe("ECONNREFUSED");
    await services.quiet();
    const { status, socket } = await tryConnect(`omni.lab.test:${portOf("web")}`, WELL);
    expect([status, portOf("proxy")]).toEqual([200, port]);
    socket?.destroy();
  });
});

describe("the control socket of the services", () => {
  it("sets modes, and reports them", async () => {
    const mode = { client: ILL, service: "api", mode: "expired", names: ["omni.lab.test"] } as const;
    expect((await requestMode(control, mode)).modes).toEqual([mode]);
    expect(services.state().modes).toEqual([mode]);
    expect((await tryTls("web", ILL)).code).toBe("CERT_HAS_EXPIRED");
    expect((await requestMode(control, { ...mode, mode: "ok" })).modes).toEqual([{ ...mode, mode: "ok" }]);
    expect((await tryTls("web", ILL)).code).toBe("ok");
  });

  it.each([
    [{ service: "api", mode: "ok" }, 'client: missing; expected an IP address, or "*" for every client'],
    [
      { client: "node-1", service: "api", mode: "ok" },
      'client: "node-1" is not one; expected an IP address, or "*" for every client',
    ],
    [
      { client: ILL, service: "web", mode: "ok" },
      'service: "web" is not one; expected one of dns, api, public, machine-api, middlebox, proxy',
    ],
    [
      { client: ILL, service: "middlebox", mode: "ok" },
      'mode: "ok" is not one; expected one of intercept, pass, reset, stall',
    ],
    [
      { client: ILL, service: "proxy", mode: "down" },
      'client: "127.0.0.2": a listener closes for all; expected "*" with mode down',
    ],
    [{ client: ILL, service: "proxy", mode: "ok", names: ["a"] }, "names: not for proxy; expected none"],
    [{ client: ILL, service: "dns", mode: "ok", names: [] }, "names: []; expected 1 to 16 names"],
    [
      { client: ILL, service: "dns", mode: "ok", name: "a" },
      '"name": unknown key; expected client, service, mode, names',
    ],
  ])("refuses %j, saying what would be right", async (request, message) => {
    await expect(requestMode(control, request as never)).rejects.toMatchObject({ code: "bad-input", message });
  });

  it("leaves the roots where clients can be given them", async () => {
    const { publicRootPem, interceptionRootPem, privateRootPem } = services.state();
    expect(await readFile(join(folder, "public-root.pem"), "utf8")).toBe(publicRootPem);
    expect(await readFile(join(folder, "interception-root.pem"), "utf8")).toBe(interceptionRootPem);
    expect(await readFile(join(folder, "private-root.pem"), "utf8")).toBe(privateRootPem);
  });
});

describe("services", () => {
  it("leave nothing listening when one cannot, and take no modes once closed", async () => {
    const port = await freePort();
    const options = { clock: systemClock, names: [] };
    const taken = { host: HOST, port: portOf("web") };
    await expect(startServices({ ...options, dns: [{ host: HOST, port }], web: [taken] })).rejects.toMatchObject({
      code: "listen-failed",
    });
    const next = await startServices({ ...options, dns: [{ host: HOST, port }] });
    await Promise.all([next.close(), next.close()]);
    const late: ServiceMode<"dns"> = "silent";
    await expect(next.setMode("*", "dns", late)).rejects.toMatchObject({ code: "closed" });
  });

  it.each([
    [{ web: [{ host: "omni.lab", port: 0 }] }, 'web.host: "omni.lab" is not an IP address'],
    [{ dns: Array(17).fill({ host: HOST, port: 0 }) }, "dns: 17 endpoints; expected at most 16"],
    [{ driftAddresses: [] }, "driftAddresses: 0 addresses; expected 1 to 8"],
    [{ names: [{ name: "a b", addresses: [HOST], owner: "omni" as const }] }, 'name: "a b" is not a DNS name'],
    [{ names: [{ name: "a", addresses: ["b"], owner: "omni" as const }] }, 'name a: "b" is not an IP address'],
  ])("refuse %j", async (options, message) => {
    const starting = startServices({ clock: systemClock, names: [], ...options });
    await expect(starting).rejects.toMatchObject({ code: "bad-input", message });
  });
});
