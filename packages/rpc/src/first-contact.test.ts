import { createPrivateKey, randomBytes, webcrypto } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { createFleetCa, type FleetCa, fingerprintOf, makeKeyPair, openFleetCa } from "@lifeline/identity";
import { systemClock } from "@lifeline/measure";
import { enrolPb } from "@lifeline/wire";
import { BasicConstraintsExtension, X509Certificate, X509CertificateGenerator } from "@peculiar/x509";
import { afterEach, describe, expect, it } from "vitest";
import { admitAll } from "./admission.ts";
import { FirstContactError, fetchFleetCa } from "./first-contact.ts";
import { createRpcClient } from "./rpc-client.ts";
import { RpcError, RpcStatus } from "./rpc-error.ts";
import { addService, type CallContext, createRpcServer, shutDown } from "./rpc-server.ts";
import { listenSecurely } from "./secure-listener.ts";
import { tlsCredentials } from "./tls-credentials.ts";

const HOUR_MS = 3_600_000;
const nowMs = systemClock.wallMs();
const TIMES = { nowMs, lifetimeMs: HOUR_MS };

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function makeFleetCa(commonName: string): Promise<FleetCa> {
  const pems = await createFleetCa({ commonName, ...TIMES, randomBytes });
  return openFleetCa(pems.certPem, pems.keyPem, randomBytes);
}
const fleet = await makeFleetCa("fleet");
const other = await makeFleetCa("other");

/** A CA below `other`: a chain that is not cut at the intermediate cannot be verified. */
async function intermediate(): Promise<FleetCa> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const root = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.create(
    {
      subject: "CN=intermediate",
      issuer: new X509Certificate(other.certPem).subjectName,
      publicKey: keys.publicKey,
      signingKey: root.privateKey,
      signingAlgorithm: algorithm,
      notBefore: new Date(nowMs - HOUR_MS),
      notAfter: new Date(nowMs + HOUR_MS),
      extensions: [new BasicConstraintsExtension(true, 0, true)],
    },
    webcrypto,
  );
  const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
  const keyPem = createPrivateKey({ key: der, format: "der", type: "pkcs8" }).export({ format: "pem", type: "pkcs8" });
  return openFleetCa(`${certificate.toString("pem")}\n`, keyPem.toString(), randomBytes);
}

interface Listening {
  /** What it sends as the fleet CA, DER; default the CA in `by`. */
  readonly shown?: Uint8Array;
  /** The CA that signs the server's certificate; default `fleet`. */
  readonly by?: FleetCa;
  readonly issuedAtMs?: number;
}

/** A collector's listener on loopback, and the contexts of its calls. */
async function listening({ by = fleet, shown = by.certDer, issuedAtMs = nowMs }: Listening = {}) {
  const key = makeKeyPair();
  const { publicKeyDer } = key;
  const leaf = await by.issueServer({ publicKeyDer, names: ["127.0.0.1"], nowMs: issuedAtMs, lifetimeMs: HOUR_MS });
  const callers: CallContext[] = [];
  const server = createRpcServer();
  const refuse = async () => {
    throw new RpcError(RpcStatus.PERMISSION_DENIED, "reached");
  };
  const service = {
    getFleetCa: async (_: unknown, context: CallContext) => {
      callers.push(context);
      return { caCertificateDer: shown };
    },
    enrol: refuse,
    renew: refuse,
  };
  addService(
    server,
    enrolPb.EnrolService,
    service,
    (method, error) => {
      throw new Error(method, { cause: error });
    },
    admitAll,
  );
  const { port, close } = await listenSecurely(
    { authenticated: server, unauthenticated: server },
    {
      host: "127.0.0.1",
      port: 0,
      certificates: { certPem: leaf.pem, keyPem: key.privateKeyPem, clientCaPem: by.certPem },
      maxConnections: 100,
      clock: systemClock,
      onRefused() {},
    },
  );
  closers.push(() => shutDown(server, 50, (ms, wake) => systemClock.after(ms, wake)), close);
  return { address: `127.0.0.1:${port}`, callers };
}

