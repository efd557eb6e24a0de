import { create, toBinary } from "@bufbuild/protobuf";
import {
  CAUSES,
  type Evidence,
  literalFamily,
  PHASES,
  PROBE_KINDS,
  type ProbeOptions,
  REASONS,
  RECORD_TYPES,
  TARGET_TEXT_WANTED,
  type Target,
  targetId,
} from "@lifeline/measure";
import { CA_PEM } from "@lifeline/measure/testing";
import { ADDRESSES_MAX, emptyWindow, mergeWindows, type Remembered, TIMED_PHASES, type Window } from "@lifeline/window";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ReportSchema } from "./gen/lifeline/v1/report_pb.ts";
import { MAX_REPORT_BYTES, MAX_WINDOWS_PER_REPORT } from "./limits.ts";
import { makePlan, planFromWire, planToWire } from "./plan-codec.ts";
import { decodeReport, encodeReport, type Report } from "./report-codec.ts";
import { decodeWindow, encodeWindow } from "./stored-window.ts";

const unixMs = fc.integer({ min: 0, max: Date.UTC(2099, 0, 1) });
const word = fc.stringMatching(/^[ -~]{1,40}$/);
const count = fc.integer({ min: 1, max: 0xffff_ffff });

const evidence: fc.Arbitrary<Evidence> = fc.record(
  {
    address: word,
    answers: fc.array(word, { minLength: 1, maxLength: 16 }),
    addresses: fc.array(word, { minLength: 1, maxLength: 8 }),
    addressCount: fc.nat(16),
    lateRttNs: fc.maxSafeNat(),
    code: word,
    tlsVersion: word,
    alpn: word,
    tlsAlert: fc.nat(255),
    chain: fc.array(
      fc.record({
        subject: word,
        issuer: word,
        notBefore: word,
        notAfter: word,
        sha256: word,
        anchor: fc.boolean(),
      }),
      { minLength: 1, maxLength: 8 },
    ),
    httpStatus: fc.nat(999),
    redirects: fc.array(word, { minLength: 1, maxLength: 4 }),
    bodyBytes: fc.nat(65_536),
    contentType: word,
    pageTitle: word,
    retryAfterMs: fc.nat(3_600_000),
    grpcStatus: fc.nat(16),
    grpcMessage: word,
    synRetransmits: fc.nat(6),
    strays: fc.nat(6),
    localAddress: word,
    proxy: word,
    proxyStatus: fc.nat(999),
    pathMtuBytes: fc.nat(9_000),
    link: fc.record({
      name: word,
      rxBytes: fc.maxSafeNat(),
      txBytes: fc.maxSafeNat(),
      rxFrozenMs: fc.nat(1e9),
      txPacketsSince: fc.nat(1e9),
      mtuBytes: fc.nat(65_536),
    }),
    time: fc.record(
      {
        offsetUs: fc.maxSafeInteger(),
        stratum: fc.nat(255),
        rootDelayUs: fc.nat(1e9),
        rootDispersionUs: fc.nat(1e9),
      },
      { requiredKeys: ["stratum", "rootDelayUs", "rootDispersionUs"] },
    ),
  },
  { requiredKeys: [] },
);

const remembered: fc.Arbitrary<Remembered> = fc.record({
  endedAtMs: unixMs,
  reason: fc.constantFrom(...REASONS),
  phase: fc.constantFrom(...PHASES),
  run: fc
    .record({
      ordinal: fc.maxSafeNat(),
      outcomeClass: fc.constantFrom("good", "bad", "silent", "inconclusive"),
      length: count,
      startedAtMs: unixMs,
      lossRun: fc.nat(1_000),
      watched: fc.nat(1_000),
      stateLength: count,
      stateStartedAtMs: fc.oneof(fc.constant(undefined), unixMs),
    })
    .map((run) => ({
      ...run,
      stateLength: Math.min(run.stateLength, run.length),
      stateStartedAtMs: run.stateStartedAtMs || run.startedAtMs,
    })),
  evidence,
});

const span = fc.tuple(unixMs, unixMs).map(([a, b]) => ({ startMs: Math.min(a, b), endMs: Math.max(a, b) }));

