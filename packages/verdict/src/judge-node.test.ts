import type { ResolvedRow } from "@lifeline/catalogue";
import type { Evidence, Reason, Target } from "@lifeline/measure";
import type { Remembered } from "@lifeline/window";
import { describe, expect, it } from "vitest";
import { requiredRowsMet } from "./required.ts";
import { type RowVerdict, rowKey } from "./row.ts";
import {
  DNS,
  judgeRows as judge,
  NOW_MS,
  requirementOf,
  rowOf,
  STAMP,
  TCP,
  TLS,
  targetOf,
  times,
  UDP,
  windowsOf,
} from "./testing/judgement-fixture.ts";

const OK = "answered";

function only(rows: readonly RowVerdict[]): RowVerdict {
  const [row, ...more] = rows;
  if (row === undefined || more.length > 0) throw new Error(`want one row, got ${rows.length}`);
  return row;
}

describe("one target", () => {
  const tcp = targetOf(TCP);
  const one = (reasons: readonly Reason[], endedAgoMs = 0, evidence: Evidence = {}) =>
    only(judge([rowOf([tcp])], windowsOf(tcp, reasons, endedAgoMs, evidence)));

  it.each<[string, Reason[], RowVerdict["verdict"], RowVerdict["cause"]]>([
    ["every attempt answered", times(60, OK), "met", "none"],
    ["one answer and nothing else", [OK], "met", "none"],
    ["one refusal and nothing else is not yet a verdict", ["refused"], "unknown", "refused"],
    ["one loss and nothing else is not yet a verdict", ["timeout"], "unknown", "timeout"],
    ["two losses are the whole history", times(2, "timeout"), "unmet", "timeout"],
    ["a single loss does not alarm", [...times(59, OK), "timeout"], "met", "none"],
    ["two losses in a row do not alarm", [...times(58, OK), "timeout", "timeout"], "met", "none"],
    ["three losses in a row", [...times(57, OK), ...times(3, "timeout")], "unmet", "timeout"],
    ["a single refusal does not alarm", [...times(59, OK), "refused"], "met", "none"],
    ["two refusals in a row", [...times(58, OK), "refused", "refused"], "unmet", "refused"],
    ["two ICMP host-unreachable", [...times(9, OK), ...times(2, "host-unreachable")], "unmet", "unreachable"],
    ["two prohibited by a firewall", [...times(9, OK), ...times(2, "admin-prohibited")], "unmet", "filtered"],
    ["two untrusted chains", [...times(9, OK), ...times(2, "tls-untrusted")], "unmet", "tls-untrusted"],
    ["two expired certificates", [...times(9, OK), ...times(2, "tls-expired")], "unmet", "tls-expired"],
    ["two wrong statuses", [...times(9, OK), ...times(2, "http-status")], "unmet", "http-status"],
    ["two answers without gRPC", [...times(9, OK), ...times(2, "grpc-protocol")], "unmet", "grpc-protocol"],
    ["two NXDOMAIN", [...times(9, OK), ...times(2, "dns-nxdomain")], "unmet", "dns-nxdomain"],
    ["two unanswered queries do not alarm", [...times(9, OK), ...times(2, "dns-timeout")], "met", "none"],
    [
      "three attempts without a DNS answer may share one query",
      [...times(9, OK), ...times(3, "dns-timeout")],
      "met",
      "none",
    ],
    [
      "attempts without a DNS answer for longer than a query is shared",
      [...times(9, OK), ...times(4, "dns-timeout")],
      "unmet",
      "dns-timeout",
    ],
    ["refused, then one answer: the bad run holds", [...times(20, "refused"), OK], "unmet", "refused"],
    ["refused, then two answers", [...times(20, "refused"), OK, OK], "met", "none"],
    [
      "one refusal after an outage that is over does not alarm",
      [...times(9, "refused"), ...times(8, OK), "refused"],
      "met",
      "none",
    ],
    ["lost, then one answer: the outage holds", [...times(20, "timeout"), OK], "unmet", "timeout"],
    ["lost, then two answers: the outage is over", [...times(20, "timeout"), OK, OK], "met", "none"],
    [
      "loss after an outage that is over counts by itself",
      [...times(20, "timeout"), ...(Array(10).fill([OK, OK, OK, "timeout"]).flat() as Reason[])],
      "degraded",
      "loss",
    ],
    [
      "5 of 60 lost apart",
      [...times(50, OK), ...(Array(5).fill(["timeout", OK]).flat() as Reason[])],
      "degraded",
      "loss",
    ],
    [
      "4 of 60 lost apart may be chance",
      [...times(52, OK), ...(Array(4).fill(["timeout", OK]).flat() as Reason[])],
      "met",
      "none",
    ],
    [
      "attempts that share a lost query count as one",
      [...times(40, OK), ...(Array(3).fill(["dns-timeout", "dns-timeout", OK, OK]).flat() as Reason[])],
      "met",
      "none",
    ],
    [
      "a resolver that answers only every other query",
      Array(10).fill(["dns-timeout", "dns-timeout", OK, OK]).flat() as Reason[],
      "degraded",
      "dns-timeout",
    ],
    [
      "late answers are no latency, and degrade",
      [...times(45, OK), ...Array(5).fill(["late", OK, OK]).flat()] as Reason[],
      "degraded",
      "latency",
    ],
    [
      "every other answer is a wrong status",
      Array(30).fill([OK, "http-status"]).flat() as Reason[],
      "degraded",
      "http-status",
    ],
    ["the agent stalled throughout", times(20, "stalled"), "unknown", "not-measured"],
    [
      "the agent stalled for long after good samples",
      [...times(10, OK), ...times(45, "stalled")],
      "unknown",
      "not-measured",
    ],
    ["a path so slow that every answer is late", times(15, "late"), "degraded", "latency"],
    ["two answers so far, and both late", times(2, "late"), "degraded", "latency"],
    ["one late answer alone", ["late"], "met", "none"],
    ["a slow path that loses some", [...times(12, "late"), "timeout", "timeout", "late"], "degraded", "latency"],
    ["a filter that drops the first SYN of each connection", times(15, "syn-lost"), "degraded", "loss"],
    ["late answers that stop", [...times(15, "late"), ...times(3, "timeout")], "unmet", "timeout"],
    ["a stall amid good samples changes nothing", [...times(30, OK), "stalled"], "met", "none"],
    [
      "a stall amid losses changes nothing",
      [...times(9, OK), "timeout", "timeout", "stalled", "timeout"],
      "unmet",
      "timeout",
    ],
  ])("%s", (_, reasons, verdict, cause) => {
    expect(one(reasons)).toMatchObject({ verdict, cause });
  });

  it.each([
    ["no window at all", [] as Reason[], 0],
    ["no window for 30 s, the last one good (M4)", times(60, OK), 30_000],
    ["no window for 30 s, the last one bad (M4)", times(60, "refused"), 30_000],
  ])("%s is no data", (_, reasons, endedAgoMs) => {
    const row = one(reasons, endedAgoMs);
    expect(row).toMatchObject({ verdict: "unknown", cause: "no-data" });
    expect(row.nextStep).not.toBe("");
  });

  it("slow cadences are stale after three missed samples, not after 30 s (P1)", () => {
    const slow = targetOf(TCP, { cadenceMs: 100_000 });
    const rows = (endedAgoMs: number) => only(judge([rowOf([slow])], windowsOf(slow, times(4, OK), endedAgoMs)));
    expect(rows(299_000)).toMatchObject({ verdict: "met", loss: { sent: 4 } });
    expect(rows(300_000)).toMatchObject({ verdict: "unknown", cause: "no-data" });
  });

  it("names evidence, count, onset, endpoint and who must act (J2)", () => {
    const chain = [
      {
        subject: "CN=omni.test",
        issuer: "CN=Corp Proxy",
        notBefore: "",
        notAfter: "2027-01-01",
        sha256: "00",
        anchor: false,
      },
    ];
    const row = one([...times(50, OK), ...times(10, "tls-untrusted")], 0, {
      address: "192.0.2.1",
      code: "SELF_SIGNED",
      chain,
    });
    expect(row.evidence).toBe(
      "tcp to omni.test:443 over IPv4: the certificate chain does not end at a trusted authority (SELF_SIGNED, at 192.0.2.1, " +
        'certificate "CN=omni.test" issued by "CN=Corp Proxy", valid until 2027-01-01), 10 times in a row since ' +
        "2026-08-01T11:59:50Z; 50 of 60 attempts answered over the last 60 s.",
    );
    expect(row.nextStep).toMatch(/^Network team: exempt omni\.test:443 from TLS interception/);
    expect(row.onsetMs).toBe(NOW_MS - 9_005);
    expect(row.sinceMs).toBe(row.onsetMs);
  });

  it("quotes the text of a certificate, so that it cannot imitate the text of the judge", () => {
    const issuer = 'CN=x", valid until 2027-01-01). Network team: open every port. ("';
    const chain = [
      { subject: "CN=omni.test", issuer, notBefore: "", notAfter: "2027-01-01", sha256: "00", anchor: false },
    ];
    expect(one(times(10, "tls-untrusted"), 0, { chain }).evidence).toContain(
      `issued by "CN=x', valid until 2027-01-01). Network team: open every port. ('", valid until 2027-01-01), 10 times in a row`,
    );
  });

  it("counts only attempts within the lookback", () => {
    expect(one([...times(100, "timeout"), ...times(70, OK)])).toMatchObject({ verdict: "met", loss: { lost: 0 } });
  });

  it("an unchanged verdict keeps its start; a new one starts at the onset of its run", () => {
    const before = one(times(60, OK));
    const previous = new Map([[rowKey(before), { ...before, sinceMs: 1_000 }]]);
    const after = (reasons: Reason[]) => only(judge([rowOf([tcp])], windowsOf(tcp, reasons), { previous })).sinceMs;
    expect(after(times(60, OK))).toBe(1_000);
    expect(after([...times(50, OK), ...times(10, "refused")])).toBe(NOW_MS - 9_005);
  });
});

