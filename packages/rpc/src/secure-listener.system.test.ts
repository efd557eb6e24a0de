import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { createFleetCa, keySha256, makeKeyPair, openFleetCa } from "@lifeline/identity";
import { manualClock, systemClock } from "@lifeline/measure";
import { enrolPb } from "@lifeline/wire";
import { afterEach, describe, expect, it, vi } from "vitest";
import { admitAll } from "./admission.ts";
import {
  CONNECTIONS_PER_NAME_MAX,
  HANDSHAKE_BYTES,
  HANDSHAKE_TIMEOUT_MS,
  UNAUTHENTICATED_CALLS_MAX,
  UNAUTHENTICATED_PER_SOURCE_MAX,
  UNAUTHENTICATED_TIMEOUT_MS,
  WAITING_PER_SOURCE_MAX,
} from "./connection-limits.ts";
import { createRpcClient } from "./rpc-client.ts";
import { RpcError, RpcStatus } from "./rpc-error.ts";
import { addService, type CallContext, createRpcServer, shutDown } from "./rpc-server.ts";
import type { RefusedConnection } from "./secure-connection.ts";
import { listenSecurely } from "./secure-listener.ts";
import { tlsCredentials } from "./tls-credentials.ts";

const times = { nowMs: systemClock.wallMs(), lifetimeMs: 3_600_000 };
const made = async (commonName: string) => {
  const pems = await createFleetCa({ commonName, ...times, randomBytes });
  return openFleetCa(pems.certPem, pems.keyPem, randomBytes);
};
const fleet = await made("fleet");
const other = await made("other");

/**
 * A self-signed certificate of brainpoolP512r1, made by `openssl req -x509`: WebCrypto has no such curve.
 */