const windowWithoutSpan: fc.Arbitrary<Omit<Window, "startMs" | "endMs">> = fc.record({
  targetId: word,
  started: count,
  missedTicks: count,
  counts: fc
    .uniqueArray(fc.tuple(fc.constantFrom(...REASONS), count), { selector: ([reason]) => reason })
    .map((entries) => new Map(entries)),
  rtt: fc
    .tuple(
      fc.uniqueArray(fc.tuple(fc.integer({ min: -1, max: 1_151 }), fc.integer({ min: 1, max: 1_000_000 })), {
        selector: ([at]) => at,
        maxLength: 50,
      }),
      fc.integer({ min: 0, max: 2 ** 35 }),
      fc.integer({ min: 0, max: 2 ** 35 }),
    )
    .map(([buckets, a, b]) => ({
      sketch: new Map(buckets),
      minNs: buckets.length === 0 ? undefined : Math.min(a, b),
      maxNs: buckets.length === 0 ? undefined : Math.max(a, b),
      sumNs: buckets.length === 0 ? 0 : a + b,
      kernelCount: buckets.length === 0 ? 0 : 1,
    })),
  phases: fc
    .uniqueArray(fc.tuple(fc.constantFrom(...TIMED_PHASES), fc.record({ count, maxNs: fc.nat(1e9) })), {
      selector: ([phase]) => phase,
    })
    .map((entries) => new Map(entries.map(([phase, sum]) => [phase, { ...sum, sumNs: sum.maxNs * 2 }]))),
  lossBursts: fc.nat(1_000),
  longestLossRun: fc.nat(1_000),
  directions: fc
    .record({
      forward: fc.tuple(fc.nat(1_000), fc.nat(1_000)),
      back: fc.tuple(fc.nat(1_000), fc.nat(1_000)),
      duplicates: fc.nat(9),
      reordered: fc.nat(9),
    })
    .map(({ forward, back, duplicates, reordered }) => ({
      forwardSent: Math.max(...forward),
      forwardLost: Math.min(...forward),
      returnSent: Math.max(...back),
      returnLost: Math.min(...back),
      duplicates,
      reordered,
    })),
  last: fc.option(remembered, { nil: undefined }),
  lastBad: fc.option(remembered, { nil: undefined }),
  addresses: fc
    .uniqueArray(fc.tuple(word, fc.record({ last: remembered, lastBad: fc.option(remembered, { nil: undefined }) })), {
      selector: ([address]) => address,
      maxLength: ADDRESSES_MAX,
    })
    .map((entries) => new Map(entries)),
});

const window: fc.Arbitrary<Window> = fc.tuple(windowWithoutSpan, span).map(([rest, times]) => ({ ...rest, ...times }));

const SELF_METRICS: Report["selfMetrics"] = {
  rssBytes: 60_000_000,
  cpuUs: 1,
  uptimeMs: 2,
  eventLoopMaxDelayNs: 3,
  spoolBytes: 4,
  spoolReports: 5,
  spoolDroppedReports: 6,
  spoolMemoryReports: 7,
  missedTicks: 8,
  refusedReports: 9,
};

