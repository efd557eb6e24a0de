/** Which credential permits which call, over real sockets. */
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect as tlsConnect } from "node:tls";
import {
  createFleetCa,
  fingerprintOf,
  type KeyPair,
  makeKeyPair,
  openFleetCa,
  signingRequestDer,
} from "@lifeline/identity";
import { manualClock, NS_PER_MS, systemClock } from "@lifeline/measure";
import {
  type ChannelCredentials,
  channelCredentials,
  createRpcClient,
  type RpcError,
  RpcStatus,
  UNAUTHENTICATED_CALLS_MAX,
} from "@lifeline/rpc";
import { adminPb, enrolPb, queryPb, reportPb } from "@lifeline/wire";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Collector } from "../collector.ts";
import type { Config } from "../config/config.ts";
import { type CollectorFixture, openCollectorFixture } from "../testing/collector-fixture.ts";
import { catalogueOf, checkRow, requirementRow } from "../testing/deployment-fixture.ts";
import { clientOf, type Pair, testFleetCa } from "../testing/fleet-ca.ts";
import { reportBytes } from "../testing/report-fixture.ts";
import { SILENT_AFTER_MS } from "./id-activity.ts";

let fixture: CollectorFixture;
const closers: (() => void)[] = [];
/** How far the collector's wall clock is ahead of the host's, ms, and its monotonic one. */
let aheadMs = 0;
let aheadNs = 0;
/** What the monotonic clock reads while it stands still. */
let frozenNs: number | undefined;
const clock = {
  ...systemClock,
  wallMs: () => systemClock.wallMs() + aheadMs,
  monotonicNs: () => frozenNs ?? systemClock.monotonicNs() + aheadNs,
};
beforeEach(() => {
  [aheadMs, aheadNs, frozenNs] = [0, 0, undefined];
  fixture = openCollectorFixture(clock);
});
afterEach(async () => {
  for (const close of closers.splice(0)) close();
  await fixture.close();
});

const ADMIN_TOKEN = randomBytes(32).toString("base64url");
const READER_TOKEN = randomBytes(32).toString("base64url");
const ENVIRONMENT = { LIFELINE_ADMIN_TOKEN: ADMIN_TOKEN, LIFELINE_READER_TOKEN: READER_TOKEN };
const ISSUING = { identity: { names: ["127.0.0.1"], ca: undefined, nodeCertificateHours: 24 } };
const OPTIONS = { timeoutMs: 60_000 };
/** How long an event is waited for. */
const WAIT = { timeout: 60_000 };
const DAY_MS = 24 * 3_600_000;

/** A collector that enrols, and what an administrator may do there. */
async function fleet(config: Partial<Config> = ISSUING) {
  const collector = await fixture.start(config, ENVIRONMENT);
  const address = `127.0.0.1:${collector.grpcPort}`;
  const unauthenticated = createRpcClient(
    enrolPb.EnrolService,
    address,
    channelCredentials.createSsl(null, null, null, { rejectUnauthorized: false }),
  );
  closers.push(() => unauthenticated.close());
  const { caCertificateDer } = await unauthenticated.unary("getFleetCa", {}, OPTIONS);
  const der = Buffer.from(caCertificateDer);
  const caPem = `-----BEGIN CERTIFICATE-----\n${der.toString("base64")}\n-----END CERTIFICATE-----\n`;
  const admin = createRpcClient(adminPb.AdminService, address, clientOf(caPem));
  closers.push(() => admin.close());
  const asAdmin = { ...OPTIONS, bearerToken: ADMIN_TOKEN };
  const token = async (more: object = {}) =>
    (await admin.unary("createJoinToken", { usesMax: 1, ...more }, asAdmin)).joinToken;
  const enrol = async (joinToken: string, nodeId: string, keys: KeyPair = makeKeyPair()): Promise<Pair> => {
    const certificateRequestDer = signingRequestDer(keys.privateKeyPem, nodeId);
    const client = createRpcClient(enrolPb.EnrolService, address, clientOf(caPem));
    try {
      const { certificateChainDer } = await client.unary("enrol", { joinToken, certificateRequestDer }, OPTIONS);
      const [leaf = new Uint8Array()] = certificateChainDer;
      const base64 = Buffer.from(leaf).toString("base64");
      return {
        certPem: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
        keyPem: keys.privateKeyPem,
      };
    } finally {
      client.close();
    }
  };
  return { collector, address, caPem, der, admin, asAdmin, token, enrol };
}

/** The fleet CA of the running collector, opened from its files. */
function ownCa() {
  const data = join(fixture.directory, "data/identity");
  const read = (name: string) => readFileSync(join(data, name), "utf8");
  return openFleetCa(read("ca.pem"), read("ca.key"), randomBytes);
}

/** Opens a node's stream and says hello; resolves with "admitted", or with the error it ended with. */
async function speak(collector: Collector, credentials: ChannelCredentials, nodeId: string, sentMs = 0) {
  const client = createRpcClient(reportPb.ReportService, `127.0.0.1:${collector.grpcPort}`, credentials);
  closers.push(() => client.close());
  const call = client.duplex("stream");
  const sentUnixMs = BigInt(Math.round(sentMs));
  const bootId = randomBytes(16);
  await call
    .send({
      message: { case: "hello", value: { nodeId, bootId, roles: [2], ipVersions: [4], sentUnixMs } },
    })
    .catch(() => {});
  const responses = call.responses[Symbol.asyncIterator]();
  const first = await responses.next().then(
    ({ done }) => (done === true ? "ended" : "admitted"),
    (error: RpcError) => error,
  );
  const end = (async () => {
    for (;;) if ((await responses.next()).done === true) return "ended";
  })().catch((error: RpcError) => error);
  const report = (sequence: number) => {
    const value = { bootId, sequence: BigInt(sequence), report: reportBytes({ sealedAtMs: sentMs }), sentUnixMs };
    return call.send({ message: { case: "report", value } });
  };
  return { first, end, report, leave: () => call.cancel() };
}