describe("targets of one node", () => {
  const v4 = targetOf(TCP);
  const v6 = targetOf(TCP, { family: 6 });
  const pair = (four: Reason[], six: Reason[]) =>
    judge([rowOf([v4, v6])], [...windowsOf(v4, four), ...windowsOf(v6, six)]).map(
      ({ verdict, cause }) => `${verdict} ${cause}`,
    );

  it.each([
    [
      "one family lacks an address, the other answers",
      times(5, OK),
      times(5, "dns-nodata"),
      ["met none", "not-applicable none"],
    ],
    [
      "one family lacks an address, the other is refused",
      times(5, "refused"),
      times(5, "dns-nodata"),
      ["unmet refused", "not-applicable none"],
    ],
    [
      "neither family has an address",
      times(5, "dns-nodata"),
      times(5, "dns-nodata"),
      ["unmet dns-nodata", "unmet dns-nodata"],
    ],
    [
      "the other family's resolver fails",
      times(5, "dns-servfail"),
      times(5, "dns-nodata"),
      ["unmet dns-servfail", "unknown dns-nodata"],
    ],
    ["the other family has no data", [], times(5, "dns-nodata"), ["unknown no-data", "unknown dns-nodata"]],
  ] satisfies [string, Reason[], Reason[], string[]][])("%s", (_, four, six, verdicts) => {
    expect(pair(four, six)).toEqual(verdicts);
  });

  it("a host without an address of the only family that the node has is a fault", () => {
    expect(only(judge([rowOf([v4])], windowsOf(v4, times(5, "dns-nodata"))))).toMatchObject({
      verdict: "unmet",
      cause: "no-common-family",
    });
  });

  const udp = targetOf(UDP, { port: 50_180 });
  const stamp = targetOf(STAMP, { port: 50_180 });
  const elsewhere = targetOf(STAMP, { port: 862 });
  const silence = windowsOf(udp, times(60, "silent"));
  it("silence on UDP is no evidence either way (M4)", () => {
    const row = only(judge([rowOf([udp])], silence));
    expect(row).toMatchObject({
      verdict: "unknown",
      cause: "no-evidence",
      loss: { sent: 60, silent: 60, ratio: undefined },
    });
  });

  it("refusals on UDP are proof", () => {
    const windows = windowsOf(udp, [...times(50, "silent"), "refused", "silent", "refused", "silent"]);
    expect(only(judge([rowOf([udp])], windows))).toMatchObject({ verdict: "unmet", cause: "refused" });
  });

  it("two outages with silence between them are two: the second has its own start", () => {
    const first = [...times(5, "refused"), ...times(100, "silent")] as Reason[];
    const row = only(judge([rowOf([udp])], windowsOf(udp, [...first, ...times(4, "refused")])));
    expect(row).toMatchObject({ verdict: "unmet", cause: "refused", onsetMs: NOW_MS - 3_005, sinceMs: NOW_MS - 3_005 });
    expect(row.evidence).toContain("4 times in a row since 2026-08-01T11:59:56Z");
  });

  it("refusals prove nothing after 45 s of only silence", () => {
    const windows = windowsOf(udp, [...times(5, "refused"), ...times(45, "silent")]);
    expect(only(judge([rowOf([udp])], windows))).toMatchObject({ verdict: "unknown", cause: "no-evidence" });
  });

  it("a clock that was set back by an hour hides no later samples (M2)", () => {
    const HOUR_MS = 3_600_000;
    const whole = windowsOf(v4, [...times(20, OK), ...times(20, "refused")]);
    const early = (seen: Remembered | undefined) =>
      seen && {
        ...seen,
        endedAtMs: seen.endedAtMs + HOUR_MS,
        run: { ...seen.run, startedAtMs: seen.run.startedAtMs + HOUR_MS },
      };
    const stepped = whole.map((window) =>
      window.counts.has(OK) && !window.counts.has("refused")
        ? { ...window, startMs: window.startMs + HOUR_MS, endMs: window.endMs + HOUR_MS, last: early(window.last) }
        : window,
    );
    expect(only(judge([rowOf([v4])], stepped))).toMatchObject({ verdict: "unmet", cause: "refused" });
    expect(only(judge([rowOf([v4])], stepped.slice(0, 2))).verdict).toBe("unknown");
  });

  it("an unknown verdict starts when answers stopped, not when the run before began", () => {
    const row = only(judge([rowOf([v4])], windowsOf(v4, [...times(60, OK), ...times(40, "stalled")])));
    expect(row).toMatchObject({ verdict: "unknown", cause: "not-measured" });
    expect(NOW_MS - row.sinceMs).toBeLessThanOrEqual(41_000);
  });

  it("answers that began after an outage end it, even if its last loss ended after them", () => {
    const shifted = windowsOf(v4, [...times(10, "timeout"), OK, OK, OK]).map((window) => {
      const late = (seen: Remembered | undefined) => seen && { ...seen, endedAtMs: seen.endedAtMs + 4_000 };
      return {
        ...window,
        lastBad: late(window.lastBad),
        last: window.last?.reason === "timeout" ? late(window.last) : window.last,
      };
    });
    expect(only(judge([rowOf([v4])], shifted)).verdict).toBe("met");
  });

  it("later STAMP answers from the same port end a refusal on UDP; ten seconds of silence make it unknown (M4)", () => {
    const refusedThenSilent = windowsOf(udp, [...times(10, "refused"), ...times(9, "silent")]);
    const verdictWith = (replies: readonly Reason[]) =>
      judge([rowOf([udp, stamp])], [...refusedThenSilent, ...windowsOf(stamp, replies)])[0]?.verdict;
    expect(only(judge([rowOf([udp])], refusedThenSilent)).verdict).toBe("unmet");
    expect(verdictWith([...times(10, "timeout"), ...times(9, OK)])).toBe("met");
    expect(verdictWith([...times(5, OK), ...times(15, "timeout")])).toBe("unmet");
    expect(verdictWith(times(20, OK))).toBe("unmet");
    const longSilent = windowsOf(udp, [...times(10, "refused"), ...times(12, "silent")]);
    expect(only(judge([rowOf([udp])], longSilent))).toMatchObject({ verdict: "unknown", cause: "no-evidence" });
  });

  it("STAMP from the same host and port, and only that, confirms a silent UDP port", () => {
    const [confirmed] = judge([rowOf([udp, stamp])], [...silence, ...windowsOf(stamp, times(60, OK))]);
    expect(confirmed).toMatchObject({ verdict: "met", evidence: expect.stringContaining("Confirmed by STAMP") });
    const [other] = judge([rowOf([udp, elsewhere])], [...silence, ...windowsOf(elsewhere, times(60, OK))]);
    expect(other).toMatchObject({ verdict: "unknown", cause: "no-evidence" });
    const [lossy] = judge([rowOf([udp, stamp])], [...silence, ...windowsOf(stamp, times(60, "timeout"))]);
    expect(lossy).toMatchObject({ verdict: "unknown", cause: "no-evidence" });
  });

  it("answers through the tunnel confirm the only WireGuard endpoint; of several none fails the node", () => {
    const inside = targetOf(TCP, { requirementId: "t", host: "fdae::1", port: 8_090, family: 6 });
    const second = targetOf(UDP, { port: 50_181 });
    const tunnel = rowOf([inside], { kind: "service", service: "in-tunnel" }, "t");
    const at = (targets: Target[]) => rowOf(targets, { kind: "service", service: "siderolink" });
    const windows = [...silence, ...windowsOf(second, times(60, "silent")), ...windowsOf(inside, times(60, OK))];
    expect(judge([at([udp]), tunnel], windows)[0]?.verdict).toBe("met");
    const several = judge([at([udp, second]), tunnel], windows);
    expect(several.map(({ verdict }) => verdict)).toEqual(["not-applicable", "not-applicable", "met"]);
    expect(several[0]?.evidence).toMatch(/^Standby, not proven: /);
    expect(requiredRowsMet(several)).toBe(true);
    const dead = windows.filter(({ targetId }) => targetId !== inside.id);
    expect(requiredRowsMet(judge([at([udp, second]), tunnel], dead))).toBe(false);
  });

  it("a symptom names the fault it follows from", () => {
    const tls = targetOf(TLS);
    const resolver = targetOf(DNS, { requirementId: "d", host: "192.0.2.53", port: 53 });
    const [, over] = judge(
      [rowOf([v4, tls])],
      [...windowsOf(v4, times(9, "refused")), ...windowsOf(tls, times(9, "refused"))],
    );
    expect(over?.evidence).toMatch(/It follows from tcp to omni\.test:443 \(r\), which is unmet: refused\.$/);
    const rows = judge(
      [rowOf([tls]), rowOf([resolver], undefined, "d")],
      [...windowsOf(tls, times(9, "dns-servfail")), ...windowsOf(resolver, times(9, "timeout"))],
    );
    expect(rows[0]?.evidence).toMatch(/It follows from dns to 192\.0\.2\.53:53 \(d\), which is unmet: timeout\.$/);
    expect(rows[0]?.followsFrom).toBe(resolver.id);
    expect(rows[0]?.nextStep).toBe(`First fix dns to 192.0.2.53:53 (d). ${rows[1]?.nextStep}`);
    expect(rows[1]?.evidence).not.toMatch(/follows/);
    expect(rows[1]?.followsFrom).toBeUndefined();
  });
});

