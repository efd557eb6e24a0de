import type { ResolvedRow, Service } from "@lifeline/catalogue";
import type { Cause, Reason, Target } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import type { NodeContext } from "./node-context.ts";
import { closedPort, LINK, rowOf, STAMP, TCP, TLS, targetOf, UDP } from "./testing/judgement-fixture.ts";
import { type Judged, type Past, replay, type World } from "./testing/replay.ts";

const GRPC = { probe: "grpc", expect: { method: "/s.S/M", status: 12, message: "*" } } as const;
const handshake = { timeoutMs: 2_500 };
const MACHINE_API = { requirementId: "machine-api", host: "omni.test", port: 8_090 };
const apiTcp = targetOf(TCP, MACHINE_API);
const apiTls = targetOf(TLS, { ...MACHINE_API, ...handshake });
const apiGrpc = targetOf(GRPC, { ...MACHINE_API, ...handshake });
const uiTcp = targetOf(TCP, { requirementId: "api", host: "omni.test" });
const uiTls = targetOf(TLS, { requirementId: "api", host: "omni.test", ...handshake });
const AT_PORT = { requirementId: "port", host: "10.0.0.1", port: 50_180 };
const port = targetOf(UDP, AT_PORT);
const stamp = targetOf(STAMP, AT_PORT);
const INSIDE = { requirementId: "in", host: "fdae:41e4:649b:9303::1", port: 8_090, family: 6, inTunnel: true } as const;
const tcp = targetOf({ probe: "tcp", acceptReset: true }, INSIDE);
const small = targetOf(closedPort(16), { ...INSIDE, cadenceMs: 6_000 });
const large = targetOf(closedPort(1_232), { ...INSIDE, cadenceMs: 1_200 });
const link = targetOf(LINK, { requirementId: "link", host: "siderolink", port: 0, family: 6 });

const SERVICES: readonly [string, Service, readonly Target[]][] = [
  ["machine-api", "machine-api", [apiTcp, apiTls, apiGrpc]],
  ["api", "api", [uiTcp, uiTls]],
  ["in", "in-tunnel", [tcp, small, large]],
  ["link", "tunnel-link", [link]],
];
const place = (service: Service) => ({ kind: "service", service }) as const;
const withPort = (targets: readonly Target[]) => [
  ...SERVICES.map(([id, service, of]) => rowOf(of, place(service), id)),
  rowOf(targets, place("siderolink"), "port"),
];
const ROWS = withPort([port]);
const OVER_GRPC: readonly ResolvedRow[] = [
  ...SERVICES.map(([id, service, of]) => rowOf(of, place(service), id)),
  { requirement: rowOf([], place("siderolink"), "port").requirement, kind: "not-applicable", why: "gRPC" },
];

const isInside = ({ requirementId }: Target) => requirementId === "in";
const isOmni = ({ requirementId }: Target) => requirementId === "machine-api" || requirementId === "api";
/** How everything is while nothing is wrong. */
const WELL: World = (target) => (target === port ? "silent" : target === link ? "link-alive" : "answered");
/** The world with that fault from one time to another, ms; undefined: as without it. */
const between =
  (fromMs: number, untilMs: number, fault: World, otherwise: World = WELL): World =>
  (target, atMs) =>
    (atMs >= fromMs && atMs < untilMs ? fault(target, atMs) : undefined) ?? otherwise(target, atMs);

const FROM_MS = 30_000;
/** UDP is dropped both ways: the counters freeze 4 s later. */
const udpDropped =
  (fromMs: number): World =>
  (target, atMs) => {
    if (target === link) return atMs < fromMs + 4_000 ? "link-idle" : "link-frozen";
    return isInside(target) || target === stamp ? "timeout" : undefined;
  };

/** Causes that rows without another cause had in that time, by requirement; unknown rows left out. */
function roots({ judged }: Past, fromMs: number, untilMs: number): readonly string[] {
  const span = judged.filter(({ atMs }) => atMs >= fromMs && atMs < untilMs);
  const failing = ({ rows }: Judged) =>
    rows.filter(
      ({ verdict, followsFrom }) => followsFrom === undefined && (verdict === "unmet" || verdict === "degraded"),
    );
  return [...new Set(span.flatMap(failing).map(({ requirementId, cause }) => `${requirementId} ${cause}`))];
}

