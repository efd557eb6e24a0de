import type { RecordType } from "@lifeline/measure";
import { beforeAll, describe, expect, it } from "vitest";
import { probe } from "./probe.ts";
import { dnsServer, dnsTcpServer } from "./testing/dns-server.ts";
import { stampsReady, targetOf, worldOf } from "./testing/loopback.ts";
import { closedPort, silentUdpPort, tcpPeer } from "./testing/peers.ts";

beforeAll(stampsReady);

function query(port: number, label: string, transport: "udp" | "tcp" = "udp", type: RecordType = "A") {
  return probe(
    targetOf({ probe: "dns", query: `${label}.test`, transport, type }, { port, timeoutMs: 150 }),
    worldOf(),
  );
}

describe.each(["udp", "tcp"] as const)("the DNS probe over %s", (transport) => {
  const serve = () => (transport === "udp" ? dnsServer() : dnsTcpServer());

  it("is answered by an address, with a round trip", async () => {
    await using server = await serve();
    const sample = await query(server.port, "good", transport);
    expect(sample.outcome).toEqual({ reason: "answered", phase: "first-byte" });
    expect(sample.rtt?.source).toBe("kernel");
    expect(sample.evidence).toMatchObject({ answers: ["127.0.0.1", "127.0.0.2"], localAddress: "127.0.0.1" });
  });

  it("queries the records of either family", async () => {
    await using server = await serve();
    const sample = await query(server.port, "good", transport, "AAAA");
    expect(sample).toMatchObject({ outcome: { reason: "answered" }, evidence: { answers: ["::1"] } });
  });

  it.each([
    ["nxdomain", "answered", "NXDOMAIN"],
    ["servfail", "answer-servfail", "SERVFAIL"],
    ["refused", "answer-refused", "REFUSED"],
    ["formerr", "answer-servfail", "FORMERR"],
    ["notimp", "answer-servfail", "NOTIMP"],
    ["yxdomain", "answer-servfail", "RCODE6"],
    ["nodata", "answered", undefined],
    ["garbage", "answer-malformed", undefined],
    ["overrun", "answer-malformed", undefined],
    ["cut", "answered", "TC"],
    ["short", "answered", "TC"],
  ])("judges %s as %s", async (label, reason, code) => {
    await using server = await serve();
    const sample = await query(server.port, label, transport);
    expect(sample.outcome).toEqual({ reason, phase: "first-byte" });
    expect(sample.evidence.code).toBe(code);
    // The resolver's own addresses are not those of the name.
    expect(sample.evidence.answers).toBeUndefined();
    expect(sample.rtt).toBeDefined();
  });

  it("is refused by a closed port", async () => {
    const sample = await query(await closedPort(), "good", transport);
    expect(sample.outcome.reason).toBe("refused");
    expect(sample.rtt?.source).toBe("monotonic");
  });

  it("sends no name that cannot exist (RFC 1035 §2.3.4)", async () => {
    const sample = await query(9, "x".repeat(64), transport);
    expect(sample.outcome).toEqual({ reason: "agent-resource", phase: "plan" });
  });
});

describe("the DNS probe", () => {
  it("counts answers to another query as strays, and times out when no other comes", async () => {
    await using server = await dnsServer();
    const sample = await query(server.port, "otherid");
    expect(sample.outcome).toEqual({ reason: "timeout", phase: "first-byte" });
    expect(sample.evidence.strays).toBe(1);
  });

  it("times out by silence, over UDP and above TCP", async () => {
    await using silent = await silentUdpPort();
    expect((await query(silent.port, "good")).outcome.reason).toBe("timeout");
    await using silentTcp = await tcpPeer();
    expect((await query(silentTcp.port, "good", "tcp")).outcome.reason).toBe("handshake-timeout");
    await using closing = await tcpPeer((socket) => socket.once("data", () => socket.end()));
    expect((await query(closing.port, "good", "tcp")).outcome.reason).toBe("reset");
  });
});
