import {
  deploymentFrom,
  type LearnedRedirect,
  loadCatalogue,
  loadInterception,
  type Resolution,
  resolve,
} from "@lifeline/catalogue";
import { type ManualClock, manualClock, type Reason, type Sample, type Target } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { EXIT, exitCodeOf } from "../exit-code.ts";
import { MAX_IN_FLIGHT, type Preflight, runPreflight } from "./preflight.ts";

const deployment = deploymentFrom({ api: "https://127.0.0.1", machineApi: "grpc://127.0.0.1:1", siderolink: [] });
const facts = { nodeId: "here", roles: ["talos-node"], families: [4] } as const;
const whole = resolve(loadCatalogue(), deployment, facts);
/** The Machine API alone: a TCP and a gRPC target. */
const resolution: Resolution = {
  ...whole,
  rows: whole.rows.filter(({ requirement }) => requirement.id === "machine-api"),
};

function sampleOf(target: Target, clock: ManualClock, reason: Reason, tookMs: number): Sample {
  const endedAtMs = clock.wallMs() + tookMs;
  const common = { targetId: target.id, startedAtMs: clock.wallMs(), endedAtMs, phases: {}, evidence: {} };
  const outcome = { reason, phase: "connect" } as const;
  return reason === "answered"
    ? { ...common, outcome, rtt: { ns: 2_000_000, source: "kernel" } }
    : { ...common, outcome };
}

/** Runs to the end while the clock moves in steps of 100 ms, never more than `limitMs` in all. */
async function finished<T>(run: Promise<T>, clock: ManualClock, limitMs = 60_000): Promise<T> {
  let done = false;
  const settled = run.finally(() => {
    done = true;
  });
  // The caller gets a rejection, after this loop.
  settled.catch(() => {});
  for (let passedMs = 0; !done && passedMs < limitMs; passedMs += 100) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(100);
  }
  return settled;
}

type Probe = Preflight["node"]["probe"];

function preflight(clock: ManualClock, probe: Probe, rest: Partial<Preflight> = {}): Preflight {
  const node = { probe, clockOffsetMs: () => undefined };
  const { signal } = new AbortController();
  const interception = loadInterception();
  const joined = { isConfiguredToJoin: false, remarks: [], resolutionWith: () => resolution };
  return { resolution, hostname: "here", durationS: 10, clock, node, interception, signal, ...joined, ...rest };
}