/** Causes of the closed incidents of a target. */
const closedOf = ({ closed }: Past, target: Target): readonly Cause[] =>
  closed.filter(({ targetId }) => targetId === target.id).map(({ cause }) => cause);
const openedOf = ({ opened }: Past, target: Target) => opened.filter(({ targetId }) => targetId === target.id).length;
const at = ({ judged }: Past, ms: number, target: Target) =>
  judged.find(({ atMs }) => atMs === ms)?.rows.find((row) => row.target?.id === target.id);
/** No target has two incidents, and none is left open. */
function isOneOutage(past: Past): boolean {
  const ids = past.opened.map(({ targetId }) => targetId);
  return new Set(ids).size === ids.length && past.judged.at(-1)?.open.size === 0;
}
const hasCause = (past: Past, cause: Cause) =>
  past.judged.some(({ rows }) => rows.some((row) => row.cause === cause)) ||
  [...past.opened, ...past.closed].some(
    (one) => one.cause === cause || one.changes.some((change) => change.cause === cause),
  );

describe("UDP is dropped for half a minute", () => {
  const past = replay(ROWS, between(FROM_MS, 60_000, udpDropped(FROM_MS)), 120_000);

  it("is one fault of the port, within five seconds and to its end", () => {
    expect(roots(past, 0, FROM_MS)).toEqual([]);
    expect(at(past, FROM_MS + 5_000, port)).toMatchObject({ verdict: "unmet", cause: "udp-blocked" });
    expect(roots(past, FROM_MS + 6_000, 60_000)).toEqual(["port udp-blocked"]);
    expect(closedOf(past, port)).toEqual(["udp-blocked"]);
    expect(isOneOutage(past)).toBe(true);
  });

  it("never blames the size of packets, and the recovery adds no cause", () => {
    expect(hasCause(past, "path-mtu")).toBe(false);
    expect(closedOf(past, large)).toEqual(["timeout"]);
    expect(closedOf(past, small)).toEqual(["timeout"]);
    expect(past.judged.at(-1)?.rows.every(({ verdict }) => verdict === "met")).toBe(true);
  });
});

describe("Omni's host stops for half a minute", () => {
  const stopped: World = (target, atMs) => (isOmni(target) ? "timeout" : udpDropped(FROM_MS)(target, atMs));
  const past = replay(ROWS, between(FROM_MS, 60_000, stopped), 120_000);

  it("is a fault of the Machine API, and neither of packets' size nor of the port", () => {
    expect(roots(past, FROM_MS + 6_000, 60_000)).toEqual(["machine-api timeout", "api timeout"]);
    expect(
      ["path-mtu", "udp-blocked", "server-unresponsive"].filter((cause) => hasCause(past, cause as Cause)),
    ).toEqual([]);
    expect(openedOf(past, port)).toBe(0);
    expect(isOneOutage(past)).toBe(true);
  });
});

describe("a node joins after half a minute", () => {
  const absent: World = (target) => (isInside(target) || target === link ? "link-absent" : undefined);
  const past = replay(ROWS, between(0, FROM_MS, absent), 90_000);

  it("has the one fault that it has no tunnel, from which every row in the tunnel follows", () => {
    expect(roots(past, 3_000, FROM_MS)).toEqual(["link not-joined"]);
    expect(at(past, 20_000, tcp)).toMatchObject({ cause: "not-joined", followsFrom: link.id });
    expect(at(past, 20_000, port)).toMatchObject({ verdict: "unknown", followsFrom: link.id });
    expect(openedOf(past, port)).toBe(0);
    expect(hasCause(past, "path-mtu") || hasCause(past, "udp-blocked")).toBe(false);
    expect(isOneOutage(past)).toBe(true);
  });
});

describe("only large packets are lost, from the middle of an outage on", () => {
  const narrow: World = (target) => (target === large ? "timeout" : undefined);
  const past = replay(ROWS, between(FROM_MS, 60_000, udpDropped(FROM_MS), between(45_000, 140_000, narrow)), 180_000);

  it("is found once the smaller ones have passed beside them", () => {
    expect(at(past, 59_000, large)).toMatchObject({ cause: "timeout", followsFrom: port.id });
    expect(at(past, 110_000, large)).toMatchObject({ verdict: "unmet", cause: "path-mtu" });
    expect(closedOf(past, large)).toEqual(["path-mtu"]);
    expect(isOneOutage(past)).toBe(true);
  });
});

