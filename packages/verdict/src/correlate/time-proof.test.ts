import type { Reason } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { judgeRows, rowOf, targetOf, times, windowsOf } from "../testing/judgement-fixture.ts";

const ntp = targetOf({ probe: "ntp" }, { requirementId: "time", port: 123 });
const nts = targetOf({ probe: "nts", trust: { kind: "public" } }, { requirementId: "nts", port: 4_460 });
const rows = [rowOf([ntp], undefined, "time"), rowOf([nts], undefined, "nts")];

/** The two rows after ten samples each. Those of NTS end in the phase given. */
function judged(ofNtp: Reason, ofNts: Reason, phase: "tls" | "request" | "first-byte" = "first-byte") {
  const windows = [...windowsOf(ntp, times(10, ofNtp)), ...windowsOf(nts, times(10, ofNts))].map((window) => ({
    ...window,
    ...(window.last === undefined ? {} : { last: { ...window.last, phase } }),
    ...(window.lastBad === undefined ? {} : { lastBad: { ...window.lastBad, phase } }),
  }));
  return judgeRows(rows, windows);
}

describe("a time server with NTP and NTS", () => {
  it("is not met by plain answers where the proof of NTS is missing", () => {
    const [plain, proven] = judged("answered", "nts-unproven");
    expect(proven).toMatchObject({ verdict: "unmet", cause: "time-unproven", followsFrom: undefined });
    expect(plain).toMatchObject({ verdict: "unknown", cause: "time-unproven", followsFrom: nts.id });
    expect(plain?.loss).toMatchObject({ sent: 10, lost: 0 });
    expect(plain?.evidence).toContain("These answers prove nothing");
  });

  it.each<[Reason, "tls" | "request"]>([
    ["tls-expired", "tls"],
    ["nts-key-exchange", "request"],
    ["nts-refused", "request"],
  ])("is met over UDP 123 where only the key exchange fails: %s", (reason, phase) => {
    const [plain, proven] = judged("answered", reason, phase);
    expect(plain?.verdict).toBe("met");
    expect(proven).toMatchObject({ verdict: "unmet", followsFrom: undefined });
  });

  it.each<[Reason, Reason]>([
    ["timeout", "nts-silent"],
    ["refused", "refused"],
    ["admin-prohibited", "admin-prohibited"],
  ])("has one root where UDP 123 is the fault of both: %s, %s", (ofNtp, ofNts) => {
    const [plain, proven] = judged(ofNtp, ofNts);
    expect(plain).toMatchObject({ verdict: "unmet", followsFrom: undefined });
    expect(proven).toMatchObject({ verdict: "unmet", followsFrom: ntp.id });
    expect(proven?.nextStep).toMatch(/^First fix ntp to omni\.test:123/);
  });

  it("has a fault of its own in the key exchange beside a blocked UDP 123", () => {
    expect(judged("timeout", "timeout", "request")[1]).toMatchObject({ verdict: "unmet", followsFrom: undefined });
  });

  it("names NTS as the root where nothing that comes back answers either", () => {
    const [plain, proven] = judged("ntp-stray", "nts-unproven");
    expect(plain).toMatchObject({ cause: "time-unproven", followsFrom: nts.id });
    expect(proven?.followsFrom).toBeUndefined();
  });

  it("says which packets to allow where only those of NTS are lost", () => {
    const [plain, proven] = judged("answered", "nts-silent");
    expect(plain?.verdict).toBe("met");
    expect(proven).toMatchObject({ verdict: "unmet", cause: "timeout", followsFrom: undefined });
    expect(proven?.nextStep).toContain("UDP port 123 with NTS extension fields");
  });

  it("shows the server's clock in the evidence", () => {
    const time = { offsetUs: -1_500, stratum: 2, rootDelayUs: 12_000, rootDispersionUs: 100 };
    const [plain] = judgeRows([rows[0] ?? rowOf([ntp])], windowsOf(ntp, times(3, "answered"), 0, { time }));
    expect(plain?.evidence).toContain("this host's clock is 1.5 ms ahead of the server's, stratum 2, root delay 12 ms");
  });

  it("is held to be degraded, with the time until which it is left alone, after a kiss-o'-death", () => {
    const evidence = { code: "RATE", retryAfterMs: 128_000 };
    const [plain] = judgeRows([rows[0] ?? rowOf([ntp])], windowsOf(ntp, times(2, "rate-limited"), 0, evidence));
    expect(plain).toMatchObject({ verdict: "degraded", cause: "rate-limited" });
    expect(plain?.evidence).toMatch(/RATE.*not asked again before/);
    expect(plain?.nextStep).toMatch(/^Owner of the time server omni\.test:123: serve/);
  });
});
