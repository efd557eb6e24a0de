import { beforeAll, describe, expect, it } from "vitest";
import { proofOf, sealNtsRequest } from "./nts-packet.ts";
import { decodeKeyExchange, encodeKeyExchange } from "./nts-record.ts";
import { probe } from "./probe.ts";
import { stampsReady, targetOf, worldOf } from "./testing/loopback.ts";
import { silentTcpPort, tcpPeer } from "./testing/peers.ts";
import {
  extensionField,
  extensionFields,
  keyExchangeAnswer,
  kissOfDeath,
  type NtsBehaviour,
  ntpAnswer,
  ntsRecord,
  ntsServer,
} from "./testing/time-server.ts";

beforeAll(stampsReady);

const nts = { probe: "nts", trust: { kind: "public" } } as const;

async function attempt(behaviour: NtsBehaviour, timeoutMs = 10_000) {
  await using server = await ntsServer(behaviour);
  return await probe(targetOf(nts, { port: server.port, timeoutMs }), worldOf());
}

const identified = (request: Buffer, header: Buffer) =>
  Buffer.concat([header, extensionField(0x0104, extensionFields(request).get(0x0104) ?? Buffer.alloc(0))]);

describe("the NTS probe", () => {
  it("is answered by a server that proves its answer with the keys of the key exchange", async () => {
    const sample = await attempt({});
    expect(sample.outcome).toEqual({ reason: "answered", phase: "first-byte" });
    expect(sample.evidence).toMatchObject({ tlsVersion: "TLSv1.3", alpn: "ntske/1", time: { stratum: 2 } });
    expect(sample.rtt?.source).toBe("kernel");
    expect(sample.phases).toMatchObject({ connectNs: expect.any(Number), tlsNs: expect.any(Number) });
  });

  it("sends a request with a unique identifier, the cookie and an authenticator (RFC 8915 §5.7)", async () => {
    await using server = await ntsServer();
    await probe(targetOf(nts, { port: server.port }), worldOf());
    const fields = extensionFields(server.requests[0] ?? Buffer.alloc(0));
    expect([...fields.keys()]).toEqual([0x0104, 0x0204, 0x0404]);
    expect(fields.get(0x0104)?.byteLength).toBe(32);
    expect(fields.get(0x0204)?.toString("latin1")).toBe("a cookie of forty bytes, known to itself");
    expect(server.requests).toHaveLength(1);
  });

  it("shows neither key nor cookie in its evidence (S1)", async () => {
    expect(JSON.stringify(await attempt({}))).not.toContain("cookie");
  });

  it.each<[string, NtsBehaviour]>([
    ["an interceptor that answers plain NTP", { answer: (request) => [ntpAnswer(request)] }],
    [
      "an interceptor that repeats the request's fields",
      { answer: (request) => [Buffer.concat([ntpAnswer(request), request.subarray(48)])] },
    ],
    [
      "an answer that was changed on the way",
      {
        answer: (request, prove) => {
          const changed = prove(ntpAnswer(request));
          changed.writeUInt8(1, 44);
          return [changed];
        },
      },
    ],
    ["a plain kiss-o'-death", { answer: (request) => [kissOfDeath(request, "DENY")] }],
  ])("has no proof of the time: %s", async (_, behaviour) => {
    const sample = await attempt(behaviour, 400);
    expect(sample.outcome).toEqual({ reason: "nts-unproven", phase: "first-byte" });
    expect(sample.rtt).toBeUndefined();
    expect(sample.evidence.time).toBeUndefined();
    expect(sample.evidence.strays).toBe(1);
  });

  it("goes on waiting for the proven answer after one that is not", async () => {
    const sample = await attempt({ answer: (request, prove) => [ntpAnswer(request), prove(ntpAnswer(request))] });
    expect(sample).toMatchObject({ outcome: { reason: "answered" }, evidence: { strays: 1 } });
  });

  it("names an NTS NAK, and not one that anybody could have sent", async () => {
    const nak = await attempt({ answer: (request) => [identified(request, kissOfDeath(request, "NTSN"))] }, 400);
    expect(nak.outcome.reason).toBe("nts-nak");
    const forged = await attempt({ answer: (request) => [kissOfDeath(request, "NTSN")] }, 400);
    expect(forged.outcome.reason).toBe("nts-unproven");
  });

  it("obeys a proven kiss-o'-death, and reports a server that is not synchronised", async () => {
    const kissed = await attempt({ answer: (request, prove) => [prove(kissOfDeath(request, "RATE"))] });
    expect(kissed.outcome.reason).toBe("rate-limited");
    const lost = await attempt({ answer: (request, prove) => [prove(ntpAnswer(request, { bytes: { 1: 16 } }))] });
    expect(lost.outcome.reason).toBe("time-unsynchronised");
  });

  it("is silent where the key exchange works and UDP is lost", async () => {
    const sample = await attempt({ answer: () => [] }, 400);
    expect(sample.outcome).toEqual({ reason: "nts-silent", phase: "first-byte" });
    expect(sample.evidence.strays).toBeUndefined();
  });

  it("asks the server that the key exchange names", async () => {
    const keyExchange = (port: number, cookie: Uint8Array) => keyExchangeAnswer(port, cookie, "127.0.0.2");
    await using server = await ntsServer({ keyExchange });
    const sample = await probe(targetOf(nts, { port: server.port, timeoutMs: 400 }), worldOf());
    expect(sample.evidence.address).toBe("127.0.0.2");
  });

  it.each<[string, string, string, NtsBehaviour["keyExchange"]]>([
    [
      "an error",
      "nts-refused",
      "NTSKE_ERROR_1",
      () => Buffer.concat([ntsRecord(0x8002, Buffer.from([0, 1])), ntsRecord(0x8000, Buffer.alloc(0))]),
    ],
    [
      "no common protocol",
      "nts-refused",
      "NTSKE_NO_NTPV4",
      () => Buffer.concat([ntsRecord(0x8001, Buffer.alloc(0)), ntsRecord(0x8000, Buffer.alloc(0))]),
    ],
    [
      "no common algorithm",
      "nts-refused",
      "NTSKE_NO_AEAD",
      () =>
        Buffer.concat([
          ntsRecord(0x8001, Buffer.alloc(2)),
          ntsRecord(4, Buffer.alloc(0)),
          ntsRecord(0x8000, Buffer.alloc(0)),
        ]),
    ],
    [
      "no cookie",
      "nts-key-exchange",
      "NTSKE_NO_COOKIE",
      () =>
        Buffer.concat([
          ntsRecord(0x8001, Buffer.alloc(2)),
          ntsRecord(4, Buffer.from([0, 15])),
          ntsRecord(0x8000, Buffer.alloc(0)),
        ]),
    ],
    [
      "an unknown critical record",
      "nts-key-exchange",
      "NTSKE_UNKNOWN_RECORD",
      () =>
        Buffer.concat([
          ntsRecord(0x8001, Buffer.alloc(2)),
          ntsRecord(0x9000, Buffer.alloc(0)),
          ntsRecord(0x8000, Buffer.alloc(0)),
        ]),
    ],
    ["half an answer", "nts-key-exchange", "NTSKE_CUT_OFF", () => ntsRecord(0x8001, Buffer.alloc(2))],
    [
      "the page of a web server",
      "nts-key-exchange",
      "NTSKE_NO_RECORD",
      () => Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"),
    ],
    [
      "a server that is no host",
      "nts-key-exchange",
      "NTSKE_BAD_SERVER",
      (port, cookie) => keyExchangeAnswer(port, cookie, "a b"),
    ],
    ["port 0", "nts-key-exchange", "NTSKE_BAD_PORT", (_, cookie) => keyExchangeAnswer(0, cookie)],
    ["nothing", "reset", "ECONNRESET", () => Buffer.alloc(0)],
  ])("ends where the key exchange answers %s", async (_, reason, code, keyExchange) => {
    const sample = await attempt(keyExchange === undefined ? {} : { keyExchange });
    expect(sample).toMatchObject({ outcome: { reason, phase: "request" }, evidence: { code } });
    expect(sample.rtt).toBeUndefined();
  });

  it.each<[string, string, NtsBehaviour]>([
    ["another application protocol", "alpn-mismatch", { alpn: "h2" }],
    ["TLS 1.2", "tls-protocol", { maxVersion: "TLSv1.2" }],
    ["an expired certificate", "tls-expired", { certificate: "expired.pem" }],
  ])("judges the TLS of the key exchange as a TLS probe does: %s", async (_, reason, behaviour) => {
    const sample = await attempt(behaviour);
    expect(sample.outcome).toEqual({ reason, phase: "tls" });
  });

  it("is lost where TCP is", async () => {
    await using silent = await silentTcpPort();
    const sample = await probe(targetOf(nts, { port: silent.port, timeoutMs: 60 }), worldOf());
    expect(sample.outcome).toEqual({ reason: "timeout", phase: "connect" });
  });

  it("times out where the key exchange never answers", async () => {
    await using silent = await tcpPeer((socket) => socket.resume());
    const sample = await probe(targetOf(nts, { port: silent.port, timeoutMs: 60 }), worldOf());
    expect(sample.outcome.reason).toBe("handshake-timeout");
  });
});