describe("Omni hangs for half a minute", () => {
  const hung: World = (target, atMs) => {
    if (target === apiTcp || target === uiTcp) return "answered";
    return isOmni(target) ? "handshake-timeout" : udpDropped(FROM_MS)(target, atMs);
  };
  const past = replay(ROWS, between(FROM_MS, 60_000, hung), 120_000);

  it("is a server that accepts and does not answer, from which the tunnel follows", () => {
    expect(at(past, FROM_MS + 5_000, apiTls)).toMatchObject({ verdict: "unmet", cause: "server-unresponsive" });
    expect(at(past, FROM_MS + 5_000, apiTls)?.nextStep).toMatch(/^Omni owner: restart Omni at omni\.test:8090/);
    expect(roots(past, FROM_MS + 5_000, 60_000)).toEqual(["machine-api server-unresponsive"]);
    expect(at(past, 50_000, tcp)).toMatchObject({ followsFrom: apiTls.id });
    expect(at(past, 50_000, uiTls)).toMatchObject({ cause: "server-unresponsive", followsFrom: apiTls.id });
  });

  it("confirms no port by what was before, and never blames the network", () => {
    for (const { atMs, rows } of past.judged.filter(({ atMs }) => atMs >= FROM_MS + 5_000 && atMs <= 60_000)) {
      const row = rows.find(({ target }) => target?.id === port.id);
      expect([atMs, row?.verdict, row?.udpEvidence]).toEqual([atMs, "unknown", "no-evidence"]);
    }
    expect(hasCause(past, "udp-blocked") || hasCause(past, "path-mtu")).toBe(false);
    expect(closedOf(past, apiTls)).toEqual(["server-unresponsive"]);
    expect(isOneOutage(past)).toBe(true);
  });
});

describe("the forward path is blocked for five minutes, without a witness", () => {
  const UNTIL_MS = 330_000;
  /** Omni's packets come every other second, until its session ends after three minutes. */
  const isReceiving = (atMs: number) => atMs < FROM_MS + 180_000;
  const forward: World = (target, atMs) => {
    const isFresh = isReceiving(atMs) && Math.floor(atMs / 1_000) % 6 < 2;
    if (target === link) return isFresh ? "link-alive" : Math.floor(atMs / 1_000) % 6 < 5 ? "link-idle" : "link-frozen";
    if (!isInside(target)) return undefined;
    return isFresh ? "tunnel-one-way" : "timeout";
  };
  const past = replay(ROWS, between(FROM_MS, UNTIL_MS, forward), 420_000);

  it("is known by Omni's own packets, and stands after its session has ended", () => {
    expect(roots(past, FROM_MS + 10_000, UNTIL_MS)).toEqual(["port forward-path-blocked"]);
    expect(at(past, FROM_MS + 12_000, port)?.evidence).toMatch(/packets that Omni sends by itself come through/);
    expect(at(past, UNTIL_MS - 1_000, port)?.evidence).toMatch(/showed earlier in this outage/);
  });

  it("is one incident of each row, and contradicts itself nowhere", () => {
    expect(closedOf(past, port)).toEqual(["forward-path-blocked"]);
    expect(isOneOutage(past)).toBe(true);
    for (const { rows } of past.judged.filter(({ atMs }) => atMs > FROM_MS + 5_000 && atMs < UNTIL_MS)) {
      const row = rows.find(({ target }) => target?.id === port.id);
      expect(row?.evidence).not.toMatch(/Confirmed|nothing has come back/);
      expect(row?.udpEvidence).toBe("suspected-blocked");
    }
  });
});

describe("an agent starts while the forward path is blocked, and Omni's packets come at times", () => {
  const forward: World = (target, atMs) => {
    const isFresh = atMs < 45_000 && Math.floor(atMs / 1_000) % 6 < 2;
    if (target === link) return isFresh ? "link-alive" : Math.floor(atMs / 1_000) % 6 < 5 ? "link-idle" : "link-frozen";
    return isInside(target) ? (isFresh ? "tunnel-one-way" : "timeout") : undefined;
  };
  const past = replay(ROWS, between(0, 60_000, forward), 120_000);

  it("is one fault of the port, and nothing of it is left at the recovery", () => {
    expect(roots(past, 5_000, 60_000)).toEqual(["port forward-path-blocked"]);
    expect(roots(past, 65_000, 120_000)).toEqual([]);
    expect(closedOf(past, port)).toEqual(["forward-path-blocked"]);
    expect(isOneOutage(past)).toBe(true);
  });
});

