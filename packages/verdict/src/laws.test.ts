import type { ResolvedRow, Service } from "@lifeline/catalogue";
import { REASONS, type Reason, type Target } from "@lifeline/measure";
import type { Window } from "@lifeline/window";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NodeContext } from "./node-context.ts";
import type { RowVerdict } from "./row.ts";
import {
  closedPort,
  judgeRows,
  LINK,
  NOW_MS,
  rowOf,
  STAMP,
  TCP,
  TLS,
  targetOf,
  UDP,
  windowsOf,
} from "./testing/judgement-fixture.ts";

const OK = "answered";
const tcp = targetOf(TCP);

const judge = (rows: readonly ResolvedRow[], windows: readonly Window[], context: NodeContext = {}, nowMs = NOW_MS) =>
  judgeRows(rows, windows, { context, nowMs });

/** A node with a target for each rule of correlation. */
const PLACES: readonly [Service, readonly Target[]][] = [
  ["machine-api", [targetOf(TCP, { requirementId: "machine-api" }), targetOf(TLS, { requirementId: "machine-api" })]],
  [
    "siderolink",
    [UDP, STAMP].map((options) => targetOf(options, { requirementId: "siderolink", host: "10.0.0.1", port: 50_180 })),
  ],
  [
    "in-tunnel",
    [TCP, closedPort(16), closedPort(1_232)].map((options) =>
      targetOf(options, { requirementId: "in-tunnel", host: "fdae::1", port: 9 }),
    ),
  ],
  ["tunnel-link", [targetOf(LINK, { requirementId: "tunnel-link", host: "siderolink", port: 0 })]],
];
const ROWS = PLACES.map(([service, targets]) => rowOf(targets, { kind: "service", service }, service));
const TARGETS = PLACES.flatMap(([, targets]) => targets);
/** Runs of one reason each, so that outages are common. */
const history = (of: Target) => {
  const reasons: Reason[] =
    of.options.probe === "link"
      ? ["link-alive", "link-frozen", "link-idle", "link-absent"]
      : of.options.probe === "udp"
        ? [OK, "silent", "refused", "timeout"]
        : [OK, OK, "timeout", "refused", "stalled", "tls-expired"];
  const runs = fc.array(fc.tuple(fc.constantFrom(...reasons), fc.integer({ min: 1, max: 12 })), { maxLength: 6 });
  return runs.map((list) =>
    windowsOf(
      of,
      list.flatMap(([reason, count]) => Array.from({ length: count }, () => reason)),
    ),
  );
};
const node = fc.tuple(...TARGETS.map(history)).map((windows) => windows.flat());
const witness = fc.option(
  fc.record({
    watchingSinceMs: fc.constant(0),
    reportedAtMs: fc.constant(NOW_MS),
    receivedAtMs: fc.integer({ min: NOW_MS - 60_000, max: NOW_MS }),
    receivingSinceMs: fc.integer({ min: NOW_MS - 90_000, max: NOW_MS - 60_000 }),
    address: fc.constant("192.0.2.1"),
  }),
  { nil: undefined },
);
const shuffled = <T>(list: readonly T[]) => fc.shuffledSubarray([...list], { minLength: list.length });