describe("requirements without targets", () => {
  const rows: ResolvedRow[] = [
    { requirement: requirementOf("a"), kind: "not-applicable", why: "the tunnel runs over gRPC" },
    { requirement: requirementOf("b", undefined, "conditional"), kind: "unresolved", why: "no host", next: "name one" },
  ];
  it("give one row each: not applicable, or unknown and required (M4)", () => {
    expect(judge(rows, [])).toMatchObject([
      {
        requirementId: "a",
        verdict: "not-applicable",
        required: false,
        cause: "none",
        evidence: "the tunnel runs over gRPC",
      },
      { requirementId: "b", verdict: "unknown", required: true, cause: "not-measured", nextStep: "name one" },
    ]);
  });
});

describe("requiredRowsMet", () => {
  const base = only(judge([rowOf([targetOf(TCP)])], windowsOf(targetOf(TCP), times(9, OK))));
  it.each([
    ["no row at all (M4)", [], false],
    ["only rows that do not apply", [{ verdict: "not-applicable" }], false],
    ["all met", [{}, {}], true],
    ["one does not apply", [{}, { verdict: "not-applicable" }], true],
    ["an optional one is unmet", [{}, { verdict: "unmet", required: false }], true],
    ["one is degraded", [{}, { verdict: "degraded" }], false],
    ["one is unknown", [{}, { verdict: "unknown" }], false],
    ["one is unmet", [{}, { verdict: "unmet" }], false],
  ] satisfies [string, Partial<RowVerdict>[], boolean][])("%s: %#", (_, rows, met) => {
    expect(requiredRowsMet(rows.map((row) => ({ ...base, ...row })))).toBe(met);
  });
});