describe("the return path is blocked, without a witness", () => {
  const past = replay(ROWS, between(FROM_MS, 90_000, udpDropped(FROM_MS)), 150_000);
  it("is only suspected, because no direction shows", () => {
    expect(roots(past, FROM_MS + 6_000, 90_000)).toEqual(["port udp-blocked"]);
  });

  it("is named where a witness receives the node", () => {
    const receiving = (nowMs: number): NodeContext => ({
      witness: {
        watchingSinceMs: 0,
        reportedAtMs: nowMs,
        receivedAtMs: nowMs - 500,
        receivingSinceMs: 0,
        address: "192.0.2.1",
      },
    });
    const seen = replay(ROWS, between(FROM_MS, 90_000, udpDropped(FROM_MS)), 150_000, receiving);
    expect(roots(seen, FROM_MS + 6_000, 90_000)).toEqual(["port return-path-blocked"]);
    expect(closedOf(seen, port)).toEqual(["return-path-blocked"]);
  });
});

describe("the Machine API is blocked, and the tunnel a minute later", () => {
  const blocked: World = (target) => (target.requirementId === "machine-api" ? "timeout" : undefined);
  const LATER_MS = 90_000;
  const world = between(FROM_MS, 150_000, blocked, between(LATER_MS, 150_000, udpDropped(LATER_MS)));
  const past = replay(ROWS, world, 220_000);

  it("are two faults: the tunnel follows from its own", () => {
    expect(roots(past, FROM_MS + 6_000, LATER_MS)).toEqual(["machine-api timeout"]);
    expect(at(past, 80_000, tcp)?.verdict).toBe("met");
    expect(roots(past, LATER_MS + 6_000, 150_000)).toEqual(["machine-api timeout", "port udp-blocked"]);
    expect(at(past, 120_000, tcp)).toMatchObject({ followsFrom: port.id });
    expect(at(past, 120_000, link)).toMatchObject({ followsFrom: port.id });
    expect(at(past, 120_000, port)?.evidence).toMatch(/which is not the cause: the tunnel worked until/);
    expect(closedOf(past, port)).toEqual(["udp-blocked"]);
    expect(isOneOutage(past)).toBe(true);
  });
});

describe("the Machine API is blocked, and the tunnel four seconds later", () => {
  const blocked: World = (target) => (target.requirementId === "machine-api" ? "timeout" : undefined);
  const LATER_MS = FROM_MS + 4_000;
  const past = replay(
    ROWS,
    between(FROM_MS, 90_000, blocked, between(LATER_MS, 90_000, udpDropped(LATER_MS))),
    150_000,
  );

  it("are two faults, because the tunnel worked meanwhile", () => {
    expect(roots(past, LATER_MS + 6_000, 90_000)).toEqual(["machine-api timeout", "port udp-blocked"]);
    expect(at(past, 60_000, tcp)).toMatchObject({ followsFrom: port.id });
    expect(isOneOutage(past)).toBe(true);
  });
});

describe("the tunnel is blocked, and the Machine API a minute later", () => {
  const blocked: World = (target) => (target.requirementId === "machine-api" ? "timeout" : undefined);
  const world = between(90_000, 150_000, blocked, between(FROM_MS, 150_000, udpDropped(FROM_MS)));
  const past = replay(ROWS, world, 220_000);

  it("are two faults: the tunnel does not follow from what began later", () => {
    expect(roots(past, 96_000, 150_000)).toEqual(["machine-api timeout", "port udp-blocked"]);
    expect(closedOf(past, port)).toEqual(["udp-blocked"]);
    expect(isOneOutage(past)).toBe(true);
  });
});