describe("reports", () => {
  it("decode∘encode = id", () => {
    fc.assert(
      fc.property(unixMs, fc.array(window, { maxLength: 5 }), (sealedAtMs, windows) => {
        const report: Report = { sealedAtMs, windows, selfMetrics: SELF_METRICS };
        expect(decodeReport(encodeReport(report))).toEqual({ ok: true, value: report });
      }),
    );
  });

  it("any bytes are read as a report or refused, and never throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(typeof decodeReport(bytes).ok).toBe("boolean");
      }),
      { numRuns: 2_000 },
    );
  });

  it("a report with one byte changed is read or refused, and never throws", () => {
    const bytes = encodeReport({
      sealedAtMs: 1,
      windows: [{ ...emptyWindow("a|tcp|h:1|ipv4", 0, 10_000), started: 3 }],
      selfMetrics: SELF_METRICS,
    });
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        const changed = Uint8Array.from(bytes);
        changed[at] = value;
        expect(typeof decodeReport(changed).ok).toBe("boolean");
      }),
      { numRuns: 2_000 },
    );
  });

  it("encoding more windows than a report may hold throws", () => {
    const windows = Array.from({ length: MAX_WINDOWS_PER_REPORT + 1 }, () => emptyWindow("a", 0, 1));
    expect(() => encodeReport({ sealedAtMs: 0, windows, selfMetrics: SELF_METRICS })).toThrow(
      `report.windows: got ${MAX_WINDOWS_PER_REPORT + 1}, want at most ${MAX_WINDOWS_PER_REPORT}`,
    );
  });

  const good = { targetIds: ["t"], windows: [{ targetIndex: 0, startUnixMs: 1n, endUnixMs: 2n }] };
  const win = (more: object) => ({ ...good, windows: [{ ...good.windows[0], ...more }] });
  const remembering = (evidence: object) => ({ reason: 1, phase: 1, runOutcomeClass: 1, runLength: 1, evidence });
  it.each([
    {
      name: "a target index beyond the list",
      init: win({ targetIndex: 1 }),
      field: "windows[0].target_index",
      expected: "below 1, the number of target_ids",
    },
    {
      name: "an unknown reason",
      init: win({ reasons: [99], reasonCounts: [1] }),
      field: "windows[0].reasons[0]",
      expected: "a number that this version knows",
    },
    {
      name: "a reason without its count",
      init: win({ reasons: [1] }),
      field: "windows[0].reason_counts",
      expected: "1, one for each of its column",
    },
    {
      name: "a reason twice",
      init: win({ reasons: [1, 1], reasonCounts: [1, 1] }),
      field: "windows[0].reasons[1]",
      expected: "each reason once",
    },
    {
      name: "buckets that do not rise",
      init: win({ rttBucketDeltas: [5, 0], rttBucketCounts: [1, 1] }),
      field: "windows[0].rtt_bucket_deltas[1]",
      expected: "a rising index (1 or more)",
    },
    {
      name: "a bucket beyond the sketch",
      init: win({ rttBucketDeltas: [1_152], rttBucketCounts: [1] }),
      field: "windows[0].rtt_bucket_deltas[0]",
      expected: "an integer from -1 to 1151",
    },
    {
      name: "a time beyond 2100",
      init: win({ endUnixMs: 99_999_999_999_999n }),
      field: "windows[0].end_unix_ms",
      expected: "an integer from 1 to 4102444800000",
    },
    {
      name: "an end before the start",
      init: win({ endUnixMs: 0n }),
      field: "windows[0].end_unix_ms",
      expected: "an integer from 1 to 4102444800000",
    },
    {
      name: "an escape sequence in evidence (ESC)",
      init: win({ last: remembering({ code: "\u001b[2J" }) }),
      field: "windows[0].last.evidence.code",
      expected: "text without control characters",
    },
    {
      name: "an escape sequence in evidence (C1)",
      init: win({ last: remembering({ chain: [{ subject: "\u009b2J" }] }) }),
      field: "windows[0].last.evidence.chain[0].subject",
      expected: "text without control characters",
    },
    {
      name: "evidence that is too long",
      init: win({ last: remembering({ alpn: "x".repeat(257) }) }),
      field: "windows[0].last.evidence.alpn",
      expected: "0 to 256 characters, not 257",
    },
    {
      name: "a line break in a target id",
      init: { targetIds: ["a\nb"] },
      field: "target_ids[0]",
      expected: "text without control characters",
    },
  ])("refuses $name and names the field", ({ init, field, expected }) => {
    const decoded = decodeReport(toBinary(ReportSchema, create(ReportSchema, init as never)));
    expect(decoded).toMatchObject({ ok: false, malformed: { field, expected } });
  });

  it.each([
    ["a control character", "\u001b[2J\u202e", "\\u{1B}[2J\\u{202E}"],
    ["its length", `\u202e\u200b${"x".repeat(600)}`, `\\u{202E}\\u{200B}${"x".repeat(64)}`],
    ["its length, through an emoji", `${"x".repeat(79)}👩${"x".repeat(600)}`, `${"x".repeat(79)}\\`],
    [
      "its length, and with an emoji at the cut",
      `\u202e${"x".repeat(71)}👩👩${"x".repeat(600)}`,
      `\\u{202E}${"x".repeat(71)}\ufffd`,
    ],
  ])("quotes a refused value as visible text of at most 80 characters: %s", (_, targetId, value) => {
    const decoded = decodeReport(toBinary(ReportSchema, create(ReportSchema, { targetIds: [targetId] })));
    expect(decoded).toMatchObject({ ok: false, malformed: { field: "target_ids[0]", value } });
  });

  it("refuses bytes that are too many for a report before it decodes them", () => {
    expect(decodeReport(new Uint8Array(MAX_REPORT_BYTES + 1))).toMatchObject({
      ok: false,
      malformed: { field: "report" },
    });
  });
});