const ODD_CURVE = {
  cert: `-----BEGIN CERTIFICATE-----
MIICAzCCAWigAwIBAgIUTsN/t6ZQVXXDPp7OzDu88qMCy5QwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJb2RkLWN1cnZlMCAXDTI2MTEzMDE1MTg1MVoYDzIxMjYxMTA2
MTUxODUxWjAUMRIwEAYDVQQDDAlvZGQtY3VydmUwgZswFAYHKoZIzj0CAQYJKyQD
AwIIAQENA4GCAAQ7wbEh+hZmWRQYAo2gmanyIyzzsEEpXtI3LonCo6lv9DJ7wDgd
XVrAgvIFnk/f7B8aS4P0hmskRqsAoBIHA5mCdn+xgl/AVlicZVsyTeOmH71d8+fp
AU2jgnpsxphWCxOjb46aD2wWcq992uaRkBQk08YGq0aE1Etk1sgGzshuHqNTMFEw
HQYDVR0OBBYEFPf4wyFoUQJI/7lm8PnOwVdhA8ANMB8GA1UdIwQYMBaAFPf4wyFo
UQJI/7lm8PnOwVdhA8ANMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDgYgA
MIGEAkBncUCrUdAMF4G/nE0dUmmYMNdZCD6gaYFKRshbs3+EfcA5dillCFh2W2LY
unNw0UsYldr3J6IKCfFrZIvOurC1AkB7Y3Zjj0NH2aLpZF6WqwZi8ab00deW/8j6
drXQmS4+O53UjOAlr2RDlGIzW1HCEe8Jog3+3fVDTtrb6ANcbVeP
-----END CERTIFICATE-----`,
  key: `-----BEGIN PRIVATE KEY-----
MIHsAgEAMBQGByqGSM49AgEGCSskAwMCCAEBDQSB0DCBzQIBAQRABTw9NmbbjDdI
M4pt/hHF++B22X9oGNQPY4rv/R99pKJeUnhHPut2AigMOGs3TeMH7dVtr2+IOd+E
s/k8HMKaWqGBhQOBggAEO8GxIfoWZlkUGAKNoJmp8iMs87BBKV7SNy6JwqOpb/Qy
e8A4HV1awILyBZ5P3+wfGkuD9IZrJEarAKASBwOZgnZ/sYJfwFZYnGVbMk3jph+9
XfPn6QFNo4J6bMaYVgsTo2+Omg9sFnKvfdrmkZAUJNPGBqtGhNRLZNbIBs7Ibh4=
-----END PRIVATE KEY-----`,
};

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function listening(maxConnections = 5_000, host = "127.0.0.1") {
  const clock = manualClock(times.nowMs);
  const refused: RefusedConnection[] = [];
  const contexts: CallContext[] = [];
  const servers = {
    authenticated: createRpcServer("authenticated", clock),
    unauthenticated: createRpcServer("unauthenticated", clock),
  };
  const refuseAll = async () => {
    throw new RpcError(RpcStatus.PERMISSION_DENIED, "not admitted");
  };
  const getFleetCa = async (_: unknown, context: CallContext) => {
    contexts.push(context);
    return {};
  };
  for (const server of Object.values(servers)) {
    const service = { getFleetCa, enrol: refuseAll, renew: refuseAll };
    addService(server, enrolPb.EnrolService, service, () => {}, admitAll);
  }
  const certificates = async () => {
    const { publicKeyDer, privateKeyPem: keyPem } = makeKeyPair();
    const { pem } = await fleet.issueServer({ publicKeyDer, names: ["127.0.0.1"], ...times });
    return { certPem: pem, keyPem, clientCaPem: fleet.certPem };
  };
  const listener = await listenSecurely(servers, {
    host,
    port: 0,
    certificates: await certificates(),
    maxConnections,
    clock,
    onRefused: (why) => refused.push(why),
  });
  const { port } = listener;
  const end = (server: typeof servers.authenticated) => shutDown(server, 0, (ms, wake) => systemClock.after(ms, wake));
  closers.push(() => Promise.all(Object.values(servers).map(end)), listener.close);
  /** Makes one call on a connection of its own. */
  const call = (pair?: { certPem: string; keyPem: string }) => {
    const own =
      pair === undefined ? {} : { pair: { certPem: Buffer.from(pair.certPem), keyPem: Buffer.from(pair.keyPem) } };
    const client = createRpcClient(
      enrolPb.EnrolService,
      `127.0.0.1:${port}`,
      tlsCredentials({ caPem: fleet.certPem, ...own }),
      {
        "grpc.use_local_subchannel_pool": 1,
      },
    );
    closers.push(() => client.close());
    return client.unary("getFleetCa", {}, { timeoutMs: 5_000 });
  };
  const credentials = (pair: { certPem: string; keyPem: string }) =>
    tlsCredentials({
      caPem: fleet.certPem,
      pair: { certPem: Buffer.from(pair.certPem), keyPem: Buffer.from(pair.keyPem) },
    });
  /** Connects, completes the handshake without a certificate, and sends no more. */
  const secure = async () => {
    const socket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols: ["h2"] });
    socket.on("error", () => {}).resume();
    closers.push(() => socket.destroy());
    await once(socket, "secureConnect");
    await until(() => refused.length > 0 || listener.connections().unauthenticated > 0);
    return socket;
  };
  /** Connects and sends nothing. */
  const open = (localAddress = "127.0.0.1"): Socket => {
    const socket = connect({ port, host: "127.0.0.1", localAddress });
    socket.on("error", () => {});
    closers.push(() => socket.destroy());
    return socket;
  };
  return { listener, port, clock, refused, contexts, call, credentials, secure, open, certificates };
}

async function leaf(by = fleet, more: Partial<typeof times> = {}, keys = makeKeyPair()) {
  const { pem } = await by.issueNode({ nodeId: "n1", publicKeyDer: keys.publicKeyDer, ...times, ...more });
  return { certPem: pem, keyPem: keys.privateKeyPem, keySha256: keySha256(keys.publicKeyDer) };
}

const until = (what: () => boolean) => vi.waitFor(() => expect(what()).toBe(true), { timeout: 5_000 });