describe("laws of the judge", () => {
  const lists = fc.array(fc.array(fc.constantFrom(...REASONS), { maxLength: 80 }), { minLength: 4, maxLength: 4 });

  it("any windows give rows, and each row names its evidence, cause and next step (J2)", () => {
    const targets = [tcp, targetOf(TCP, { family: 6 }), targetOf(UDP), targetOf(STAMP)];
    fc.assert(
      fc.property(lists, (reasons) => {
        const rows = judge(
          [rowOf(targets)],
          targets.flatMap((of, at) => windowsOf(of, reasons[at] ?? [])),
        );
        expect(rows).toHaveLength(4);
        for (const { verdict, cause, nextStep, evidence } of rows) {
          const settled = verdict === "met" || verdict === "not-applicable";
          expect([evidence !== "", (cause === "none") === settled, (nextStep === "") === settled]).toEqual([
            true,
            true,
            true,
          ]);
        }
      }),
      { examples: [[[["mtu-too-small", "answered", "answered", "dns-unreachable"], ["answered"], [], []]]] },
    );
  });

  it("the order of windows changes nothing (W1)", () => {
    fc.assert(
      fc.property(
        node.chain((windows) => fc.tuple(fc.constant(windows), shuffled(windows))),
        witness,
        ([windows, others], seen) => {
          const context = seen === undefined ? {} : { witness: seen };
          expect(judge(ROWS, others, context)).toEqual(judge(ROWS, windows, context));
        },
      ),
    );
  });

  it("the order of requirements and targets changes no verdict and no cause", () => {
    const rows = fc.tuple(
      ...ROWS.map((row) =>
        row.kind === "targets" ? shuffled(row.targets).map((targets) => ({ ...row, targets })) : fc.constant(row),
      ),
    );
    fc.assert(
      fc.property(
        node,
        rows.chain((list) => shuffled(list)),
        (windows, others) => {
          const said = (of: readonly RowVerdict[]) =>
            of
              .map(({ target, verdict, cause, onsetMs }) => [target?.id ?? "", verdict, cause, onsetMs] as const)
              .sort(([a], [b]) => (a < b ? -1 : 1));
          expect(said(judge(others, windows))).toEqual(said(judge(ROWS, windows)));
        },
      ),
    );
  });

  it("shifting all times changes only these times", () => {
    const later = (window: Window, ms: number): Window => {
      const moved = (seen: Window["last"]) =>
        seen && {
          ...seen,
          endedAtMs: seen.endedAtMs + ms,
          run: {
            ...seen.run,
            startedAtMs: seen.run.startedAtMs + ms,
            stateStartedAtMs: seen.run.stateStartedAtMs + ms,
          },
        };
      return {
        ...window,
        startMs: window.startMs + ms,
        endMs: window.endMs + ms,
        last: moved(window.last),
        lastBad: moved(window.lastBad),
      };
    };
    const back = ({ sinceMs, onsetMs, causeSinceMs, lastSampleAtMs, evidence, ...row }: RowVerdict, ms: number) => ({
      ...row,
      times: [
        sinceMs - ms,
        onsetMs - ms,
        causeSinceMs - ms,
        lastSampleAtMs === undefined ? undefined : lastSampleAtMs - ms,
      ],
      evidence: evidence.replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, "TIME"),
    });
    fc.assert(
      fc.property(node, witness, fc.integer({ min: -1_000_000_000, max: 1_000_000_000 }), (windows, seen, ms) => {
        const shift = (of: NonNullable<typeof seen>) => ({
          ...of,
          watchingSinceMs: of.watchingSinceMs + ms,
          reportedAtMs: of.reportedAtMs + ms,
          receivedAtMs: of.receivedAtMs + ms,
          receivingSinceMs: of.receivingSinceMs + ms,
        });
        const before = judge(ROWS, windows, seen === undefined ? {} : { witness: seen });
        const after = judge(
          ROWS,
          windows.map((window) => later(window, ms)),
          seen === undefined ? {} : { witness: shift(seen) },
          NOW_MS + ms,
        );
        expect(after.map((row) => back(row, ms))).toEqual(before.map((row) => back(row, 0)));
      }),
    );
  });

  it("more loss never improves the verdict, unless it makes an outage or a loss that is over", () => {
    // More loss before a clean run lets the same run end it, and what came after stands alone. An outage that is over
    // is met, and a loss that is over no longer degrades.
    const stepsOf = (of: readonly Reason[]) => {
      const text = `${of.join(" ")} `;
      if (/(timeout ){3,}.*(answered ){2}/.test(text)) return 2;
      return /timeout (answered ){6,}/.test(text) ? 1 : 0;
    };
    const rank = { met: 0, unknown: 1, degraded: 1, unmet: 2, "not-applicable": -1 };
    // Long lists with few losses, because the verdict turns at five losses of sixty.
    const one = fc.constantFrom<Reason>(OK, OK, OK, OK, OK, OK, "timeout");
    const list = fc.array(one, { minLength: 1, maxLength: 60, size: "max" });
    fc.assert(
      fc.property(list, fc.nat(59), (reasons, at) => {
        fc.pre(reasons[at] === OK);
        const worse = reasons.with(at, "timeout");
        const rankOf = (of: readonly Reason[]) =>
          rank[judge([rowOf([tcp])], windowsOf(tcp, of))[0]?.verdict ?? "unknown"];
        expect(rankOf(worse)).toBeGreaterThanOrEqual(rankOf(reasons) - stepsOf(worse));
      }),
      { numRuns: 200 },
    );
  });
});