describe("single windows", () => {
  it("decode∘encode = id", () => {
    fc.assert(
      fc.property(window, (one) => {
        const encoded = encodeWindow(one);
        expect(encoded.ok && decodeWindow(encoded.value, one.targetId)).toEqual({ ok: true, value: one });
      }),
    );
  });

  it("any bytes are read as a window or refused, and never throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(typeof decodeWindow(bytes, "t").ok).toBe("boolean");
      }),
      { numRuns: 2_000 },
    );
  });

  it("a merged window that encodes also decodes", () => {
    fc.assert(
      fc.property(window, fc.nat(3), (one, times) => {
        const merged = Array.from({ length: times }, () => one).reduce(mergeWindows, one);
        const encoded = encodeWindow(merged);
        if (encoded.ok) expect(decodeWindow(encoded.value, one.targetId)).toEqual({ ok: true, value: merged });
        else expect(encoded.malformed.value).toMatch(/^\d+$/);
      }),
    );
  });

  const empty = emptyWindow("t", 0, 10_000);
  const beyond = 2 ** 32;
  it.each<[string, Partial<Window>]>([
    ["started", { started: beyond }],
    ["missed_ticks", { missedTicks: beyond }],
    ["loss_bursts", { lossBursts: beyond }],
    ["reason_counts", { counts: new Map([["answered", beyond]]) }],
    ["rtt_bucket_counts", { rtt: { ...empty.rtt, sketch: new Map([[5, beyond]]) } }],
    ["rtt_kernel_count", { rtt: { ...empty.rtt, kernelCount: beyond } }],
    ["rtt_sum_ns", { rtt: { ...empty.rtt, sumNs: 2 ** 53 } }],
    ["phase_counts", { phases: new Map([["dnsNs", { count: beyond, sumNs: 1, maxNs: 1 }]]) }],
    ["phase_sums_ns", { phases: new Map([["dnsNs", { count: 1, sumNs: 2 ** 53, maxNs: 1 }]]) }],
    ["directions", { directions: { ...empty.directions, duplicates: beyond } }],
  ])("encoding refuses %s beyond the limit of decoding, and names it", (field, more) => {
    expect(encodeWindow({ ...empty, ...more })).toMatchObject({ ok: false, malformed: { field: `window.${field}` } });
  });

  it("refuses bytes that are too many for a window before it decodes them", () => {
    expect(decodeWindow(new Uint8Array(MAX_REPORT_BYTES + 1), "t")).toMatchObject({
      ok: false,
      malformed: { field: "window" },
    });
  });
});

