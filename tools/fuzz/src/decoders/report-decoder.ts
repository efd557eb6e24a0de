/** Reports of an agent, and the windows in them. */
import { create, type DescMessage, toBinary } from "@bufbuild/protobuf";
import { PHASES, REASONS, type Reason } from "@lifeline/measure";
import { ADDRESSES_MAX, SKETCH_MAX_NS, TIMED_PHASES, type Window } from "@lifeline/window";
import {
  decodeReport,
  encodeReport,
  MAX_EVIDENCE_ENTRIES,
  MAX_EVIDENCE_LENGTH,
  MAX_IDENTIFIER_LENGTH,
  MAX_REPORT_BYTES,
  MAX_UNIX_MS,
  MAX_WINDOWS_PER_REPORT,
  type Report,
  reportPb,
} from "@lifeline/wire";
import { joined } from "../byte-mutation.ts";
import { type Decoder, law, lawSame } from "../decoder.ts";
import { drawEncoding } from "../message-course.ts";
import { messageGrowth } from "../message-growth.ts";
import { encoded, fieldsOf } from "../wire-mutation.ts";

const START_MS = Date.UTC(2026, 10, 20, 9);
const TARGET = "machine-api|tcp|omni.example:8090|ipv4";

/** A window in which everything that a window can hold is there. */
function fullWindow(reason: Reason, at: number): Window {
  const phase = PHASES[at % PHASES.length] ?? "connect";
  const last = {
    endedAtMs: START_MS + 9_000,
    reason,
    phase,
    run: {
      ordinal: at + 1,
      outcomeClass: "bad" as const,
      length: 3,
      startedAtMs: START_MS,
      lossRun: at % 4,
      watched: at % 3,
      stateLength: 2,
      stateStartedAtMs: START_MS + 1_000,
    },
    evidence: {
      address: "192.0.2.1",
      answers: ["192.0.2.1", "2001:db8::1"],
      addresses: ["192.0.2.1", "192.0.2.2"],
      addressCount: 9,
      lateRttNs: 1_200_000_000,
      code: "ECONNREFUSED",
      tlsVersion: "TLSv1.3",
      alpn: "h2",
      chain: [
        {
          subject: "CN=omni.example",
          issuer: "CN=authority",
          notBefore: "2026-01-01T00:00:00Z",
          notAfter: "2027-01-01T00:00:00Z",
          sha256: "0a".repeat(32),
          anchor: true,
        },
      ],
      httpStatus: 503,
      redirects: ["https://login.example/"],
      bodyBytes: 4_711,
      contentType: "text/html",
      pageTitle: "Log in",
      retryAfterMs: 60_000,
      grpcStatus: 14,
      grpcMessage: "no healthy upstream",
      synRetransmits: 1,
      strays: 2,
      localAddress: "10.0.0.7",
      proxy: "proxy.example:3128",
      proxyStatus: 407,
      pathMtuBytes: 1_340,
      link: { name: "siderolink", rxBytes: 5_000, txBytes: 7_000, rxFrozenMs: 12, txPacketsSince: 3, mtuBytes: 1_280 },
      time: { offsetUs: -1_500, stratum: 3, rootDelayUs: 12_000, rootDispersionUs: 800 },
    },
  };
  return {
    targetId: at % 3 === 0 ? TARGET : `${TARGET}${at}`,
    startMs: START_MS,
    endMs: START_MS + 10_000,
    started: 10,
    missedTicks: 1,
    counts: new Map([[reason, 4], ...(reason === "answered" ? [] : [["answered", 5] as const])]),
    rtt: {
      sketch: new Map([
        [700, 3],
        [704, 2],
      ]),
      minNs: 4_000_000,
      maxNs: 5_000_000,
      sumNs: 22_000_000,
      kernelCount: 4,
    },
    phases: new Map(TIMED_PHASES.map((timed) => [timed, { count: 2, sumNs: 900, maxNs: 500 }])),
    lossBursts: 1,
    longestLossRun: 2,
    directions: { forwardSent: 9, forwardLost: 1, returnSent: 8, returnLost: 2, duplicates: 1, reordered: 1 },
    last,
    ...(at % 2 === 0 ? { lastBad: last } : { lastBad: undefined }),
    addresses: new Map(at % 2 === 0 ? [["192.0.2.1", { last, lastBad: undefined }]] : []),
  };
}

const SELF_METRICS: Report["selfMetrics"] = {
  rssBytes: 60_000_000,
  cpuUs: 12_000,
  uptimeMs: 3_600_000,
  eventLoopMaxDelayNs: 11_000_000,
  spoolBytes: 4_096,
  spoolReports: 2,
  spoolDroppedReports: 0,
  spoolMemoryReports: 0,
  missedTicks: 1,
  refusedReports: 0,
};

