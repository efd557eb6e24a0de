import type { Obligation, Place, ResolvedRow } from "@lifeline/catalogue";
import { NO_DIRECTIONS, type Window } from "@lifeline/window";
import { describe, expect, it } from "vitest";
import { judgementContextOf, type KnownOfNode } from "./judgement-context.ts";
import type { NodeContext } from "./node-context.ts";
import {
  judgeRows,
  NOW_MS,
  requirementOf,
  rowOf,
  STAMP,
  TCP,
  TLS,
  targetOf,
  times,
  windowsOf,
} from "./testing/judgement-fixture.ts";

const PORT: Place = { kind: "service", service: "siderolink" };
const judge = (rows: readonly ResolvedRow[], windows: readonly Window[] = [], context: NodeContext = {}) =>
  judgeRows(rows, windows, { context });

describe("a row of a target", () => {
  const tcp = targetOf(TCP);
  const answered = windowsOf(tcp, times(9, "answered"));
  const rowWith = (obligation: Obligation, comparisonIds: readonly string[] = []): ResolvedRow => ({
    ...rowOf([tcp]),
    kind: "targets",
    targets: [tcp],
    skipped: [],
    notes: [],
    alternatives: [],
    comparisonIds,
    thirdPartyIds: [],
    requirement: requirementOf("r", undefined, obligation),
  });
  it.each<[Obligation, string[], boolean]>([
    ["required", [], true],
    ["conditional", [], true],
    ["optional", [], false],
    ["required", [tcp.id], false],
    ["optional", [tcp.id], false],
  ])("that is %s, compared %j, must be met: %s", (obligation, comparisonIds, required) => {
    expect(judge([rowWith(obligation, comparisonIds)], answered)).toMatchObject([
      { required, comparison: comparisonIds.length > 0 },
    ]);
  });

  it("names the proxy it goes through", () => {
    const proxied = targetOf(TCP, { proxy: { host: "proxy.test", port: 3_128 } });
    expect(judge([rowOf([proxied])])[0]?.target?.proxy).toBe("proxy.test:3128");
    expect(judge([rowOf([tcp])])[0]?.target).toMatchObject({ proxy: undefined, endpoint: "omni.test:443" });
  });

  it.each([
    [{ forwardSent: 1 }, true],
    [{ returnSent: 1 }, true],
    [{ forwardSent: 2, returnSent: 1 }, true],
    [{ forwardSent: 1, returnSent: 2 }, true],
    [{ duplicates: 5 }, false],
  ])("has directions where packets are numbered: %j %s", (counts, has) => {
    const stamp = targetOf(STAMP);
    const directions = { ...NO_DIRECTIONS, ...counts };
    const windows = windowsOf(stamp, ["answered", "answered"]).map((window) => ({ ...window, directions }));
    expect(judge([rowOf([stamp])], windows)[0]?.directions).toEqual(has ? directions : undefined);
  });

  it("has evidence of 2,000 characters at most", () => {
    const chain = [
      { subject: "x".repeat(3_000), issuer: "y", notBefore: "", notAfter: "z", sha256: "00", anchor: false },
    ];
    expect(judge([rowOf([tcp])], windowsOf(tcp, times(9, "tls-untrusted"), 0, { chain }))[0]?.evidence).toHaveLength(
      2_000,
    );
  });
});

describe("a row without a target", () => {
  const check = (obligation: Obligation = "required", name: "clock" | "unique-node" = "clock"): ResolvedRow => ({
    requirement: requirementOf(name, undefined, obligation),
    kind: "check",
    check: { name },
  });
  const bare = (place: Place | undefined, kind: "not-applicable" | "unresolved"): ResolvedRow => {
    const requirement = requirementOf("p", place);
    return kind === "unresolved"
      ? { requirement, kind, why: "no host", next: "name one" }
      : { requirement, kind, why: "gRPC" };
  };

  it.each<[string, ResolvedRow, object]>([
    ["that is optional need not be met", check("optional"), { required: false, comparison: false }],
    ["that is required must be met", check(), { required: true, verdict: "unknown", sinceMs: NOW_MS, onsetMs: NOW_MS }],
    [
      "of the port over gRPC has the evidence class of that",
      bare(PORT, "not-applicable"),
      { udpEvidence: "not-applicable", required: false },
    ],
    [
      "of the port that nothing names has none",
      bare(PORT, "unresolved"),
      { udpEvidence: "no-evidence", required: true },
    ],
    [
      "of another service has no evidence class",
      bare({ kind: "service", service: "in-tunnel" }, "unresolved"),
      { udpEvidence: undefined },
    ],
    ["of hosts has no evidence class", bare(undefined, "unresolved"), { udpEvidence: undefined }],
  ])("%s", (_, row, wanted) => {
    expect(judge([row])).toMatchObject([wanted]);
  });

  it("uses what is known of the node, and its onset", () => {
    const duplicate = { peers: ["a", "b"], sinceMs: NOW_MS - 7_000 };
    const since = { onsetMs: NOW_MS - 7_000, sinceMs: NOW_MS - 7_000 };
    expect(judge([check("required", "unique-node")], [], { duplicate })).toMatchObject([
      { verdict: "unmet", ...since },
    ]);
  });

  it("of the clock is the root of certificates that look wrong, and no other check is", () => {
    const tls = targetOf(TLS);
    const rows = [check("required", "unique-node"), check(), rowOf([tls])];
    const judged = judge(rows, windowsOf(tls, times(9, "tls-not-yet-valid")), { clockOffsetMs: 20_000 });
    expect(judged[2]).toMatchObject({ cause: "clock", followsFrom: "clock" });
  });
});

it("a judgement context leaves out what is undefined", () => {
  const signs = { expected: [], vendors: [] };
  expect(
    Object.keys(judgementContextOf(signs, { clockOffsetMs: 5, witness: undefined } as KnownOfNode).context),
  ).toEqual(["clockOffsetMs"]);
});