async function at(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const LIMITS = { timeoutMs: 5_000 };
const failure = (attempt: Promise<unknown>) =>
  attempt.then(
    () => undefined,
    (error: unknown) => error,
  );

/**
 * Calls the collector, verified by the given CA. It answers PERMISSION_DENIED "reached"; every other error means that
 * the handshake failed.
 */
async function reach(address: string, certificatePem: string) {
  const credentials = tlsCredentials({ caPem: certificatePem, caMayBeIntermediate: true });
  const client = createRpcClient(enrolPb.EnrolService, address, credentials);
  closers.push(() => client.close());
  return failure(client.unary("enrol", {}, LIMITS));
}

describe("first contact", () => {
  it("fetches the CA of that fingerprint without identifying the client; the CA verifies the next connection", async () => {
    const { address, callers } = await listening();
    const { certificateDer, certificatePem } = await fetchFleetCa(address, fleet.fingerprint, LIMITS);
    expect(fingerprintOf(certificateDer)).toBe(fleet.fingerprint);
    expect(callers).toMatchObject([{ bearerToken: undefined, connection: { certificate: undefined } }]);
    expect(await reach(address, certificatePem)).toMatchObject({ message: "reached" });
  });

  it("fetches an intermediate CA too", async () => {
    const by = await intermediate();
    const { address } = await listening({ by });
    const { certificatePem } = await fetchFleetCa(address, by.fingerprint, LIMITS);
    expect(await reach(address, certificatePem)).toMatchObject({ message: "reached" });
    const client = createRpcClient(enrolPb.EnrolService, address, tlsCredentials({ caPem: certificatePem }));
    closers.push(() => client.close());
    expect(await failure(client.unary("enrol", {}, LIMITS))).toMatchObject({ code: RpcStatus.UNAVAILABLE });
  });

  it.each<[string, Uint8Array, string]>([
    ["another CA", other.certDer, other.fingerprint],
    ["garbage", Buffer.from("garbage"), fingerprintOf(Buffer.from("garbage"))],
    ["nothing", new Uint8Array(), "no certificate"],
  ])("fails with ca-mismatch and names both fingerprints when the server sends %s", async (_, shown, got) => {
    const { address } = await listening({ shown });
    const error = await failure(fetchFleetCa(address, fleet.fingerprint, LIMITS));
    expect(error).toBeInstanceOf(FirstContactError);
    expect(error).toMatchObject({ code: "ca-mismatch", message: `got ${got}, want ${fleet.fingerprint}` });
  });

  it("refuses a leaf and garbage with not-a-ca, even when their fingerprint is configured", async () => {
    const { der } = await fleet.issueNode({ nodeId: "n", publicKeyDer: makeKeyPair().publicKeyDer, ...TIMES });
    for (const shown of [der, Buffer.from("garbage")]) {
      const { address } = await listening({ shown });
      const error = await failure(fetchFleetCa(address, fingerprintOf(shown), LIMITS));
      expect(error).toMatchObject({ name: "FirstContactError", code: "not-a-ca" });
    }
  });

  it("gives nothing to a server that only copies the CA certificate: the next connection fails", async () => {
    const { address } = await listening({ by: other, shown: fleet.certDer });
    const { certificatePem } = await fetchFleetCa(address, fleet.fingerprint, LIMITS);
    expect(await reach(address, certificatePem)).toMatchObject({ code: RpcStatus.UNAVAILABLE });
  });

  it("ignores that the server's certificate has expired; the next connection does not", async () => {
    const { address } = await listening({ issuedAtMs: nowMs - 2 * HOUR_MS });
    const { certificatePem } = await fetchFleetCa(address, fleet.fingerprint, LIMITS);
    const error = await reach(address, certificatePem);
    expect(error).toMatchObject({ code: RpcStatus.UNAVAILABLE });
    expect(String(error)).toContain("certificate has expired");
  });
});

describe("first contact with a peer that is not a collector fails with an RpcError", () => {
  const rejected = async (address: string, timeoutMs = 5_000) => {
    const error = await failure(fetchFleetCa(address, fleet.fingerprint, { timeoutMs }));
    expect(error).toBeInstanceOf(RpcError);
    return (error as RpcError).code;
  };

  it("when the port is closed", async () => {
    const server = createServer();
    const address = await at(server);
    await new Promise((resolve) => server.close(resolve));
    expect(await rejected(address)).toBe(RpcStatus.UNAVAILABLE);
  });

  it("when the peer sends garbage instead of TLS", async () => {
    const address = await at(createServer((socket) => socket.on("error", () => {}).end("HTTP/1.1 400 No\r\n\r\n")));
    expect(await rejected(address)).toBe(RpcStatus.UNAVAILABLE);
  });

  it("when the peer sends garbage within TLS", async () => {
    const key = makeKeyPair();
    const leaf = await fleet.issueServer({ publicKeyDer: key.publicKeyDer, names: ["127.0.0.1"], ...TIMES });
    const tls = { key: key.privateKeyPem, cert: leaf.pem, ALPNProtocols: ["h2"] };
    const address = await at(createTlsServer(tls, (socket) => socket.on("error", () => {}).end("garbage, no frames")));
    expect(await rejected(address)).toBe(RpcStatus.UNAVAILABLE);
  });

  it("at its deadline, when the peer is silent", async () => {
    const address = await at(createServer((socket) => socket.on("error", () => {})));
    expect(await rejected(address, 100)).toBe(RpcStatus.DEADLINE_EXCEEDED);
  });

  it("when the peer speaks only TLS 1.2", async () => {
    const key = makeKeyPair();
    const leaf = await fleet.issueServer({ publicKeyDer: key.publicKeyDer, names: ["127.0.0.1"], ...TIMES });
    const tls = { key: key.privateKeyPem, cert: leaf.pem, ALPNProtocols: ["h2"], maxVersion: "TLSv1.2" } as const;
    const address = await at(createTlsServer(tls, (socket) => socket.on("error", () => {})));
    const error = await failure(fetchFleetCa(address, fleet.fingerprint, LIMITS));
    expect(String(error)).toMatch(/protocol version/);
  });
});