const windows = REASONS.map(fullWindow);
const VALID = [[], windows.slice(0, 1), windows.slice(1, 3), windows.slice(3, 7)].map((some) =>
  encodeReport({ sealedAtMs: START_MS + 10_000, windows: some, selfMetrics: SELF_METRICS }),
);

function check(input: Uint8Array) {
  const decoded = decodeReport(input);
  if (!decoded.ok) {
    law(decoded.malformed.value.length <= 80, "a refusal quotes at most 80 characters");
    return "refused";
  }
  const report = decoded.value;
  law(input.length <= MAX_REPORT_BYTES, "a report has at most MAX_REPORT_BYTES");
  law(report.windows.length <= MAX_WINDOWS_PER_REPORT, "a report has at most MAX_WINDOWS_PER_REPORT windows");
  law(isTime(report.sealedAtMs), "sealedAtMs is a time");
  for (const window of report.windows) holdWindow(window);
  const again = encodeReport(report);
  const reread = decodeReport(again);
  law(reread.ok, `what was read is read again, not refused for ${JSON.stringify(reread)}`);
  lawSame("decode∘encode = id", reread.value, report);
  return "decoded";
}

const isTime = (ms: number) => Number.isInteger(ms) && ms >= 0 && ms <= MAX_UNIX_MS;

function holdWindow({
  targetId,
  startMs,
  endMs,
  counts,
  rtt,
  phases,
  directions,
  last,
  lastBad,
  addresses,
}: Window): void {
  law(targetId.length > 0 && targetId.length <= MAX_IDENTIFIER_LENGTH, "a target id is within its length");
  law(isTime(startMs) && isTime(endMs), "a window's ends are times");
  for (const count of counts.values()) law(count >= 1 && count <= 0xffff_ffff, "a count is within uint32");
  law((rtt.minNs ?? 0) <= (rtt.maxNs ?? 0) && (rtt.maxNs ?? 0) <= SKETCH_MAX_NS, "the extremes are in order");
  law((rtt.minNs === undefined) === (rtt.sketch.size === 0), "there is a least round-trip time where there is any");
  for (const { sumNs, maxNs } of phases.values()) law(maxNs <= sumNs, "a phase's greatest is within its sum");
  law(directions.forwardLost <= directions.forwardSent, "no more is lost than was sent");
  law(directions.returnLost <= directions.returnSent, "no more is lost than was sent");
  law(addresses.size <= ADDRESSES_MAX, "a window has at most ADDRESSES_MAX addresses");
  for (const remembered of [last, lastBad, ...[...addresses.values()].flatMap((run) => [run.last, run.lastBad])]) {
    for (const value of Object.values(remembered?.evidence ?? {})) holdEvidence(value);
  }
}

function holdEvidence(value: unknown): void {
  if (typeof value === "string") law(value.length <= MAX_EVIDENCE_LENGTH, "evidence is within its length");
  if (Array.isArray(value)) law(value.length <= MAX_EVIDENCE_ENTRIES, "evidence has a bounded number of entries");
}

/** decodeReport, of whole reports. */
export const reportDecoder: Decoder = {
  name: "report",
  draw: (random) => drawEncoding(random, reportPb.ReportSchema, VALID),
  check,
  growth: messageGrowth(reportPb.ReportSchema, VALID, decodeReport),
};

/** Number of the field. */
const WINDOWS = reportPb.ReportSchema.field.windows.number;
const windowSchema = messageOf("windows");
const VALID_WINDOWS = VALID.flatMap((bytes) => windowsOf(bytes));
/** A report of two targets and no window yet. */
const ENVELOPE = toBinary(reportPb.ReportSchema, create(reportPb.ReportSchema, { targetIds: ["a", "b"] }));

/** The message that a field of the report is a list of. */
function messageOf(field: "windows"): DescMessage {
  const { message } = reportPb.ReportSchema.field[field];
  law(message !== undefined, `${field} are messages`);
  return message;
}

/** The windows of a report, each encoded by itself. */
function windowsOf(report: Uint8Array): Uint8Array[] {
  const decoded = decodeReport(report);
  law(decoded.ok, "a valid report decodes");
  return decoded.value.windows.map((window) => {
    const alone = encodeReport({ sealedAtMs: 0, windows: [window], selfMetrics: SELF_METRICS });
    return fieldsOf(alone)?.find(({ number }) => number === WINDOWS)?.body ?? new Uint8Array();
  });
}

/** decodeReport, of one window in a sound report: what is changed is all in the window. */
export const windowDecoder: Decoder = {
  name: "window",
  draw: (random) => drawEncoding(random, windowSchema, VALID_WINDOWS),
  check: (input) => check(inReport(input)),
  growth: messageGrowth(windowSchema, VALID_WINDOWS, (input) => decodeReport(inReport(input))),
};

function inReport(window: Uint8Array): Uint8Array {
  return joined(ENVELOPE, encoded([{ number: WINDOWS, wireType: 2, body: window }]));
}