const trust = fc.oneof(
  fc.constant({ kind: "public" as const }),
  fc.nat(4).map((lines) => ({ kind: "public" as const, addedCaPem: `${"#\n".repeat(lines)}${CA_PEM}` })),
  fc.record(
    {
      kind: fc.constant("private" as const),
      caPem: fc.nat(4).map((lines) => `${"#\n".repeat(lines)}${CA_PEM}`),
      addedCaPem: fc.constant(`#\n#\n#\n#\n#\n${CA_PEM}`),
      hostCaSha256: fc.array(fc.constantFrom("ab".repeat(32), "01".repeat(32)), { minLength: 1, maxLength: 8 }),
    },
    { requiredKeys: ["kind", "caPem"] },
  ),
);
const host = fc.oneof(
  fc.stringMatching(/^([a-z0-9_-]{1,20}\.){0,3}[a-z][a-z_]{0,20}\.?$/).filter((name) => !name.includes("xn--")),
  fc.constantFrom("192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"),
);
const options: fc.Arbitrary<ProbeOptions> = fc.oneof(
  fc.record({ probe: fc.constant("tcp" as const), acceptReset: fc.boolean() }),
  fc.record({
    probe: fc.constant("tls" as const),
    trust,
    alpn: fc.array(fc.stringMatching(/^[!-~]{1,40}$/), { minLength: 1, maxLength: 3 }),
    alpnRequired: fc.boolean(),
  }),
  fc.record(
    {
      probe: fc.constant("http" as const),
      trust,
      expect: fc.record(
        {
          method: fc.constantFrom("GET", "HEAD"),
          path: fc.webPath().map((path) => path || "/"),
          version: fc.constantFrom("1.1", "2"),
          statuses: fc.array(fc.integer({ min: 200, max: 599 }), { maxLength: 4 }),
          body: fc.constant("empty" as const),
        },
        { requiredKeys: ["method", "path", "version", "statuses"] },
      ),
    },
    { requiredKeys: ["probe", "expect"] },
  ),
  fc.record(
    {
      probe: fc.constant("grpc" as const),
      trust,
      expect: fc.record({
        method: fc.stringMatching(/^\/[a-zA-Z.]{1,20}\/\w{1,20}$/),
        status: fc.nat(16),
        message: fc.stringMatching(/^[ -~]{1,40}$/),
      }),
    },
    { requiredKeys: ["probe", "expect"] },
  ),
  fc.record(
    {
      probe: fc.constant("registry" as const),
      trust,
      expect: fc.record(
        {
          basePath: fc.constantFrom("/v2", "/v2/proxy", "/a/v2"),
          object: fc.constantFrom("a/b/manifests/v1", "a/blobs/sha256:0123"),
          objectRequired: fc.boolean(),
          namespace: fc.constantFrom("ghcr.io", "registry.example"),
          documentedHosts: fc.array(fc.constantFrom("ghcr.io", "*.example.com"), { maxLength: 4 }),
        },
        { requiredKeys: ["basePath", "objectRequired", "documentedHosts"] },
      ),
    },
    { requiredKeys: ["probe", "expect"] },
  ),
  fc.record({
    probe: fc.constant("dns" as const),
    type: fc.constantFrom(...RECORD_TYPES),
    query: fc.stringMatching(/^[!-\-/-~]{1,40}(\.[!-\-/-~]{1,20}){0,3}\.?$/),
    transport: fc.constantFrom("udp", "tcp"),
  }),
  fc.record({
    probe: fc.constant("udp" as const),
    payloadBytes: fc.integer({ min: 6, max: 1_232 }),
    expectRefusal: fc.boolean(),
  }),
  fc.record({ probe: fc.constant("stamp" as const), authenticated: fc.boolean() }),
  fc.constant({ probe: "link" as const }),
  fc.constant({ probe: "ntp" as const }),
  fc.constant({ probe: "nts" as const, trust: { kind: "public" as const } }),
  fc.record({
    probe: fc.constant("mtu" as const),
    authenticated: fc.boolean(),
    requiredBytes: fc.integer({ min: 1_280, max: 9_000 }),
  }),
);
const target: fc.Arbitrary<Target> = fc
  .record({
    requirementId: word,
    host,
    port: fc.integer({ min: 1, max: 65_535 }),
    family: fc.constantFrom(4 as const, 6 as const),
    options,
    proxy: fc.option(
      fc.oneof(
        fc.record(
          {
            scheme: fc.constantFrom("socks5" as const, "socks5h" as const),
            host,
            port: fc.integer({ min: 1, max: 65_535 }),
            cleartextConnect: fc.constant(true as const),
          },
          { requiredKeys: ["host", "port"] },
        ),
        fc.record(
          {
            scheme: fc.constant("https" as const),
            host,
            port: fc.integer({ min: 1, max: 65_535 }),
            trust: fc.constant({ kind: "public" as const }),
          },
          { requiredKeys: ["scheme", "host", "port"] },
        ),
      ),
    ),
    cadenceMs: fc.integer({ min: 100, max: 3_600_000 }),
    timeoutMs: fc.integer({ min: 10, max: 60_000 }),
  })
  .map(({ proxy, port, ...rest }) => {
    const { probe } = rest.options;
    const isProxied = proxy !== null && ["tls", "http", "grpc", "registry"].includes(probe);
    const dialled = isProxied ? proxy.host : rest.host;
    const family = literalFamily(dialled) ?? rest.family;
    const fields = { ...rest, family, port: probe === "link" ? 0 : port, ...(isProxied ? { proxy } : {}) };
    return { id: targetId(fields), ...fields };
  });