describe("a caller", () => {
  it("is identified by the certificate of its handshake", async () => {
    const { call, contexts } = await listening();
    const own = await leaf();
    await call(own);
    await call(await leaf(other));
    await call(await leaf(fleet, { nowMs: times.nowMs - 7_200_000 }));
    await call();
    expect(contexts.map(({ connection }) => connection?.certificate)).toMatchObject([
      { commonName: "n1", organisations: [], keySha256: own.keySha256, problem: undefined },
      { commonName: "n1", problem: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" },
      { commonName: "n1", problem: "CERT_HAS_EXPIRED" },
      undefined,
    ]);
  });

  it("cannot use a certificate of a curve unknown to Node, which would crash the process", async () => {
    const { call, contexts, listener, port, refused } = await listening();
    const socket = connectTls({
      port,
      host: "127.0.0.1",
      rejectUnauthorized: false,
      ALPNProtocols: ["h2"],
      ...ODD_CURVE,
    });
    socket.on("error", () => {}).resume();
    closers.push(() => socket.destroy());
    await until(() => refused.length > 0 || listener.connections().unauthenticated > 0);
    await call();
    expect(contexts.map(({ connection }) => connection?.certificate)).toEqual([undefined]);
  });

  it("cannot use a listener's certificate", async () => {
    const { call, contexts, certificates } = await listening();
    await call(await certificates());
    expect(contexts[0]?.connection?.certificate?.problem).toBe("INVALID_PURPOSE");
  });

  it("cannot resume the TLS session of another connection: each handshake is a full one", async () => {
    const { port } = await listening();
    const connected = (session?: Buffer) =>
      new Promise<{ session: Buffer; isReused: boolean }>((settle, fail) => {
        const options = { port, host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols: ["h2"] };
        const socket = connectTls({ ...options, ...(session === undefined ? {} : { session }) });
        socket.on("error", fail);
        socket.once("session", (ticket: Buffer) => {
          settle({ session: ticket, isReused: socket.isSessionReused() });
          socket.destroy();
        });
      });
    const { session } = await connected();
    expect((await connected(session)).isReused).toBe(false);
  });

  it("receives a renewed server certificate of the same CA on its next connection", async () => {
    const { listener, call, certificates } = await listening();
    listener.renew(await certificates());
    await call();
    const broken = { ...(await certificates()), keyPem: makeKeyPair().privateKeyPem };
    expect(() => listener.renew(broken)).toThrow();
    await call();
  });
});

describe("connections", () => {
  it("in the handshake are bounded by source: the one that has been silent longest is evicted", async () => {
    const { open, refused, listener, call } = await listening();
    const idle = Array.from({ length: WAITING_PER_SOURCE_MAX }, () => open());
    await until(() => listener.connections().waiting === WAITING_PER_SOURCE_MAX);
    const gone = once(idle[0] ?? open(), "close");
    await call();
    await gone;
    expect(refused).toEqual(["too-many-waiting"]);
    for (const socket of idle) socket.destroy();
    await until(() => listener.connections().waiting === 0);
  });

  it("that are unauthenticated are bounded by source: the oldest is evicted, and a client with a certificate gets in", async () => {
    const { secure, refused, listener, call } = await listening();
    const first = await secure();
    const gone = once(first, "close");
    for (let at = 0; at < UNAUTHENTICATED_PER_SOURCE_MAX; at += 1) await secure();
    await gone;
    expect(refused).toEqual(["too-many-unauthenticated"]);
    // It counts as unauthenticated until its certificate arrives, so it evicts the oldest too.
    await call(await leaf());
    expect(refused).toEqual(["too-many-unauthenticated", "too-many-unauthenticated"]);
    await until(() => listener.connections().unauthenticated === UNAUTHENTICATED_PER_SOURCE_MAX - 1);
    expect(listener.connections().all).toBe(UNAUTHENTICATED_PER_SOURCE_MAX);
  });

  it("that send too many bytes in the handshake are closed before those are parsed", async () => {
    const { port, refused } = await listening();
    const own = await leaf(other);
    // Node sends the chain unchecked.
    const cert = [own.certPem, ...Array.from({ length: 40 }, () => other.certPem)].join("");
    expect(Buffer.byteLength(cert) * 0.7).toBeGreaterThan(HANDSHAKE_BYTES.default);
    const socket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false, cert, key: own.keyPem });
    await new Promise((settle) => socket.on("error", () => {}).once("close", settle));
    expect(refused).toEqual(["handshake-too-large"]);
  });

  it("that are unauthenticated are closed at a number of bytes, whatever the frames", async () => {
    const { secure, refused } = await listening();
    const socket = await secure();
    const closed = once(socket, "close");
    socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    socket.write(Buffer.from("000000040000000000", "hex"));
    // Frames of an unknown type, which HTTP/2 ignores (RFC 9113 §5.5).
    const ignored = Buffer.concat([Buffer.from("001000ee0000000000", "hex"), Buffer.alloc(4_096)]);
    for (let at = 0; at < 30; at += 1) socket.write(ignored);
    await closed;
    expect(refused).toEqual(["too-many-bytes"]);
  });

  it("that are unauthenticated are closed at a number of calls", async () => {
    const { port, refused, credentials } = await listening();
    const calling = (by: ReturnType<typeof tlsCredentials>) => {
      const own = { "grpc.use_local_subchannel_pool": 1 };
      const client = createRpcClient(enrolPb.EnrolService, `127.0.0.1:${port}`, by, own);
      closers.push(() => client.close());
      return () => client.unary("getFleetCa", {}, { timeoutMs: 5_000 });
    };
    const call = calling(tlsCredentials({ caPem: fleet.certPem }));
    for (let at = 0; at < UNAUTHENTICATED_CALLS_MAX; at += 1) await call();
    expect(refused).toEqual([]);
    await expect(call()).rejects.toThrow(RpcError);
    expect(refused).toEqual(["too-many-calls"]);
    const authenticated = calling(credentials(await leaf()));
    for (let at = 0; at < 2 * UNAUTHENTICATED_CALLS_MAX; at += 1) await authenticated();
    expect(refused).toHaveLength(1);
  });

  it("that are unauthenticated are closed at a number of calls of unknown methods", async () => {
    const { port, refused } = await listening();
    const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
    session.on("error", () => {});
    closers.push(() => session.destroy());
    const ended = new Promise((resolve) => session.once("close", resolve));
    let answered = 0;
    const next = () => {
      const stream = session.request({ ":method": "POST", ":path": "/x/y", "content-type": "application/grpc" });
      stream.on("error", () => {}).resume();
      stream.once("response", () => (answered += 1));
      stream.once("close", () => !session.destroyed && next());
      stream.end();
    };
    next();
    await ended;
    expect(refused).toEqual(["too-many-calls"]);
    expect(answered).toBeLessThanOrEqual(UNAUTHENTICATED_CALLS_MAX);
  });

  it("that are authenticated have no such bounds", async () => {
    const { port, credentials, refused, contexts } = await listening();
    const client = createRpcClient(enrolPb.EnrolService, `127.0.0.1:${port}`, credentials(await leaf()));
    closers.push(() => client.close());
    for (let at = 0; at < 3; at += 1) {
      const enrolling = client.unary(
        "enrol",
        { joinToken: "x", certificateRequestDer: new Uint8Array(60_000) },
        { timeoutMs: 5_000 },
      );
      await expect(enrolling).rejects.toMatchObject({
        code: RpcStatus.INVALID_ARGUMENT,
        message: expect.stringContaining("certificate_request_der: got 60000 bytes"),
      });
    }
    expect(contexts).toEqual([]);
    expect(refused).toEqual([]);
  });

  it("from one address and port to two addresses of this host are kept apart", async () => {
    const { port, refused, contexts, listener } = await listening(100, "0.0.0.0");
    const own = await leaf();
    const pair = { cert: own.certPem, key: own.keyPem };
    const from = (host: string, localPort = 0) => connect({ port, host, localAddress: "127.0.0.1", localPort });
    const raw = from("127.0.0.2");
    const first = connectTls({ socket: raw, rejectUnauthorized: false });
    closers.push(() => first.destroy());
    await once(first, "secureConnect");
    const second = connectTls({ socket: from("127.0.0.1", raw.localPort), ...pair, rejectUnauthorized: false });
    await new Promise((settle) => second.on("error", () => {}).once("close", settle));
    expect(refused).toContain("same-peer");
    expect(listener.connections()).toEqual({ all: 1, waiting: 0, unauthenticated: 1 });
    expect(contexts).toEqual([]);
    first.destroy();
    await until(() => listener.connections().all === 0);
    expect(listener.connections().unauthenticated).toBe(0);
  });

  it("end first without a byte, later without authentication, and stay once authenticated", async () => {
    const { open, secure, call, clock, contexts, refused, listener } = await listening();
    const idle = once(open(), "close");
    const unauthenticated = once(await secure(), "close");
    await call(await leaf());
    await call();
    contexts[1]?.connection?.authenticate("ada");
    clock.advance(HANDSHAKE_TIMEOUT_MS);
    await idle;
    expect(refused).toEqual(["handshake"]);
    clock.advance(UNAUTHENTICATED_TIMEOUT_MS - HANDSHAKE_TIMEOUT_MS);
    await unauthenticated;
    expect(refused).toEqual(["handshake", "unauthenticated-too-long"]);
    await until(() => listener.connections().all === 2);
    expect(listener.connections()).toEqual({ all: 2, waiting: 0, unauthenticated: 0 });
  });

  it("of one key or token are bounded; the oldest is evicted", async () => {
    const { call, refused, contexts } = await listening();
    const own = await leaf();
    for (let at = 0; at < CONNECTIONS_PER_NAME_MAX; at += 1) await call(own);
    expect(refused).toEqual([]);
    await call(own);
    await call(await leaf());
    expect(refused).toEqual(["too-many-of-name"]);
    for (let at = 0; at <= CONNECTIONS_PER_NAME_MAX; at += 1) {
      await call();
      contexts.at(-1)?.connection?.authenticate("token ada");
    }
    expect(refused).toEqual(["too-many-of-name", "too-many-of-name"]);
  });

  it("that are unauthenticated use little memory: a large message is refused by its length prefix", async () => {
    const { port, refused } = await listening();
    const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
    closers.push(() => session.destroy());
    const stream = session.request({
      ":method": "POST",
      ":path": "/lifeline.v1.EnrolService/Enrol",
      "content-type": "application/grpc",
      te: "trailers",
    });
    const head = Buffer.alloc(5);
    head.writeUInt32BE(1024 * 1024, 1);
    stream.write(head);
    const [headers] = (await once(stream, "response")) as [Record<string, string>];
    expect(headers["grpc-status"]).toBe(String(RpcStatus.RESOURCE_EXHAUSTED));
    await until(() => session.remoteSettings.maxConcurrentStreams === 4);
    expect(refused).toEqual([]);
  });

  it("are bounded in total", async () => {
    const { open, refused, listener } = await listening(3);
    for (let at = 0; at < 5; at += 1) open();
    await until(() => refused.length === 2);
    expect(refused).toEqual(["too-many", "too-many"]);
    expect(listener.connections().waiting).toBe(3);
  });

  it.each([
    ["plaintext", (port: number) => connect(port, "127.0.0.1").end("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")],
    [
      "TLS 1.2",
      (port: number) => connectTls({ port, host: "127.0.0.1", maxVersion: "TLSv1.2", rejectUnauthorized: false }),
    ],
  ])("of %s end in the handshake", async (_, come) => {
    const { port, refused } = await listening();
    const socket = come(port);
    socket.on("error", () => {});
    await new Promise((settle) => socket.once("close", settle));
    await until(() => refused.length > 0);
    expect(refused).toEqual(["handshake"]);
  });
});
