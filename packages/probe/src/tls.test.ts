import { createServer, type TlsOptions } from "node:tls";
import { manualClock } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { probe } from "./probe.ts";
import { afterSyn, targetOf, temporaryFile, worldOf } from "./testing/loopback.ts";
import { closedPort, fixture, listening, type Peer, silentTcpPort, tcpPeer } from "./testing/peers.ts";
import { PunctualClock } from "./testing/punctual-clock.ts";
import { createProbeWorld } from "./world.ts";

const tls = { probe: "tls", trust: { kind: "public" }, alpn: [], alpnRequired: false } as const;

function tlsPeer(certificate: string, options: TlsOptions = {}): Promise<Peer> {
  const pem = fixture(certificate);
  const server = createServer({ cert: pem, key: pem, ...options }, (socket) => socket.on("error", () => {}));
  server.on("tlsClientError", () => {});
  return listening(server);
}

async function probeNamed(port: number, options: Parameters<typeof targetOf>[0] = tls, host = "peer.test") {
  using hosts = temporaryFile("hosts", "127.0.0.1 peer.test other.test\n");
  return probe(targetOf(options, { port, host }), worldOf({ hostsFile: hosts.path }));
}

describe("the TLS probe", () => {
  it("is answered by a trusted chain for the right name, and records what was negotiated", async () => {
    await using peer = await tlsPeer("leaf-chain.pem", { ALPNProtocols: ["h2"] });
    const sample = await probeNamed(peer.port, { ...tls, alpn: ["h2"], alpnRequired: true });
    expect(sample.outcome).toEqual({ reason: "answered", phase: "tls" });
    expect(sample.evidence).toMatchObject({ tlsVersion: "TLSv1.3", alpn: "h2" });
    expect(sample.evidence.chain?.map(({ subject }) => subject)).toEqual([
      "CN=peer.test",
      "CN=Lifeline test intermediate",
      "CN=Lifeline test root",
    ]);
    expect(sample.evidence.chain?.[0]).toMatchObject({
      issuer: "CN=Lifeline test intermediate",
      notBefore: expect.stringMatching(/^20\d\d-.*Z$/),
      notAfter: "2120-01-01T00:00:00.000Z",
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(sample.evidence.chain?.map(({ anchor }) => anchor)).toEqual([false, false, true]);
    expect(sample.rtt?.source).toBe("kernel");
    expect(sample.phases.tlsNs).toBeGreaterThan(0);
  });

  it.each([
    ["a wrong name", "good.pem", "other.test", "tls-name-mismatch", "ERR_TLS_CERT_ALTNAME_INVALID"],
    ["an expired certificate", "expired.pem", "peer.test", "tls-expired", "CERT_HAS_EXPIRED"],
    ["one not valid yet", "future.pem", "peer.test", "tls-not-yet-valid", "CERT_NOT_YET_VALID"],
  ])("rejects %s by its code, and records the chain", async (_, certificate, host, reason, code) => {
    await using peer = await tlsPeer(certificate);
    const sample = await probeNamed(peer.port, tls, host);
    expect(sample.outcome).toEqual({ reason, phase: "tls" });
    expect(sample.evidence.code).toBe(code);
    expect(sample.evidence.chain?.[0]?.subject).toBe("CN=peer.test");
    expect(sample.rtt).toBeDefined();
  });

  const NO_ISSUER = "UNABLE_TO_GET_ISSUER_CERT_LOCALLY";

  it.each([
    // Alone, with the URL of its issuer's certificate.
    ["its issuer's URL and no issuer", "aia-alone.pem", "root.pem", "tls-incomplete-chain", NO_ISSUER],
    ["the same, when the root is unknown too", "aia-alone.pem", "unknown-root.pem", "tls-incomplete-chain", NO_ISSUER],
    ["the whole chain", "aia-chain.pem", "root.pem", undefined, undefined],
    // These cannot be distinguished from a certificate that an unknown root issued itself.
    ["no issuer and no URL", "leaf-alone.pem", "root.pem", "tls-untrusted", NO_ISSUER],
    ["an intermediate of an unknown root", "aia-chain.pem", "unknown-root.pem", "tls-untrusted", NO_ISSUER],
    ["an unknown root, shown", "aia-unknown-root.pem", "root.pem", "tls-untrusted", "SELF_SIGNED_CERT_IN_CHAIN"],
    ["the name of a trusted root on another key", "aia-same-name-root.pem", "root.pem", "tls-untrusted", NO_ISSUER],
  ])("judges a chain that shows %s", async (_, certificate, root, reason, code) => {
    await using peer = await tlsPeer(certificate);
    const trusts = [
      { trust: { kind: "private", caPem: fixture(root) } as const, publicRoots: [fixture("good.pem")] },
      { trust: { kind: "public" } as const, publicRoots: [fixture(root)] },
    ];
    for (const { trust, publicRoots } of trusts) {
      using hosts = temporaryFile("hosts", "127.0.0.1 peer.test\n");
      const target = targetOf({ ...tls, trust }, { port: peer.port, host: "peer.test" });
      const sample = await probe(target, worldOf({ hostsFile: hosts.path, publicRoots }));
      expect(sample.outcome).toEqual({ reason: reason ?? "answered", phase: "tls" });
      expect(sample.evidence.code).toBe(code);
    }
  });

  it("survives a key on a curve that Node cannot name, and records the chain", async () => {
    await using peer = await tlsPeer("brainpool.pem");
    for (let times = 0; times < 2; times += 1) {
      const sample = await probeNamed(peer.port, tls);
      expect(sample.outcome).toEqual({ reason: "tls-untrusted", phase: "tls" });
      expect(sample.evidence.chain).toMatchObject([{ subject: "CN=peer.test", issuer: "CN=peer.test" }]);
    }
  });

  it("judges a chain by the host's own roots when no others are given", async () => {
    await using peer = await tlsPeer("aia-alone.pem");
    using hosts = temporaryFile("hosts", "127.0.0.1 peer.test\n");
    const world = createProbeWorld({
      clock: new PunctualClock(),
      random: () => 0.5,
      resolvers: [],
      hostsFile: hosts.path,
    });
    const target = targetOf(tls, { port: peer.port, host: "peer.test" });
    expect((await probe(target, world)).outcome.reason).toBe("tls-incomplete-chain");
  });

  it("gives the TCP handshake the time of one SYN: a dropped SYN is loss, not a slow exchange (M1)", async () => {
    await using peer = await silentTcpPort();
    using hosts = temporaryFile("hosts", "127.0.0.1 peer.test\n");
    const target = targetOf(tls, { port: peer.port, host: "peer.test", timeoutMs: 3_000 });
    const clock = manualClock(0);
    let isOver = false;
    const sampling = probe(target, worldOf({ clock, hostsFile: hosts.path })).finally(() => {
      isOver = true;
    });
    await afterSyn();
    clock.advance(949);
    await turns(8);
    expect(isOver).toBe(false);
    clock.advance(1);
    const sample = await sampling;
    expect(sample.outcome).toEqual({ reason: "timeout", phase: "connect" });
    expect(sample.evidence.synRetransmits).toBeUndefined();
    expect(sample.rtt).toBeUndefined();
  });

  it("trusts only the given private CA", async () => {
    await using peer = await tlsPeer("good.pem");
    const privately = (name: string) => ({ ...tls, trust: { kind: "private", caPem: fixture(name) } }) as const;
    expect((await probeNamed(peer.port, privately("root.pem"))).outcome.reason).toBe("answered");
    expect((await probeNamed(peer.port, privately("unknown-root.pem"))).outcome.reason).toBe("tls-untrusted");
  });

  it("compares an address literal with the certificate's addresses, and sends no server name", async () => {
    const names: (string | undefined)[] = [];
    await using peer = await tlsPeer("good.pem", {
      SNICallback: (name, done) => {
        names.push(name);
        done(null);
      },
    });
    const sample = await probe(targetOf(tls, { port: peer.port }), worldOf());
    expect(sample.outcome.reason).toBe("answered");
    expect(names).toEqual([]);
  });

  it.each([
    ["the server has no ALPN", {}, "alpn-mismatch"],
    ["the server refuses ours", { ALPNProtocols: ["acme"] }, "alpn-mismatch"],
  ])("is a mismatch of a required protocol when %s", async (_, options, reason) => {
    await using peer = await tlsPeer("good.pem", options);
    const sample = await probeNamed(peer.port, { ...tls, alpn: ["h2"], alpnRequired: true });
    expect(sample.outcome).toEqual({ reason, phase: "tls" });
  });

  it("refuses less than TLS 1.2", async () => {
    await using peer = await tlsPeer("good.pem", {
      minVersion: "TLSv1",
      maxVersion: "TLSv1.1",
      ciphers: "DEFAULT:@SECLEVEL=0",
    });
    const { outcome, evidence } = await probeNamed(peer.port);
    expect(outcome).toEqual({ reason: "tls-alert", phase: "tls" });
    expect(evidence.tlsAlert).toBe(70);
  });

  it.each([
    ["is silent", () => {}, "handshake-timeout"],
    ["resets mid-handshake", (socket) => socket.once("data", () => socket.resetAndDestroy()), "reset"],
    ["closes mid-handshake", (socket) => socket.once("data", () => socket.end()), "reset"],
    ["speaks no TLS", (socket) => socket.end("220 mail.test ESMTP\r\n"), "tls-plaintext"],
  ] satisfies [string, Parameters<typeof tcpPeer>[0], string][])("judges a peer that %s", async (_, serve, reason) => {
    await using peer = await tcpPeer(serve);
    const sample = await probe(targetOf(tls, { port: peer.port, timeoutMs: 150 }), worldOf());
    expect(sample.outcome).toEqual({ reason, phase: "tls" });
    // TCP answered, so there is a round trip: it means the same for every probe.
    expect(sample.rtt?.source).toBe("kernel");
  });

  it("has no duration when this process stalled in the handshake (M3)", async () => {
    const clock = new PunctualClock();
    await using peer = await tlsPeer("good.pem", {
      SNICallback(_name, done) {
        done(null);
        process.nextTick(() => clock.stall(20_000));
      },
    });
    const sample = await probe(targetOf(tls, { port: peer.port, host: "localhost" }), worldOf({ clock }));
    expect(sample.outcome).toEqual({ reason: "stalled", phase: "tls" });
    expect(sample.phases.tlsNs).toBeUndefined();
  });

  it("is refused like TCP", async () => {
    const sample = await probe(targetOf(tls, { port: await closedPort() }), worldOf());
    expect(sample.outcome).toEqual({ reason: "refused", phase: "connect" });
  });

  it.each([
    ["cannot be parsed", "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n"],
    ["is empty", ""],
    [
      "can be parsed only in part",
      `${fixture("root.pem")}-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n`,
    ],
  ])("blames this agent, and no interception, for a CA that %s", async (_, caPem) => {
    await using peer = await tlsPeer("good.pem");
    const sample = await probeNamed(peer.port, { ...tls, trust: { kind: "private", caPem } });
    expect(sample.outcome).toEqual({ reason: "agent-resource", phase: "plan" });
    expect(sample.evidence.code).toMatch(/^ERR_/);
  });
});

/** Lets the event loop turn, and read what the kernel holds, `count` times. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