describe("a preflight", () => {
  it("measures a documented host as soon as an endpoint redirects to it", async () => {
    const clock = manualClock(0);
    const rows = (redirects: readonly LearnedRedirect[]) => {
      const all = resolve(loadCatalogue(), deployment, { ...facts, redirects });
      return { ...all, rows: all.rows.filter(({ requirement: { id } }) => id === "node-ghcr") };
    };
    const blobs = "pkg-containers.githubusercontent.com";
    const probe: Probe = async (target) => {
      const redirected = { address: "203.0.113.1", redirects: [`https://${blobs}`] };
      const evidence = target.options.probe === "registry" ? redirected : {};
      const reason = target.host === blobs && target.options.probe === "tls" ? "reset" : "answered";
      return { ...sampleOf(target, clock, reason, 2), evidence };
    };
    const model = await finished(
      runPreflight(preflight(clock, probe, { resolution: rows([]), resolutionWith: rows })),
      clock,
    );
    const found = model.rows.map(({ target, probe: kind, verdict }) => [target, kind, verdict]);
    expect(found).toEqual([
      ["ghcr.io:443", "tcp", "met"],
      ["ghcr.io:443", "tls", "met"],
      ["ghcr.io:443", "registry", "met"],
      [`${blobs}:443`, "tcp", "met"],
      [`${blobs}:443`, "tls", "unmet"],
    ]);
  });

  it("probes each target once a second for the time given, and judges as the collector does", async () => {
    const clock = manualClock(0);
    const begun = new Map<string, number[]>();
    const model = await finished(
      runPreflight(
        preflight(clock, async (target) => {
          begun.set(target.id, [...(begun.get(target.id) ?? []), clock.monotonicNs() / 1e6]);
          return sampleOf(target, clock, "answered", 2);
        }),
      ),
      clock,
    );
    expect(begun.size).toBe(2);
    for (const [first = 0, ...later] of begun.values()) {
      expect(first).toBeLessThanOrEqual(1_000);
      expect(later).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9].map((second) => first + second * 1_000));
    }
    expect(model.rows.map(({ probe, verdict, sent, lost }) => ({ probe, verdict, sent, lost }))).toEqual([
      { probe: "tcp", verdict: "met", sent: 10, lost: 0 },
      { probe: "grpc", verdict: "met", sent: 10, lost: 0 },
    ]);
    expect(model.rows[0]?.rttNs).toEqual({ p50: 2_000_000, p95: 2_000_000, max: 2_000_000 });
    expect(model.catalogueVersion).toBe(whole.catalogueVersion);
  });

  it("measures each target within one second, also those that ICMP errors answer at a slower cadence (M4)", async () => {
    const joined = resolve(loadCatalogue(), deployment, { ...facts, siderolinkPrefix: "fdae:41e4:649b:9303" });
    const rows = joined.rows.filter(({ requirement }) => requirement.id === "siderolink-internal-address");
    // A target's place within its cadence depends on the name of the host.
    for (const hostname of Array.from({ length: 200 }, (_, at) => `node-${at}`)) {
      const clock = manualClock(0);
      const attempt = async (target: Target) => sampleOf(target, clock, "answered", 2);
      const judged = { resolution: { ...joined, rows }, hostname, durationS: 1 };
      const model = await finished(runPreflight(preflight(clock, attempt, judged)), clock);
      expect(model.rows.map(({ probe, verdict }) => [probe, verdict])).toEqual([
        ["tcp", "met"],
        ["udp", "met"],
        ["udp", "met"],
      ]);
    }
  });

  it("begins the ticks of its end too, where their timers fire after the run's (M4)", async () => {
    const row = resolution.rows[0];
    const [target] = row?.kind === "targets" ? row.targets : [];
    if (row?.kind !== "targets" || target === undefined) throw new Error("the row has targets");
    const targets = Array.from({ length: 200 }, (_, at) => ({ ...target, id: `target-${at}`, port: at + 1 }));
    const manual = manualClock(0);
    const after: ManualClock["after"] = (ms, wake) => manual.after(ms === 1_000 ? ms : ms + 30, wake);
    const begun: string[] = [];
    const attempt = async (each: Target) => {
      begun.push(each.id);
      return sampleOf(each, manual, "answered", 2);
    };
    const late = { resolution: { ...resolution, rows: [{ ...row, targets }] }, durationS: 1 };
    await finished(runPreflight(preflight({ ...manual, after }, attempt, late)), manual);
    expect(begun.toSorted()).toEqual(targets.map(({ id }) => id).toSorted());
  });

  it("spreads the first ticks of slow targets over the first second, and keeps their cadence (P1)", async () => {
    const row = resolution.rows[0];
    const [target] = row?.kind === "targets" ? row.targets : [];
    if (row?.kind !== "targets" || target === undefined) throw new Error("the row has targets");
    const options = { probe: "udp", payloadBytes: 16, expectRefusal: true } as const;
    const common = { ...target, options, cadenceMs: 6_000 };
    const targets = Array.from({ length: 50 }, (_, at) => ({ ...common, id: `target-${at}`, port: at + 1 }));
    const clock = manualClock(0);
    const begun = new Map<string, number[]>();
    const attempt = async (each: Target) => {
      begun.set(each.id, [...(begun.get(each.id) ?? []), clock.monotonicNs() / 1e6]);
      return sampleOf(each, clock, "answered", 2);
    };
    const slow = { ...resolution, rows: [{ ...row, targets }] };
    await finished(runPreflight(preflight(clock, attempt, { resolution: slow, durationS: 20 })), clock);
    const firstTenths = new Set([...begun.values()].map(([first = 0]) => Math.ceil(first / 100)));
    expect([...firstTenths].sort((one, other) => one - other)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    for (const [, ...onGrid] of begun.values()) {
      expect(onGrid.length).toBeGreaterThanOrEqual(3);
      expect(onGrid.slice(1).map((ms, at) => ms - (onGrid[at] ?? 0))).toEqual(onGrid.slice(1).map(() => 6_000));
    }
  });

  it("names cause and next step of what is lost, since when it is (J2)", async () => {
    const clock = manualClock(1_000_000);
    let firstLossMs: number | undefined;
    const attempt = async (target: Target) => {
      const isLost = target.options.probe === "tcp" && clock.wallMs() >= 1_004_000;
      if (isLost) firstLossMs ??= clock.wallMs();
      return sampleOf(target, clock, isLost ? "timeout" : "answered", 2);
    };
    const { rows } = await finished(runPreflight(preflight(clock, attempt)), clock);
    expect(rows[0]).toMatchObject({ verdict: "unmet", cause: "timeout", sent: 10, lost: 6, sinceMs: firstLossMs });
    expect(rows[0]?.nextStep).not.toBeNull();
    expect(rows[1]?.verdict).toBe("met");
  });

  it("never has two attempts at one target in flight: a busy tick is missed (M3)", async () => {
    const clock = manualClock(0);
    let [inFlight, most, attempts] = [0, 0, 0];
    const attempt = async (target: Target) => {
      if (target.options.probe !== "tcp") return sampleOf(target, clock, "answered", 2);
      attempts++;
      most = Math.max(most, ++inFlight);
      await new Promise<void>((wake) => clock.after(2_500, wake));
      inFlight--;
      return sampleOf(target, clock, "handshake-timeout", 2_500);
    };
    await finished(runPreflight(preflight(clock, attempt)), clock);
    expect(most).toBe(1);
    expect(attempts).toBeLessThanOrEqual(5);
  });

  it("attempts once more what failed in its only attempt and never answered", async () => {
    const clock = manualClock(0);
    const endedMs: number[] = [];
    const attempt = async (target: Target) => {
      if (target.options.probe === "tcp") return sampleOf(target, clock, "answered", 2);
      await new Promise<void>((wake) => clock.after(12_000, wake));
      endedMs.push(clock.wallMs());
      return sampleOf(target, clock, "grpc-protocol", 12_000);
    };
    const { rows } = await finished(runPreflight(preflight(clock, attempt)), clock);
    expect(endedMs).toHaveLength(2);
    expect(rows.map(({ verdict, cause, sent }) => [verdict, cause, sent])).toEqual([
      ["met", null, 10],
      ["unmet", "grpc-protocol", 2],
    ]);
  });

  it("makes up for a second attempt that was not measured, three times at most (M3)", async () => {
    const clock = manualClock(0);
    const played = async (reasons: readonly Reason[], reason: Reason) => {
      let attempts = 0;
      const attempt = async (target: Target) => {
        if (target.options.probe === "tcp") return sampleOf(target, clock, "answered", 2);
        return sampleOf(target, clock, reasons[attempts++] ?? reason, 2);
      };
      const { rows } = await finished(runPreflight(preflight(clock, attempt, { durationS: 1 })), clock);
      return [attempts, rows[1]?.verdict];
    };
    expect(await played(["refused", "stalled", "stalled"], "refused")).toEqual([4, "unmet"]);
    expect(await played(["refused"], "stalled")).toEqual([4, "unknown"]);
    expect(await played(["stalled"], "stalled")).toEqual([1, "unknown"]);
    expect(await played(["answered"], "refused")).toEqual([1, "met"]);
  });

  it("attempts nothing more once it is interrupted", async () => {
    const clock = manualClock(0);
    const abort = new AbortController();
    clock.after(3_000, () => abort.abort());
    let attempts = 0;
    const attempt = async (target: Target) => {
      if (target.options.probe === "tcp") return sampleOf(target, clock, "answered", 2);
      attempts += 1;
      await new Promise<void>((wake) => clock.after(2_500, wake));
      return sampleOf(target, clock, "grpc-protocol", 2_500);
    };
    await finished(runPreflight(preflight(clock, attempt, { signal: abort.signal, durationS: 3 })), clock);
    expect(attempts).toBe(1);
  });

  it("waits for late answers as the agent does", async () => {
    const clock = manualClock(0);
    const attempt: Probe = async (target, watch) => {
      if (watch?.silent({ address: "127.0.0.1", giveUp() {} }) !== true) return sampleOf(target, clock, "timeout", 950);
      return sampleOf(target, clock, "late", 1_200);
    };
    const { rows } = await finished(runPreflight(preflight(clock, attempt)), clock);
    expect(rows.map(({ verdict, cause }) => [verdict, cause])).toEqual([
      ["degraded", "latency"],
      ["degraded", "latency"],
    ]);
  });

  it("keeps the attempts in flight within their bound (S2)", async () => {
    const clock = manualClock(0);
    const row = resolution.rows[0];
    const [target] = row?.kind === "targets" ? row.targets : [];
    if (row?.kind !== "targets" || target === undefined) throw new Error("the row has targets");
    const targets = Array.from({ length: 200 }, (_, at) => ({ ...target, id: `target-${at}`, port: at + 1 }));
    let [inFlight, most] = [0, 0];
    const attempt = async (each: Target) => {
      most = Math.max(most, ++inFlight);
      await new Promise<void>((wake) => clock.after(900, wake));
      inFlight--;
      return sampleOf(each, clock, "answered", 900);
    };
    const crowded = { ...resolution, rows: [{ ...row, targets }] };
    await finished(runPreflight(preflight(clock, attempt, { resolution: crowded, durationS: 3 })), clock);
    expect(most).toBe(MAX_IN_FLIGHT);
  });

  it("leaves to the collector what only it knows, so that a host with all it needs is met (M4)", async () => {
    const clock = manualClock(0);
    const checks = whole.rows.filter(({ kind }) => kind === "check");
    expect(checks.map(({ requirement }) => requirement.id)).toEqual(["node-clock", "node-unique"]);
    const attempt = async (target: Target) => sampleOf(target, clock, "answered", 2);
    const judged = { ...resolution, rows: [...resolution.rows, ...checks] };
    const model = await finished(runPreflight(preflight(clock, attempt, { resolution: judged })), clock);
    expect(model.rows.slice(2)).toMatchObject([
      { verdict: "not-applicable", required: false, evidence: expect.stringContaining("judged by the collector") },
      { verdict: "not-applicable", required: false },
    ]);
    expect(exitCodeOf(model)).toBe(EXIT.met);
  });

  const siderolinked = deploymentFrom({
    api: "https://127.0.0.1",
    machineApi: "grpc://127.0.0.1:1",
    siderolink: ["127.0.0.1:50180"],
  });
  const open = (): Resolution => {
    const all = resolve(loadCatalogue(), siderolinked, facts);
    const ids = ["machine-api", "siderolink-endpoint"];
    const wildcard = all.rows.find(({ requirement: { place } }) => place.kind === "wildcard");
    if (wildcard?.requirement.place.kind !== "wildcard") throw new Error("the catalogue has no wildcard");
    const place = { ...wildcard.requirement.place, known: [] };
    const unknown = { ...wildcard.requirement, id: "bucket", place };
    const rows = all.rows.filter(({ requirement }) => ids.includes(requirement.id));
    return { ...all, rows: [...rows, { requirement: unknown, kind: "unresolved", why: "no host is known", next: "" }] };
  };
  const silentPort = (clock: ManualClock) => async (target: Target) =>
    sampleOf(target, clock, target.options.probe === "udp" ? "silent" : "answered", 2);

  it("passes where nothing fails, and names what cannot be proven from here", async () => {
    const clock = manualClock(0);
    const remarks = ["Judged for Talos v1.14."];
    const model = await finished(
      runPreflight(preflight(clock, silentPort(clock), { resolution: open(), remarks })),
      clock,
    );
    expect(model.remarks).toEqual([
      "Judged for Talos v1.14.",
      "Not proven from here, and not counted: siderolink-endpoint 127.0.0.1:50180: WireGuard answers its own peers alone; a node that joins proves it.",
      "Not proven from here, and not counted: bucket: no host is known.",
    ]);
    expect(model.rows.filter(({ verdict }) => verdict === "unknown").map(({ required }) => required)).toEqual([
      false,
      false,
    ]);
    expect(exitCodeOf(model)).toBe(EXIT.met);
  });

  it("counts a silent port on a host that has been told to join, and each unknown row of another kind (M4)", async () => {
    const clock = manualClock(0);
    const resolution = open();
    const joined = { resolution, isConfiguredToJoin: true };
    const model = await finished(runPreflight(preflight(clock, silentPort(clock), joined)), clock);
    expect(model.remarks).toHaveLength(1);
    expect(exitCodeOf(model)).toBe(EXIT.notMet);
    const stalled = async (target: Target) => sampleOf(target, clock, "stalled", 2);
    const unmeasured = await finished(runPreflight(preflight(clock, stalled, { resolution })), clock);
    expect(unmeasured.rows.filter(({ required }) => required)).toHaveLength(3);
    expect(exitCodeOf(unmeasured)).toBe(EXIT.notMet);
  });

  it("judges a check of the host's own environment itself", async () => {
    const clock = manualClock(0);
    const proxy = { https: { host: "10.0.0.8", port: 3_128 }, noProxy: [] };
    const own = resolve(loadCatalogue(), deployment, { ...facts, siderolinkPrefix: "fdae:41e4:649b:9303", proxy });
    const rows = own.rows.filter(({ requirement }) => requirement.id === "tunnel-bypasses-proxy");
    const attempt = async (target: Target) => sampleOf(target, clock, "answered", 2);
    const model = await finished(runPreflight(preflight(clock, attempt, { resolution: { ...own, rows } })), clock);
    expect(model.rows).toMatchObject([{ verdict: "unmet", cause: "no-proxy" }]);
  });

  it("judges what is known when it is interrupted, and waits for no attempt in flight", async () => {
    const clock = manualClock(0);
    const abort = new AbortController();
    clock.after(4_400, () => abort.abort());
    const begun = new Map<string, number>();
    const attempt = async (target: Target) => {
      begun.set(target.id, (begun.get(target.id) ?? 0) + 1);
      if (clock.monotonicNs() >= 3_400e6) await new Promise(() => {});
      return sampleOf(target, clock, "answered", 2);
    };
    const { rows } = await finished(runPreflight(preflight(clock, attempt, { signal: abort.signal })), clock);
    expect([...begun.values()]).toEqual([4, 4]);
    expect(rows.map(({ verdict, sent }) => [verdict, sent])).toEqual([
      ["met", 3],
      ["met", 3],
    ]);
  });

  it("rejects with the defect of a probe", async () => {
    const clock = manualClock(0);
    const broken = async () => {
      throw new TypeError("broken");
    };
    await expect(finished(runPreflight(preflight(clock, broken)), clock)).rejects.toThrow("broken");
  });
});