describe("the stream of a tunnel over gRPC stalls for a minute", () => {
  const past = replay(OVER_GRPC, between(FROM_MS, 90_000, udpDropped(FROM_MS)), 150_000);

  it("is a fault of the stream on the Machine API, and no advice is about UDP or the tunnel's addresses", () => {
    expect(at(past, FROM_MS + 5_000, apiGrpc)).toMatchObject({ verdict: "unmet", cause: "grpc-tunnel-stalled" });
    expect(roots(past, FROM_MS + 6_000, 90_000)).toEqual(["machine-api grpc-tunnel-stalled"]);
    for (const { rows } of past.judged) {
      for (const { nextStep } of rows) expect(nextStep).not.toMatch(/UDP|allow TCP|\[fdae/);
    }
    expect(at(past, 60_000, link)).toMatchObject({ cause: "grpc-tunnel-stalled", followsFrom: apiGrpc.id });
    const [incident] = past.closed.filter(({ targetId }) => targetId === apiGrpc.id);
    const lastedMs = (incident?.endedAtMs ?? 0) - (incident?.startedAtMs ?? 0);
    expect(Math.abs(lastedMs - 60_000)).toBeLessThan(3_000);
    expect((at(past, 150_000, apiGrpc)?.sinceMs ?? 0) - (incident?.startedAtMs ?? 0)).toBeGreaterThan(57_000);
    expect(closedOf(past, apiGrpc)).toEqual(["grpc-tunnel-stalled"]);
    expect(isOneOutage(past)).toBe(true);
  });
});

describe.each(["late", "syn-lost"] as const)("the Machine API's answers are %s for a minute", (reason) => {
  const slow: World = (target, atMs) => (target === apiTcp && atMs % 2_000 < 1_000 ? reason : undefined);
  const past = replay(ROWS, between(FROM_MS, 90_000, slow), 200_000);

  it("is one incident that lasts as long, although every attempt was answered", () => {
    const [incident] = past.closed;
    expect([past.opened.length, past.closed.length, past.judged.at(-1)?.open.size]).toEqual([1, 1, 0]);
    expect(incident?.impact.failures).toBe(30);
    const lastedMs = (incident?.endedAtMs ?? 0) - (incident?.startedAtMs ?? 0);
    expect(Math.abs(lastedMs - 60_000)).toBeLessThan(3_000);
    const row = at(past, 190_000, apiTcp);
    expect([row?.verdict, row?.sinceMs]).toEqual(["met", incident?.endedAtMs]);
  });
});

describe("the agent starts again in the middle of an outage", () => {
  const hung: World = (target, atMs) => {
    if (target === apiTcp || target === uiTcp) return "answered";
    return isOmni(target) ? "handshake-timeout" : udpDropped(FROM_MS)(target, atMs);
  };
  it.each([
    { fault: hung, rows: ROWS, root: apiTls, cause: "server-unresponsive" },
    { fault: udpDropped(FROM_MS), rows: ROWS, root: port, cause: "udp-blocked" },
    { fault: udpDropped(FROM_MS), rows: OVER_GRPC, root: apiGrpc, cause: "grpc-tunnel-stalled" },
  ] as const)("which stays one of $cause, since it began", ({ fault, rows, root, cause }) => {
    const past = replay(rows, between(FROM_MS, 90_000, fault), 150_000, undefined, 60_000);
    expect(roots(past, FROM_MS + 6_000, 90_000)).toEqual([`${root.requirementId} ${cause}`]);
    expect(at(past, 80_000, root)?.onsetMs).toBe(at(past, 50_000, root)?.onsetMs);
    const [incident, ...others] = past.closed.filter(({ targetId }) => targetId === root.id);
    expect([incident?.cause, others, isOneOutage(past)]).toEqual([cause, [], true]);
    const lastedMs = (incident?.endedAtMs ?? 0) - (incident?.startedAtMs ?? 0);
    expect(Math.abs(lastedMs - 60_000)).toBeLessThan(1_500);
  });
});

describe("a NAT loses the one mapping of the tunnel", () => {
  const lost: World = (target, atMs) => (target === stamp ? undefined : udpDropped(FROM_MS)(target, atMs));
  const past = replay(withPort([port, stamp]), between(FROM_MS, 90_000, lost), 150_000);

  it("is named, because a fresh flow passes", () => {
    expect(roots(past, FROM_MS + 6_000, 90_000)).toEqual(["port tunnel-stale"]);
    expect(at(past, 60_000, port)?.nextStep).toMatch(/^Network team: clear the state of the flow .* in NATs/);
    expect(closedOf(past, port)).toEqual(["tunnel-stale"]);
    expect(isOneOutage(past)).toBe(true);
  });
});

it("a quiet tunnel with a lost packet now and then has no fault", () => {
  const world: World = (target, atMs) => {
    const isLost = Math.floor(atMs / 1_000) % 97 === 13 && (isInside(target) || target === stamp);
    return isLost ? ("tunnel-one-way" satisfies Reason as Reason) : WELL(target, atMs);
  };
  expect(replay(ROWS, world, 400_000).opened).toEqual([]);
});