describe("the packets of NTS", () => {
  it("ask for NTPv4 with AES-SIV-CMAC-256 (RFC 8915 §4.1)", () => {
    expect(Buffer.from(encodeKeyExchange()).toString("hex")).toBe("80010002000080040002000f80000000");
  });

  it("are sealed as another implementation seals them", () => {
    // Made with python3-cryptography: AESSIV(key).encrypt(b"", [associated, nonce]).
    const key = Uint8Array.from({ length: 32 }, (_, at) => at);
    const request = {
      uniqueIdentifier: new Uint8Array(32).fill(1),
      cookie: new Uint8Array(8).fill(2),
      aeadNonce: new Uint8Array(16).fill(3),
    };
    const packet = sealNtsRequest(new Uint8Array(48).fill(9), request, { clientToServer: key, serverToClient: key });
    expect(Buffer.from(packet).subarray(-16).toString("hex")).toBe("fb0b0f14de8ab023bc9df0437098f69e");
    expect(proofOf(packet, request.uniqueIdentifier, { clientToServer: key, serverToClient: key })).toBe("proven");
  });

  it("are read or refused whatever the bytes (S2)", () => {
    const keys = { clientToServer: new Uint8Array(32), serverToClient: new Uint8Array(32) };
    for (let seed = 1; seed < 3_000; seed += 1) {
      const bytes = Buffer.from(Array.from({ length: seed % 97 }, (_, at) => (seed * 31 + at * at * 7) & 0x1f));
      expect(["agreed", "refused", "malformed", "incomplete"]).toContain(decodeKeyExchange(bytes).kind);
      const packet = Buffer.concat([Buffer.alloc(48), bytes]);
      expect(proofOf(packet, new Uint8Array(32), keys)).not.toBe("proven");
    }
  });
});