/** A node certificate signed with the collector's CA key, past its enrolment service. */
async function ownNode(nodeId: string, keys: KeyPair, lifetimeMs = 3_600_000): Promise<Pair> {
  const { publicKeyDer } = keys;
  const { pem } = await (await ownCa()).issueNode({ nodeId, publicKeyDer, nowMs: clock.wallMs(), lifetimeMs });
  return { certPem: pem, keyPem: keys.privateKeyPem };
}

async function renewal(address: string, caPem: string, pair: Pair, nodeId: string) {
  const client = createRpcClient(enrolPb.EnrolService, address, clientOf(caPem, pair));
  closers.push(() => client.close());
  return client.unary("renew", { certificateRequestDer: signingRequestDer(pair.keyPem, nodeId) }, OPTIONS);
}

describe("enrolment", () => {
  it("issues a certificate for a key and a token; with it the node may open streams for itself only (S1)", async () => {
    const { collector, caPem, token, enrol } = await fleet();
    const pair = await enrol(await token(), "n1");
    expect((await speak(collector, clientOf(caPem, pair), "n1")).first).toBe("admitted");
    const message = 'hello.node_id: got "n2", want "n1", the name of the certificate';
    expect((await speak(collector, clientOf(caPem, pair), "n2")).first).toMatchObject({
      code: RpcStatus.PERMISSION_DENIED,
      message,
    });
    expect(await fixture.metrics(collector)).toContain('lifeline_collector_enrol_attempts_total{result="enrolled"} 1');
  });

  it("spends one use when an answer is lost and the node tries again, and refuses another key", async () => {
    const { token, enrol, admin, asAdmin } = await fleet();
    const joinToken = await token();
    const keys = makeKeyPair();
    for (let again = 0; again < 3; again += 1) await enrol(joinToken, "n1", keys);
    const { tokens } = await admin.unary("listJoinTokens", {}, asAdmin);
    expect(tokens).toMatchObject([{ uses: 1, usesMax: 1 }]);
    await expect(enrol(joinToken, "n2")).rejects.toMatchObject({ code: RpcStatus.UNAUTHENTICATED });
    await expect(enrol(joinToken, "n1")).rejects.toMatchObject({ code: RpcStatus.ALREADY_EXISTS });
    const { enrolments } = await admin.unary("listEnrolments", {}, asAdmin);
    expect(enrolments).toMatchObject([{ nodeId: "n1", refusedClaims: 1, lastRefusedClaimFrom: "127.0.0.1" }]);
  });

  it("admits exactly as many nodes as a token has uses, however many try at once", async () => {
    const { token, enrol } = await fleet();
    const joinToken = await token({ usesMax: 3 });
    const attempts = Array.from({ length: 10 }, (_, at) => enrol(joinToken, `n${at}`));
    const answers = await Promise.allSettled(attempts);
    expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
  });

  const unknownToken = `${randomBytes(4).toString("hex")}.${randomBytes(32).toString("base64url")}`;
  it.each<[string, (of: Awaited<ReturnType<typeof fleet>>) => Promise<unknown>, number]>([
    ["an unknown token", ({ enrol }) => enrol(unknownToken, "n1"), RpcStatus.UNAUTHENTICATED],
    ["no token", ({ enrol }) => enrol("", "n1"), RpcStatus.UNAUTHENTICATED],
    [
      "a token whose secret is another's",
      async ({ enrol, token }) => enrol(`${(await token()).slice(0, 9)}${unknownToken.slice(9)}`, "n1"),
      RpcStatus.UNAUTHENTICATED,
    ],
    [
      "a token that was revoked",
      async ({ enrol, token, admin, asAdmin }) => {
        const joinToken = await token();
        await admin.unary("revokeJoinToken", { id: joinToken.slice(0, 8) }, asAdmin);
        return enrol(joinToken, "n1");
      },
      RpcStatus.UNAUTHENTICATED,
    ],
    [
      "a token for other nodes",
      async ({ enrol, token }) => enrol(await token({ nodePattern: "rack-*" }), "n1"),
      RpcStatus.PERMISSION_DENIED,
    ],
    ["a name that is no node id", async ({ enrol, token }) => enrol(await token(), "a/b"), RpcStatus.INVALID_ARGUMENT],
    ["a name in capitals", async ({ enrol, token }) => enrol(await token(), "RACK-1"), RpcStatus.INVALID_ARGUMENT],
    [
      "a request that is none",
      async ({ address, caPem, token }) => {
        const client = createRpcClient(enrolPb.EnrolService, address, clientOf(caPem));
        closers.push(() => client.close());
        const certificateRequestDer = randomBytes(200);
        return client.unary("enrol", { joinToken: await token(), certificateRequestDer }, OPTIONS);
      },
      RpcStatus.INVALID_ARGUMENT,
    ],
  ])("refuses %s, counts it, and logs no secret", async (_, attempt, code) => {
    const of = await fleet();
    await expect(attempt(of)).rejects.toMatchObject({ code });
    expect(await fixture.metrics(of.collector)).toMatch(
      /lifeline_collector_enrol_attempts_total\{result="(?!enrolled)/,
    );
    expect(fixture.logged.join("")).not.toContain(unknownToken.slice(9));
  });

  it("makes no token with a pattern in capitals, which no node id matches", async () => {
    const { token } = await fleet();
    await expect(token({ nodePattern: "Rack-*" })).rejects.toMatchObject({
      code: RpcStatus.INVALID_ARGUMENT,
      message: 'node_pattern: got "Rack-*", want lower-case letters, as node ids have',
    });
  });

  it("makes a source wait after too many failures", async () => {
    const { enrol, token } = await fleet();
    // Attempts come back with time.
    frozenNs = clock.monotonicNs();
    const codes: number[] = [];
    for (let at = 0; at < 25; at += 1) {
      await enrol(unknownToken, "n1").catch(({ code }: RpcError) => codes.push(code));
    }
    expect(codes).toEqual([
      ...Array(20).fill(RpcStatus.UNAUTHENTICATED),
      ...Array(5).fill(RpcStatus.RESOURCE_EXHAUSTED),
    ]);
    await expect(enrol(await token(), "n1")).rejects.toMatchObject({ code: RpcStatus.RESOURCE_EXHAUSTED });
  });

  it("limits concurrent guesses too, because an attempt counts from its beginning", async () => {
    const { collector, address, caPem } = await fleet();
    frozenNs = clock.monotonicNs();
    const client = createRpcClient(enrolPb.EnrolService, address, clientOf(caPem));
    closers.push(() => client.close());
    const requests = await Promise.all(
      // The most that an unauthenticated connection may have.
      Array.from({ length: UNAUTHENTICATED_CALLS_MAX }, () => signingRequestDer(makeKeyPair().privateKeyPem, "n1")),
    );
    const codes = await Promise.all(
      requests.map((certificateRequestDer) =>
        client.unary("enrol", { joinToken: unknownToken, certificateRequestDer }, OPTIONS).then(
          () => RpcStatus.OK,
          ({ code }: RpcError) => code,
        ),
      ),
    );
    expect(codes.filter((code) => code === RpcStatus.UNAUTHENTICATED).length).toBeLessThan(25);
    expect(await fixture.metrics(collector)).toMatch(
      /enrol_attempts_total\{result="too-many-attempts"\} (?:9|1[0-2])\n/,
    );
  });

  it("does not count successful attempts against a source", async () => {
    const { token, enrol } = await fleet();
    const joinToken = await token({ usesMax: 30 });
    for (let at = 0; at < 25; at += 1) await enrol(joinToken, `n${at}`);
  });

  it("reveals neither that a token exists nor its pattern without the secret", async () => {
    const { token, enrol } = await fleet();
    const joinToken = await token({ nodePattern: "rack-*" });
    await expect(enrol(`${joinToken.slice(0, 9)}${unknownToken.slice(9)}`, "n1")).rejects.toMatchObject({
      code: RpcStatus.UNAUTHENTICATED,
    });
  });

  it("admits a key again whose answer was lost, even if its token has expired or was revoked since", async () => {
    const { token, enrol, admin, asAdmin } = await fleet();
    const [joinToken, keys] = [await token({ usesMax: 2 }), makeKeyPair()];
    await enrol(joinToken, "n1", keys);
    await admin.unary("revokeJoinToken", { id: joinToken.slice(0, 8) }, asAdmin);
    await enrol(joinToken, "n1", keys);
    await expect(enrol(joinToken, "n2")).rejects.toMatchObject({ code: RpcStatus.UNAUTHENTICATED });
    await expect(enrol(await token(), "n2", keys)).resolves.toBeDefined();
    await admin.unary("revokeNode", { nodeId: "n1" }, asAdmin);
    await expect(enrol(joinToken, "n1", keys)).rejects.toMatchObject({ code: RpcStatus.PERMISSION_DENIED });
  });

  it("is limited by key too, as is renewal, because each costs a commit and a signature", async () => {
    const { address, caPem, token, enrol } = await fleet();
    const [joinToken, keys] = [await token(), makeKeyPair()];
    const codes: number[] = [];
    let pair: Pair | undefined;
    // With the clock stopped no attempt is given back meanwhile.
    frozenNs = clock.monotonicNs();
    for (let at = 0; at < 12; at += 1) pair = await enrol(joinToken, "n1", keys);
    if (pair === undefined) throw new Error("nothing was enrolled");
    for (let at = 0; at < 12; at += 1) {
      await renewal(address, caPem, pair, "n1").catch(({ code }: RpcError) => codes.push(code));
    }
    expect(codes).toEqual(Array(4).fill(RpcStatus.RESOURCE_EXHAUSTED));
    await enrol(await token(), "n2");
  });

  it("uses a CA from configured files, and never writes them", async () => {
    const { pems, ca: brought } = await testFleetCa("configured");
    const certFile = join(fixture.directory, "own.pem");
    const keyFile = join(fixture.directory, "own.key");
    writeFileSync(certFile, pems.certPem);
    writeFileSync(keyFile, pems.keyPem);
    const identity = { ...ISSUING.identity, ca: { certFile, keyFile } };
    const { collector, caPem, der, token, enrol } = await fleet({ identity });
    expect(fingerprintOf(der)).toBe(brought.fingerprint);
    expect((await speak(collector, clientOf(caPem, await enrol(await token(), "n1")), "n1")).first).toBe("admitted");
    expect(readdirSync(join(fixture.directory, "data"))).not.toContain("identity");
    writeFileSync(keyFile, makeKeyPair().privateKeyPem);
    const dataDir = join(fixture.directory, "other");
    await expect(fixture.start({ identity, dataDir })).rejects.toMatchObject({
      code: "bad-value",
      message: expect.stringContaining('own.key" (not-its-key), want the private key of the certificate'),
    });
  });

  it("is refused by a collector without a CA", async () => {
    const test = await testFleetCa();
    const collector = await fixture.start(
      { tls: await test.listenerFiles(join(fixture.directory, "tls")) },
      ENVIRONMENT,
    );
    const address = `127.0.0.1:${collector.grpcPort}`;
    const unauthenticated = createRpcClient(enrolPb.EnrolService, address, clientOf(test.pems.certPem));
    const admin = createRpcClient(adminPb.AdminService, address, clientOf(test.pems.certPem));
    closers.push(
      () => unauthenticated.close(),
      () => admin.close(),
    );
    const refused = { code: RpcStatus.FAILED_PRECONDITION };
    await expect(unauthenticated.unary("getFleetCa", {}, OPTIONS)).rejects.toMatchObject(refused);
    const asAdmin = { ...OPTIONS, bearerToken: ADMIN_TOKEN };
    await expect(admin.unary("createJoinToken", {}, asAdmin)).rejects.toMatchObject(refused);
  });
});

describe("renewal", () => {
  it("needs no token, and issues a later certificate for the same key", async () => {
    const { collector, address, caPem, token, enrol, admin, asAdmin } = await fleet();
    const pair = await enrol(await token(), "n1");
    const { certificateChainDer, notAfterUnixMs } = await renewal(address, caPem, pair, "n1");
    expect(certificateChainDer).toHaveLength(2);
    expect(Number(notAfterUnixMs)).toBeGreaterThan(systemClock.wallMs() + 23 * 3_600_000);
    const { enrolments } = await admin.unary("listEnrolments", {}, asAdmin);
    expect(enrolments).toMatchObject([{ nodeId: "n1", renewals: 1 }]);
    expect(await fixture.metrics(collector)).toContain('result="renewed"} 1');
  });

  it("readmits a node whose certificate has expired; until then its stream is refused", async () => {
    const { collector, address, caPem, token, enrol } = await fleet();
    const keys = makeKeyPair();
    await enrol(await token(), "n1", keys);
    const ca = await ownCa();
    // Issued three days ago, for an hour.
    const nowMs = systemClock.wallMs() - 3 * 24 * 3_600_000;
    const options = { nodeId: "n1", publicKeyDer: keys.publicKeyDer, nowMs, lifetimeMs: 3_600_000 };
    const ended = { certPem: (await ca.issueNode(options)).pem, keyPem: keys.privateKeyPem };
    expect((await speak(collector, clientOf(caPem, ended), "n1")).first).toMatchObject({
      code: RpcStatus.UNAUTHENTICATED,
      message: expect.stringContaining("CERT_HAS_EXPIRED"),
    });
    const { certificateChainDer } = await renewal(address, caPem, ended, "n1");
    expect(certificateChainDer).toHaveLength(2);
  });

  it("is refused for a certificate of another CA, and limited by source", async () => {
    const { collector, address, caPem, token, enrol } = await fleet();
    const own = await enrol(await token(), "n1");
    // A CA of the same name: for some of its expired certificates OpenSSL reports only the expiry.
    const otherCa = await testFleetCa();
    const codes: number[] = [];
    // With the clock stopped no attempt is given back meanwhile.
    frozenNs = clock.monotonicNs();
    for (let at = 0; at < 22; at += 1) {
      const made = await otherCa.node(at % 2 === 0 ? "n1" : "n9", {
        nowMs: systemClock.wallMs() - 3 * 24 * 3_600_000,
      });
      const nodeId = at % 2 === 0 ? "n1" : "n9";
      await renewal(address, caPem, made, nodeId).catch(({ code }: RpcError) => codes.push(code));
    }
    expect(codes).toEqual([
      ...Array(20).fill(RpcStatus.UNAUTHENTICATED),
      ...Array(2).fill(RpcStatus.RESOURCE_EXHAUSTED),
    ]);
    const metrics = await fixture.metrics(collector);
    expect(metrics).toContain('enrol_attempts_total{result="no-certificate"} 20');
    // An enrolled node at the same address can still renew.
    expect((await renewal(address, caPem, own, "n1")).certificateChainDer).toHaveLength(2);
  });

  it("is refused for a self-signed certificate that has expired", async () => {
    const { collector, address, caPem } = await fleet();
    const nowMs = systemClock.wallMs() - 3 * 24 * 3_600_000;
    const made = await createFleetCa({ commonName: "n1", nowMs, lifetimeMs: 3_600_000, randomBytes });
    await expect(renewal(address, caPem, made, "n1")).rejects.toMatchObject({ code: RpcStatus.UNAUTHENTICATED });
    expect(await fixture.metrics(collector)).toContain('enrol_attempts_total{result="no-certificate"} 1');
  });

  it("is refused for another key, for another name, and without a certificate", async () => {
    const { address, caPem, token, enrol } = await fleet();
    const own = await enrol(await token(), "n1");
    const other = await enrol(await token(), "n2");
    const table: [Pair | undefined, string, string, number][] = [
      [own, other.keyPem, "n1", RpcStatus.PERMISSION_DENIED],
      [own, own.keyPem, "n2", RpcStatus.PERMISSION_DENIED],
      [undefined, own.keyPem, "n1", RpcStatus.UNAUTHENTICATED],
    ];
    for (const [pair, keyPem, nodeId, code] of table) {
      const client = createRpcClient(enrolPb.EnrolService, address, clientOf(caPem, pair));
      closers.push(() => client.close());
      const certificateRequestDer = signingRequestDer(keyPem, nodeId);
      await expect(client.unary("renew", { certificateRequestDer }, OPTIONS)).rejects.toMatchObject({ code });
    }
  });
});

describe("a node that was set up again", () => {
  it("is admitted once it was readmitted; its former key is refused", async () => {
    const { collector, caPem, token, enrol, admin, asAdmin } = await fleet();
    const joinToken = await token({ usesMax: 2 });
    const former = await enrol(joinToken, "n1");
    await expect(enrol(joinToken, "n1")).rejects.toMatchObject({ code: RpcStatus.ALREADY_EXISTS });
    await admin.unary("readmitNode", { nodeId: "n1" }, asAdmin);
    const { end } = await speak(collector, clientOf(caPem, former), "n1");
    const fresh = await enrol(joinToken, "n1");
    expect(await end).toMatchObject({ code: RpcStatus.PERMISSION_DENIED });
    expect((await speak(collector, clientOf(caPem, fresh), "n1")).first).toBe("admitted");
    const { enrolments } = await admin.unary("listEnrolments", {}, asAdmin);
    expect(enrolments).toMatchObject([{ refusedClaims: 0 }]);
    expect((await speak(collector, clientOf(caPem, former), "n1")).first).toMatchObject({
      code: RpcStatus.PERMISSION_DENIED,
    });
  });
});

describe("a node that cannot keep its key", () => {
  const pass = (ms: number) => {
    aheadMs += ms;
    aheadNs += ms * NS_PER_MS;
  };

  it("enrols again under its id with an ephemeral token, once the id has been silent for a while", async () => {
    const { collector, caPem, token, enrol, admin, asAdmin } = await fleet();
    const joinToken = await token({ usesMax: 9, ephemeral: true });
    const asNode = async (nodeId: string, keys?: KeyPair) =>
      speak(collector, clientOf(caPem, await enrol(joinToken, nodeId, keys)), nodeId);
    const inUse = { code: RpcStatus.ALREADY_EXISTS, message: expect.stringContaining("until it has been silent") };
    pass(SILENT_AFTER_MS);
    const keys = makeKeyPair();
    const first = await asNode("n1", keys);
    expect([first.first, (await asNode("n2")).first]).toEqual(["admitted", "admitted"]);
    pass(SILENT_AFTER_MS);
    await expect(enrol(joinToken, "n1")).rejects.toMatchObject(inUse);
    first.leave();
    await first.end;
    await expect(enrol(joinToken, "n1")).rejects.toMatchObject(inUse);
    // The collector sees the end a moment later; the stream of n2 goes on.
    await vi.waitFor(async () => {
      pass(SILENT_AFTER_MS);
      expect((await asNode("n1")).first).toBe("admitted");
    }, WAIT);
    const former = await speak(collector, clientOf(caPem, await ownNode("n1", keys)), "n1");
    expect(former.first).toMatchObject({ code: RpcStatus.PERMISSION_DENIED });
    const { enrolments } = await admin.unary("listEnrolments", { nodeId: "n1" }, asAdmin);
    expect(enrolments).toMatchObject([{ ephemeral: true }]);
    const { tokens } = await admin.unary("listJoinTokens", {}, asAdmin);
    expect(tokens).toMatchObject([{ ephemeral: true, uses: 3 }]);
    expect(await fixture.metrics(collector)).toContain('enrol_attempts_total{result="re-enrolled"} 1');
    expect(fixture.logged.join("")).toContain("a node has enrolled again");
  });

  it("is not displaced while it reconnects to a restarted collector", async () => {
    const { collector, token, enrol } = await fleet();
    const joinToken = await token({ usesMax: 9, ephemeral: true });
    await enrol(joinToken, "n1");
    await collector.stop();
    aheadMs += SILENT_AFTER_MS;
    const again = await fleet();
    await expect(again.enrol(joinToken, "n1")).rejects.toMatchObject({ code: RpcStatus.ALREADY_EXISTS });
    aheadNs += SILENT_AFTER_MS * NS_PER_MS;
    await expect(again.enrol(joinToken, "n1")).resolves.toBeDefined();
  });

  it("is the only one of many concurrent attempts under one id", async () => {
    const { collector, token, enrol } = await fleet();
    const joinToken = await token({ usesMax: 9, ephemeral: true });
    pass(SILENT_AFTER_MS);
    const answers = await Promise.allSettled(Array.from({ length: 8 }, () => enrol(joinToken, "n1")));
    expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(await fixture.metrics(collector)).toContain('node_claims_refused_total{holder="ephemeral"} 7');
  });
});

describe("revocation", () => {
  it("ends the node's streams at once and refuses its key for good; a readmitted node needs a new one", async () => {
    const { collector, address, caPem, token, enrol, admin, asAdmin } = await fleet();
    const joinToken = await token({ usesMax: 2 });
    const pair = await enrol(joinToken, "n1");
    const { first, end } = await speak(collector, clientOf(caPem, pair), "n1");
    expect(first).toBe("admitted");
    expect(await admin.unary("revokeNode", { nodeId: "n1" }, asAdmin)).toMatchObject({ endedStreams: 1 });
    const refused = { code: RpcStatus.PERMISSION_DENIED };
    expect(await end).toMatchObject(refused);
    const refusesStream = async () =>
      expect((await speak(collector, clientOf(caPem, pair), "n1")).first).toMatchObject(refused);
    await refusesStream();
    await expect(renewal(address, caPem, pair, "n1")).rejects.toMatchObject(refused);
    await expect(enrol(joinToken, "n1")).rejects.toMatchObject(refused);
    await admin.unary("readmitNode", { nodeId: "n1" }, asAdmin);
    await refusesStream();
    const fresh = await enrol(joinToken, "n1");
    expect((await speak(collector, clientOf(caPem, fresh), "n1")).first).toBe("admitted");
    await refusesStream();
    const { enrolments } = await admin.unary("listEnrolments", {}, asAdmin);
    expect(enrolments).toHaveLength(1);
    expect([enrolments[0]?.revokedUnixMs, enrolments[0]?.refusedClaims]).toEqual([undefined, 0]);
  });

  it("leaves no verdict that outlives the node's data, also when the node goes on trying (M4)", async () => {
    const seconds = manualClock(systemClock.wallMs());
    await fixture.close();
    fixture = openCollectorFixture(seconds);
    const catalogue = join(fixture.directory, "checks.yaml");
    const tcp = requirementRow("api-tcp", "api", "tcp", "{ probe: tcp, acceptReset: false }");
    writeFileSync(catalogue, catalogueOf(tcp, checkRow("node-clock", "clock"), checkRow("node-unique", "unique-node")));
    const { collector, address, caPem, token, enrol, admin, asAdmin } = await fleet({ ...ISSUING, catalogue });
    const credentials = clientOf(caPem, await enrol(await token(), "n1"));
    const query = createRpcClient(queryPb.QueryService, address, clientOf(caPem));
    closers.push(() => query.close());
    const verdicts = async () =>
      (await query.unary("listVerdicts", {}, { ...OPTIONS, bearerToken: READER_TOKEN })).rows.map(
        ({ verdict, cause }) => [verdict, cause],
      );
    const all = (verdict: queryPb.Verdict, cause: string) => Array.from({ length: 3 }, () => [verdict, cause]);
    const { MET, UNKNOWN } = queryPb.Verdict;
    const node = await speak(collector, credentials, "n1", seconds.wallMs());
    await node.report(1);
    await vi.waitFor(async () => expect(await verdicts()).toEqual(all(MET, "none")), WAIT);
    await admin.unary("revokeNode", { nodeId: "n1" }, asAdmin);
    await node.end;
    for (const passedMs of [29_000, 3_000]) {
      seconds.advance(passedMs);
      const again = await speak(collector, credentials, "n1", seconds.wallMs());
      expect(again.first).toMatchObject({ code: RpcStatus.PERMISSION_DENIED });
    }
    expect(await verdicts()).toEqual(all(UNKNOWN, "no-data"));
  });

  it("outlives a restart", async () => {
    const { collector, caPem, token, enrol, admin, asAdmin } = await fleet();
    const pair = await enrol(await token(), "n1");
    await admin.unary("revokeNode", { nodeId: "n1" }, asAdmin);
    await collector.stop();
    const again = await fixture.start(ISSUING, ENVIRONMENT);
    expect((await speak(again, clientOf(caPem, pair), "n1")).first).toMatchObject({
      code: RpcStatus.PERMISSION_DENIED,
    });
  });

  it("covers an unknown id too: its certificate is not adopted later", async () => {
    const { collector, caPem, admin, asAdmin } = await fleet();
    const lifetimeMs = 3_600_000;
    const keys = makeKeyPair();
    const issued = await (await ownCa()).issueNode({
      nodeId: "n9",
      publicKeyDer: keys.publicKeyDer,
      nowMs: systemClock.wallMs(),
      lifetimeMs,
    });
    const stolen = { certPem: issued.pem, keyPem: keys.privateKeyPem };
    const { enrolment } = await admin.unary("revokeNode", { nodeId: "n9" }, asAdmin);
    expect(enrolment).toMatchObject({ nodeId: "n9", keySha256: "" });
    const refused = { code: RpcStatus.PERMISSION_DENIED };
    expect((await speak(collector, clientOf(caPem, stolen), "n9")).first).toMatchObject(refused);
    await collector.stop();
    const again = await fleet();
    expect((await speak(again.collector, clientOf(caPem, stolen), "n9")).first).toMatchObject(refused);
    await again.admin.unary("readmitNode", { nodeId: "n9" }, again.asAdmin);
    expect((await speak(again.collector, clientOf(caPem, stolen), "n9")).first).toMatchObject(refused);
    const fresh = await again.enrol(await again.token(), "n9");
    expect((await speak(again.collector, clientOf(caPem, fresh), "n9")).first).toBe("admitted");
  });

  it("cannot be undone for an id that was neither revoked nor enrolled", async () => {
    const { admin, asAdmin } = await fleet();
    const readmitted = admin.unary("readmitNode", { nodeId: "n9" }, asAdmin);
    await expect(readmitted).rejects.toMatchObject({ code: RpcStatus.NOT_FOUND });
  });

  it("revokes every key that was in use, when certificates come from files", async () => {
    const test = await testFleetCa();
    const collector = await fixture.start(
      { tls: await test.listenerFiles(join(fixture.directory, "tls")) },
      ENVIRONMENT,
    );
    const caPem = test.pems.certPem;
    const admin = createRpcClient(adminPb.AdminService, `127.0.0.1:${collector.grpcPort}`, clientOf(caPem));
    closers.push(() => admin.close());
    const pairs = [await test.node("n1"), await test.node("n1"), await test.node("n1")];
    for (const pair of pairs) expect((await speak(collector, clientOf(caPem, pair), "n1")).first).toBe("admitted");
    const asAdmin = { ...OPTIONS, bearerToken: ADMIN_TOKEN };
    await admin.unary("revokeNode", { nodeId: "n1" }, asAdmin);
    await admin.unary("readmitNode", { nodeId: "n1" }, asAdmin);
    for (const pair of pairs) {
      expect((await speak(collector, clientOf(caPem, pair), "n1")).first).toMatchObject({
        code: RpcStatus.PERMISSION_DENIED,
      });
    }
    expect((await speak(collector, clientOf(caPem, await test.node("n1")), "n1")).first).toBe("admitted");
  });
});

describe("a node id", () => {
  it("belongs to one key: a second is refused, counted and logged; the first stream goes on", async () => {
    const { collector, caPem, der, token, enrol } = await fleet();
    const pair = await enrol(await token(), "n1");
    const data = join(fixture.directory, "data/identity");
    const certPem = readFileSync(join(data, "ca.pem"), "utf8");
    expect(fingerprintOf(der)).toMatch(/^sha256:/);
    const ca = await openFleetCa(certPem, readFileSync(join(data, "ca.key"), "utf8"), randomBytes);
    const thief = makeKeyPair();
    const options = { nodeId: "n1", publicKeyDer: thief.publicKeyDer, nowMs: systemClock.wallMs(), lifetimeMs: 60_000 };
    const stolen = { certPem: (await ca.issueNode(options)).pem, keyPem: thief.privateKeyPem };
    const own = await speak(collector, clientOf(caPem, pair), "n1");
    expect((await speak(collector, clientOf(caPem, stolen), "n1")).first).toMatchObject({
      code: RpcStatus.PERMISSION_DENIED,
      message: expect.stringContaining("another key"),
    });
    expect(own.first).toBe("admitted");
    expect(await fixture.metrics(collector)).toContain(
      'lifeline_collector_node_claims_refused_total{holder="lasting"} 1',
    );
    await collector.stop();
    expect(fixture.logged.join("")).toContain("another key claims the id of a node");
  });

  it("is adopted for a valid certificate that the database does not know, as after a restore", async () => {
    const { collector, caPem, token, enrol } = await fleet();
    const pair = await enrol(await token(), "n1");
    await collector.stop();
    const data = join(fixture.directory, "data");
    for (const name of readdirSync(data))
      if (name.startsWith("collector.db")) renameSync(join(data, name), join(fixture.directory, name));
    const { collector: again, admin, asAdmin } = await fleet();
    expect((await speak(again, clientOf(caPem, pair), "n1")).first).toBe("admitted");
    expect((await admin.unary("listEnrolments", {}, asAdmin)).enrolments).toMatchObject([
      { nodeId: "n1", joinTokenId: "" },
    ]);
  });
});

describe("the streams of a node", () => {
  it("are bounded, before their Hello too: the oldest ends, and other nodes have room", async () => {
    const { collector, caPem, token, enrol } = await fleet();
    const [n1, n2] = [await enrol(await token(), "n1"), await enrol(await token(), "n2")];
    const clients = Array.from({ length: 5 }, () =>
      createRpcClient(reportPb.ReportService, `127.0.0.1:${collector.grpcPort}`, clientOf(caPem, n1)),
    );
    closers.push(...clients.map((client) => () => client.close()));
    const ends: Promise<unknown>[] = [];
    // The collector of the fixture has room for eight streams, a connection for four.
    for (const client of clients.flatMap((each) => Array(4).fill(each) as (typeof each)[])) {
      const { responses } = client.duplex("stream");
      ends.push(
        responses[Symbol.asyncIterator]()
          .next()
          .catch((error: RpcError) => error),
      );
    }
    const ended = await Promise.all(ends.slice(0, 16));
    expect(ended).toEqual(Array(16).fill(expect.objectContaining({ code: RpcStatus.ABORTED })));
    expect((await speak(collector, clientOf(caPem, n2), "n2")).first).toBe("admitted");
    const metrics = await fixture.metrics(collector);
    expect(metrics).toContain('streams_refused_total{code="too-many-of-node"} 16');
    expect(metrics).toContain("\nlifeline_collector_streams 5");
  });
});

describe("an enrolment", () => {
  it("is pruned a month after its last certificate expired, which frees its id; a token three months after its end", async () => {
    const hours = manualClock(systemClock.wallMs());
    await fixture.close();
    fixture = openCollectorFixture(hours);
    const { collector, caPem, token, enrol, admin, asAdmin } = await fleet();
    await enrol(await token(), "n1");
    const known = async () => {
      const { enrolments } = await admin.unary("listEnrolments", {}, asAdmin);
      const { tokens } = await admin.unary("listJoinTokens", {}, asAdmin);
      return [enrolments.map(({ nodeId }) => nodeId), tokens.map(({ note }) => note)];
    };
    const n2 = clientOf(caPem, await ownNode("n2", makeKeyPair(), 500 * DAY_MS));
    hours.stepWall(100 * DAY_MS);
    await token({ note: "of now" });
    const pass = async (minutes: number) => {
      for (let minute = 0; minute < minutes; minute += 10) {
        // The clock of a node that reports confirms the collector's.
        await (await speak(collector, n2, "n2", hours.wallMs() - aheadMs)).report(minute + 1);
        await known();
        hours.advance(600_000);
      }
    };
    await pass(150);
    aheadMs = 200 * DAY_MS;
    hours.stepWall(aheadMs);
    await pass(10);
    hours.stepWall(-aheadMs);
    aheadMs = 0;
    expect(await known()).toEqual([
      ["n1", "n2"],
      ["of now", ""],
    ]);
    hours.stepWall(91 * DAY_MS);
    await token({ note: "of then" });
    await pass(150);
    await vi.waitFor(async () => expect(await known()).toEqual([["n2"], ["of then"]]), WAIT);
  });
});

describe("a certificate", () => {
  it("is valid until its end, on an open connection too", async () => {
    const { collector, address, caPem, token, enrol } = await fleet();
    const keys = makeKeyPair();
    const times = { nowMs: systemClock.wallMs(), lifetimeMs: 60_000 };
    const { pem } = await (await ownCa()).issueRole({
      name: "ada",
      role: "admin",
      publicKeyDer: keys.publicKeyDer,
      ...times,
    });
    const client = createRpcClient(
      adminPb.AdminService,
      address,
      clientOf(caPem, { certPem: pem, keyPem: keys.privateKeyPem }),
    );
    closers.push(() => client.close());
    const node = createRpcClient(reportPb.ReportService, address, clientOf(caPem, await enrol(await token(), "n1")));
    closers.push(() => node.close());
    await client.unary("listEnrolments", {}, OPTIONS);
    const first = node.duplex("stream");
    await first.send({ message: { case: "hello", value: { nodeId: "n1", bootId: randomBytes(16) } } });
    expect((await first.responses[Symbol.asyncIterator]().next()).done).toBe(false);
    aheadMs = 25 * 3_600_000;
    const ended = { code: RpcStatus.UNAUTHENTICATED, message: expect.stringContaining("CERT_HAS_EXPIRED") };
    await expect(client.unary("listEnrolments", {}, OPTIONS)).rejects.toMatchObject(ended);
    const second = node.duplex("stream");
    await expect(second.responses[Symbol.asyncIterator]().next()).rejects.toMatchObject(ended);
    expect(await fixture.metrics(collector)).toContain('calls_refused_total{reason="bad-certificate"} 2');
  });

  it.each(["a b", "N1"])("whose name is no node id speaks for no node: %s", async (name) => {
    const test = await testFleetCa();
    const collector = await fixture.start(
      { tls: await test.listenerFiles(join(fixture.directory, "tls")) },
      ENVIRONMENT,
    );
    const caPem = test.pems.certPem;
    const admin = createRpcClient(adminPb.AdminService, `127.0.0.1:${collector.grpcPort}`, clientOf(caPem));
    closers.push(() => admin.close());
    expect((await speak(collector, clientOf(caPem, await test.node(name)), "n1")).first).toMatchObject({
      code: RpcStatus.PERMISSION_DENIED,
      message: expect.stringContaining(`certificate: got the common name "${name}", want a node id`),
    });
    const asAdmin = { ...OPTIONS, bearerToken: ADMIN_TOKEN };
    expect((await admin.unary("listEnrolments", {}, asAdmin)).enrolments).toEqual([]);
  });
});

describe("people", () => {
  it("may call what the role of their token or certificate permits", async () => {
    const { collector, address, caPem, token, enrol } = await fleet();
    const node = await enrol(await token(), "n1");
    const ca = await ownCa();
    const roleOf = async (role: "reader" | "admin" | "witness") => {
      const keys = makeKeyPair();
      const times = { nowMs: systemClock.wallMs(), lifetimeMs: 60_000 };
      const { pem } = await ca.issueRole({ name: "ada", role, publicKeyDer: keys.publicKeyDer, ...times });
      return { certPem: pem, keyPem: keys.privateKeyPem };
    };
    const adminOfOtherCa = await (await testFleetCa()).role("admin");
    const { UNAUTHENTICATED, PERMISSION_DENIED } = RpcStatus;
    const table: [string, Pair | undefined, string | undefined, query: number, admin: number][] = [
      ["nothing", undefined, undefined, UNAUTHENTICATED, UNAUTHENTICATED],
      ["an unknown token", undefined, randomBytes(32).toString("hex"), UNAUTHENTICATED, UNAUTHENTICATED],
      ["a reader's token", undefined, READER_TOKEN, RpcStatus.OK, PERMISSION_DENIED],
      ["an admin's token", undefined, ADMIN_TOKEN, RpcStatus.OK, RpcStatus.OK],
      ["a reader's certificate", await roleOf("reader"), undefined, RpcStatus.OK, PERMISSION_DENIED],
      ["an admin's certificate", await roleOf("admin"), undefined, RpcStatus.OK, RpcStatus.OK],
      ["a witness's certificate", await roleOf("witness"), undefined, PERMISSION_DENIED, PERMISSION_DENIED],
      ["a node's certificate", node, undefined, PERMISSION_DENIED, PERMISSION_DENIED],
      ["an admin's of another CA", adminOfOtherCa, undefined, UNAUTHENTICATED, UNAUTHENTICATED],
    ];
    for (const [what, pair, bearerToken, query, admin] of table) {
      const options = { ...OPTIONS, ...(bearerToken === undefined ? {} : { bearerToken }) };
      const calls = [
        createRpcClient(queryPb.QueryService, address, clientOf(caPem, pair)).unary("listNodes", {}, options),
        createRpcClient(adminPb.AdminService, address, clientOf(caPem, pair)).unary("listEnrolments", {}, options),
      ].map((call) =>
        call.then(
          () => RpcStatus.OK,
          ({ code }: RpcError) => code,
        ),
      );
      expect([what, ...(await Promise.all(calls))]).toEqual([what, query, admin]);
    }
    // A person cannot open a node's stream.
    expect((await speak(collector, clientOf(caPem, await roleOf("admin")), "ada")).first).toMatchObject({
      code: PERMISSION_DENIED,
    });
    expect(fixture.logged.join("")).not.toContain(ADMIN_TOKEN);
  });

  it("may call anything on a plaintext collector without tokens, and need a token where there are some", async () => {
    const statusOf = async (environment: Readonly<Record<string, string>>, bearerToken?: string) => {
      const collector = await fixture.start(
        { dataDir: join(fixture.directory, randomBytes(4).toString("hex")) },
        environment,
      );
      const client = createRpcClient(
        queryPb.QueryService,
        `127.0.0.1:${collector.grpcPort}`,
        channelCredentials.createInsecure(),
      );
      closers.push(() => client.close());
      const options = { ...OPTIONS, ...(bearerToken === undefined ? {} : { bearerToken }) };
      return client.unary("listNodes", {}, options).then(
        () => RpcStatus.OK,
        ({ code }: RpcError) => code,
      );
    };
    expect(await statusOf({})).toBe(RpcStatus.OK);
    expect(await statusOf(ENVIRONMENT)).toBe(RpcStatus.UNAUTHENTICATED);
    expect(await statusOf(ENVIRONMENT, READER_TOKEN)).toBe(RpcStatus.OK);
  });
});

describe("the listener", () => {
  it("speaks TLS 1.3 and nothing older, and no plaintext", async () => {
    const { collector } = await fleet();
    const { grpcPort: port } = collector;
    const handshake = (maxVersion: "TLSv1.2" | "TLSv1.3") =>
      new Promise<string>((settle) => {
        const socket = tlsConnect({ port, host: "127.0.0.1", rejectUnauthorized: false, maxVersion }, () => {
          settle(socket.getProtocol() ?? "none");
          socket.destroy();
        });
        socket.on("error", () => settle("refused"));
      });
    expect([await handshake("TLSv1.2"), await handshake("TLSv1.3")]).toEqual(["refused", "TLSv1.3"]);
    const plain = await speak(collector, channelCredentials.createInsecure(), "n1");
    expect(plain.first).toMatchObject({ code: RpcStatus.UNAVAILABLE });
    expect(await fixture.metrics(collector)).toMatch(/connections_refused_total\{reason="handshake"\} [1-9]/);
  });

  it("keeps the CA key readable by its owner only, and the same CA across a restart", async () => {
    const { collector, der } = await fleet();
    expect(statSync(join(fixture.directory, "data/identity/ca.key")).mode & 0o777).toBe(0o600);
    await collector.stop();
    expect((await fleet()).der).toEqual(der);
  });

  it.each([
    ["no certificate", (test: string) => ({ certFile: writeIn("x.pem", "nothing"), keyFile: test }), "tls.certFile"],
    [
      "another's key",
      (test: string) => ({ keyFile: writeIn("k.pem", makeKeyPair().privateKeyPem), certFile: test }),
      "tls.keyFile",
    ],
  ])("refuses %s before anything is opened", async (_, broken, field) => {
    const files = await (await testFleetCa()).listenerFiles(join(fixture.directory, "tls"));
    const tls = { ...files, ...broken(files.certFile), caFile: files.caFile };
    await expect(fixture.start({ tls })).rejects.toMatchObject({
      code: "bad-value",
      message: expect.stringContaining(`${field}: got `),
    });
  });

  function writeIn(name: string, text: string): string {
    const path = join(fixture.directory, name);
    writeFileSync(path, text);
    return path;
  }
});
