import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { createAuthority, keySha256, makeKeyPair, openAuthority } from "@lifeline/identity";
import { manualClock, systemClock } from "@lifeline/measure";
import { afterEach, describe, expect, it, vi } from "vitest";
import { EnrolService } from "./gen/lifeline/v1/enrol_pb.ts";
import { createRpcClient } from "./rpc-client.ts";
import { RpcError, RpcStatus } from "./rpc-error.ts";
import { addService, type CallContext, createRpcServer, shutDown } from "./rpc-server.ts";
import {
  CONNECTIONS_PER_KEY_MAX,
  listenSecurely,
  type RefusedConnection,
  STRANGER_STAYS_MS,
  STRANGERS_PER_SOURCE_MAX,
} from "./secure-listener.ts";
import { tlsCredentials } from "./tls-credentials.ts";

const times = { nowMs: systemClock.wallMs(), lifetimeMs: 3_600_000 };
const made = async (commonName: string) => {
  const pems = await createAuthority({ commonName, ...times, randomBytes });
  return openAuthority(pems.certPem, pems.keyPem, randomBytes);
};
const fleet = await made("fleet");
const other = await made("other");

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function listening(maxConnections = 1_000) {
  const clock = manualClock(times.nowMs);
  const refused: RefusedConnection[] = [];
  const contexts: CallContext[] = [];
  const server = createRpcServer();
  const nobody = async () => {
    throw new RpcError(RpcStatus.PERMISSION_DENIED, "nobody");
  };
  const getAuthority = async (_: unknown, context: CallContext) => {
    contexts.push(context);
    return {};
  };
  addService(server, EnrolService, { getAuthority, enrol: nobody, renew: nobody }, () => {});
  const certificates = async () => {
    const { publicKeyDer, privateKeyPem: keyPem } = makeKeyPair();
    const { pem } = await fleet.issueServer({ publicKeyDer, names: ["127.0.0.1"], ...times });
    return { certPem: pem, keyPem, clientAuthorityPem: fleet.certPem };
  };
  const listener = await listenSecurely(server, {
    host: "127.0.0.1",
    port: 0,
    certificates: await certificates(),
    maxConnections,
    clock,
    onRefused: (why) => refused.push(why),
  });
  const { port } = listener;
  closers.push(() => shutDown(server, 0, (ms, wake) => systemClock.after(ms, wake)), listener.close);
  /** Says something on a connection of its own. */
  const call = (pair?: { certPem: string; keyPem: string }) => {
    const own =
      pair === undefined ? {} : { pair: { certPem: Buffer.from(pair.certPem), keyPem: Buffer.from(pair.keyPem) } };
    const client = createRpcClient(
      EnrolService,
      `127.0.0.1:${port}`,
      tlsCredentials({ caPem: fleet.certPem, ...own }),
      {
        "grpc.use_local_subchannel_pool": 1,
      },
    );
    closers.push(() => client.close());
    return client.unary("getAuthority", {}, { timeoutMs: 5_000 });
  };
  const open = (): Socket => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    closers.push(() => socket.destroy());
    return socket;
  };
  return { listener, port, clock, refused, contexts, call, open, certificates };
}

async function leaf(by = fleet, more: Partial<typeof times> = {}, keys = makeKeyPair()) {
  const { pem } = await by.issueNode({ nodeId: "n1", publicKeyDer: keys.publicKeyDer, ...times, ...more });
  return { certPem: pem, keyPem: keys.privateKeyPem, keySha256: keySha256(keys.publicKeyDer) };
}

const until = (what: () => boolean) => vi.waitFor(() => expect(what()).toBe(true), { timeout: 5_000 });

describe("a caller", () => {
  it("is known by the certificate it has shown, whose key it has proven", async () => {
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

  it("cannot show a listener's certificate as its own", async () => {
    const { call, contexts, certificates } = await listening();
    await call(await certificates());
    expect(contexts[0]?.connection?.certificate?.problem).toBe("INVALID_PURPOSE");
  });

  it("cannot take up the session of another connection, but proves its key anew", async () => {
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

  it("meets a renewed certificate on its next connection, under the same authority", async () => {
    const { listener, call, certificates } = await listening();
    listener.renew(await certificates());
    await call();
    const broken = { ...(await certificates()), keyPem: makeKeyPair().privateKeyPem };
    expect(() => listener.renew(broken)).toThrow();
    await call();
  });
});

describe("connections", () => {
  it("of strangers from one source are bounded, and one that leaves makes room", async () => {
    const { open, refused, listener, call } = await listening();
    const strangers = Array.from({ length: STRANGERS_PER_SOURCE_MAX }, open);
    await until(() => listener.connections().strangers === STRANGERS_PER_SOURCE_MAX);
    await expect(call()).rejects.toMatchObject({ code: RpcStatus.UNAVAILABLE });
    expect(refused).toContain("too-many-strangers");
    strangers[0]?.destroy();
    await until(() => listener.connections().strangers < STRANGERS_PER_SOURCE_MAX);
    await call();
  });

  it("of strangers end when their time is up, those that are known or vouched for stay", async () => {
    const { open, call, clock, contexts, refused } = await listening();
    const stranger = open();
    const closed = once(stranger, "close");
    await call(await leaf());
    await call();
    contexts[1]?.connection?.vouch();
    clock.advance(STRANGER_STAYS_MS);
    await closed;
    // It had not even begun its handshake.
    await until(() => refused.length === 2);
    expect(refused).toEqual(["stranger-stayed", "handshake"]);
  });

  it("under one key are bounded", async () => {
    const { call, refused } = await listening();
    const own = await leaf();
    for (let at = 0; at < CONNECTIONS_PER_KEY_MAX; at += 1) await call(own);
    await expect(call(own)).rejects.toMatchObject({ code: RpcStatus.UNAVAILABLE });
    expect(refused).toEqual(["too-many-of-key"]);
    await call(await leaf());
  });

  it("are bounded in all", async () => {
    const { open, refused, listener } = await listening(3);
    for (let at = 0; at < 5; at += 1) open();
    await until(() => refused.length === 2);
    expect(refused).toEqual(["too-many", "too-many"]);
    expect(listener.connections().strangers).toBe(3);
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