describe("plans", () => {
  const targets = fc.uniqueArray(target, { maxLength: 8, selector: ({ id }) => id });

  it("decode∘encode = id, and equal content has the same revision", () => {
    fc.assert(
      fc.property(targets, (list) => {
        const plan = makePlan(list);
        expect(planFromWire(planToWire(plan))).toEqual({ ok: true, value: plan });
        expect(makePlan(structuredClone(list)).revision).toBe(plan.revision);
      }),
    );
  });

  it("other content has another revision", () => {
    fc.assert(
      fc.property(target, (one) => {
        const slower = { ...one, cadenceMs: one.cadenceMs === 100 ? 101 : one.cadenceMs - 1 };
        expect(makePlan([slower]).revision).not.toBe(makePlan([one]).revision);
      }),
    );
  });

  const tcp = {
    requirementId: "r",
    host: "h",
    port: 1,
    ipVersion: 4,
    cadenceMs: 1_000,
    timeoutMs: 950,
    redirectScope: "",
    options: { case: "tcp", value: {} },
  };
  it.each([
    {
      name: "a port of 0",
      wire: { ...tcp, port: 0 },
      field: "targets[0].port",
      expected: "an integer from 1 to 65535",
    },
    {
      name: "an IP version of 5",
      wire: { ...tcp, ipVersion: 5 },
      field: "targets[0].ip_version",
      expected: "one of 4, 6",
    },
    {
      name: "a cadence of 1 ms",
      wire: { ...tcp, cadenceMs: 1 },
      field: "targets[0].cadence_ms",
      expected: "an integer from 100 to 3600000",
    },
    {
      name: "no protocol",
      wire: { ...tcp, options: { case: undefined } },
      field: "targets[0].options",
      expected: `one of ${PROBE_KINDS.join(", ")}`,
    },
    {
      name: "a CA index beyond the list",
      wire: { ...tcp, options: { case: "grpc", value: { trust: { kind: 2, caIndex: 3, hostCaSha256: [] } } } },
      field: "targets[0].grpc.trust.ca_index",
      expected: "below 0, the number of ca_pems",
    },
    {
      name: "a UDP payload Omni would drop",
      wire: { ...tcp, options: { case: "udp", value: { payloadBytes: 5 } } },
      field: "targets[0].udp.payload_bytes",
      expected: "an integer from 6 to 1232",
    },
  ])("refuses $name and names the field", ({ wire, field, expected }) => {
    const plan = { ...planToWire(makePlan([])), targets: [wire] } as never;
    expect(planFromWire(plan)).toMatchObject({ ok: false, malformed: { field, expected } });
  });

  const tls = (value: object) => ({
    ...tcp,
    options: { case: "tls", value: { trust: { kind: 1, hostCaSha256: [] }, alpn: [], ...value } },
  });
  const http = (path: string, status = 200) => ({
    ...tcp,
    options: {
      case: "http",
      value: { method: "GET", version: "2", path, statuses: [status], body: "", documentedHosts: [] },
    },
  });
  const dns = (query: string) => ({ ...tcp, options: { case: "dns", value: { query, transport: "udp", type: "A" } } });
  const { host: HOST, requestPath: PATH, alpnName: ALPN, dnsName: NAME } = TARGET_TEXT_WANTED;
  const longLabel = `${"a".repeat(64)}.example`;
  it.each<[string, object, string, string, string]>([
    ["a path with a space", http("/a b"), "http.path", "/a b", PATH],
    ["a path with a fragment", http("/a#b"), "http.path", "/a#b", PATH],
    ["a path beyond ASCII", http("/é"), "http.path", "/é", PATH],
    ["a path with half an escape", http("/%2"), "http.path", "/%2", PATH],
    ["a path without a leading slash", http("a"), "http.path", "a", PATH],
    ["an informational status", http("/", 101), "http.statuses", "101", "an integer from 200 to 599"],
    ["an ALPN name of 128 letters in 256 bytes", tls({ alpn: ["é".repeat(128)] }), "tls.alpn[0]", "é".repeat(80), ALPN],
    ["an ALPN name with a space", tls({ alpn: ["h2", "a b"] }), "tls.alpn[1]", "a b", ALPN],
    [
      "no ALPN name where one is required",
      tls({ alpnRequired: true }),
      "tls.alpn",
      "no name",
      "one at least, for alpn_required is set",
    ],
    ["a question with a long label", dns(longLabel), "dns.query", longLabel, NAME],
    ["a question with an empty label", dns("a..b"), "dns.query", "a..b", NAME],
    ["a host with a space", { ...tcp, host: "a b" }, "host", "a b", HOST],
    ["a host beyond ASCII", { ...tcp, host: "bücher.example" }, "host", "bücher.example", HOST],
    ["a host with a zone", { ...tcp, host: "fd00::1%eth0", ipVersion: 6 }, "host", "fd00::1%eth0", HOST],
    ["a host in brackets", { ...tcp, host: "[::1]", ipVersion: 6 }, "host", "[::1]", HOST],
    ["a host that no URL can name", { ...tcp, host: "omni.1" }, "host", "omni.1", HOST],
    ["a host with a long label", { ...tcp, host: longLabel }, "host", longLabel, HOST],
    ["an address of the other family", { ...tcp, host: "::1" }, "ip_version", "4", "6, that of ::1"],
    [
      "a proxy of another kind",
      { ...tls({}), proxy: { scheme: "socks4", host: "p", port: 1 } },
      "proxy.scheme",
      "socks4",
      "one of http, https, socks5, socks5h",
    ],
    [
      "a SHA-256 that is none",
      tls({ trust: { kind: 2, caIndex: 0, hostCaSha256: ["AB"] } }),
      "tls.trust.host_ca_sha256[0]",
      "AB",
      "64 hexadecimal digits in lower case",
    ],
    [
      "a SHA-256 beside every public root",
      tls({ trust: { kind: 1, hostCaSha256: ["ab".repeat(32)] } }),
      "tls.trust.host_ca_sha256",
      "hashes",
      "none for public",
    ],
    [
      "a trust for a proxy that is asked in cleartext",
      {
        ...tls({}),
        proxy: { scheme: "https", host: "p", port: 1, trust: { kind: 1, hostCaSha256: [] }, cleartextConnect: true },
      },
      "proxy.cleartext_connect",
      "a trust",
      "one or the other",
    ],
    [
      "a proxy with a space",
      { ...tls({}), proxy: { scheme: "http", host: "a b", port: 1 } },
      "proxy.host",
      "a b",
      HOST,
    ],
    [
      "a proxy's address of the other family",
      { ...tls({}), proxy: { scheme: "http", host: "::1", port: 1 } },
      "ip_version",
      "4",
      "6, that of ::1",
    ],
    [
      "a size that IPv6 does not have",
      { ...tcp, ipVersion: 6, options: { case: "mtu", value: { requiredBytes: 1_279 } } },
      "mtu.required_bytes",
      "1279",
      "an integer from 1280 to 9000",
    ],
  ])("refuses a target that every attempt would fail for: %s", (_, wire, field, value, expected) => {
    const plan = { ...planToWire(makePlan([])), targets: [wire] } as never;
    expect(planFromWire(plan)).toEqual({ ok: false, malformed: { field: `targets[0].${field}`, value, expected } });
  });

  it("accepts a literal of either family behind a proxy of the target's family", () => {
    const wire = { ...tls({}), host: "::1", proxy: { scheme: "http", host: "192.0.2.1", port: 1 } };
    expect(planFromWire({ ...planToWire(makePlan([])), targets: [wire] } as never).ok).toBe(true);
  });

  it.each(["hello", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"])(
    "refuses a CA that cannot be parsed: %j",
    (pem) => {
      expect(planFromWire({ ...planToWire(makePlan([])), caPems: [pem] })).toMatchObject({
        ok: false,
        malformed: { field: "ca_pems[0]", expected: TARGET_TEXT_WANTED.certificates },
      });
    },
  );

  it.each([0, 65_537])("refuses a CA of %d characters, which the agent's plan file cannot hold", (length) => {
    const plan = { ...planToWire(makePlan([])), caPems: ["x".repeat(length)] };
    expect(planFromWire(plan)).toMatchObject({
      ok: false,
      malformed: { field: "ca_pems[0]", expected: "1 to 65536" },
    });
  });

  it("the list of causes has no duplicates", () => {
    expect(new Set(CAUSES).size).toBe(CAUSES.length);
  });
});
