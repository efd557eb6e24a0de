import { type Requirement, type Resolution, type ResolvedRow, resolvedTargets } from "@lifeline/catalogue";
import { type Target, targetId } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { DAY_TARGETS_MAX, TARGET_DAY_MS, TargetBudget } from "./target-budget.ts";

const requirement = { id: "node-dns-udp" } as Requirement;

function target(host: string): Target {
  const options = { probe: "tcp", acceptReset: false } as const;
  const endpoint = { requirementId: requirement.id, host, port: 53, family: 4 as const, options };
  return { id: targetId(endpoint), ...endpoint, cadenceMs: 1_000, timeoutMs: 950 };
}

/** A row of those hosts; the last `compared` of them are only compared. */
function resolutionOf(hosts: readonly string[], compared = 0): Resolution {
  const targets = hosts.map(target);
  const comparisonIds = targets.slice(targets.length - compared).map(({ id }) => id);
  const row: ResolvedRow = {
    requirement,
    kind: "targets",
    targets,
    comparisonIds,
    thirdPartyIds: [],
    alternatives: [],
    skipped: [],
    notes: [],
  };
  return { catalogueVersion: "v1", rows: [row] };
}

const hosts = (from: number, count: number) => Array.from({ length: count }, (_, at) => `h${from + at}.test`);
const hostsOf = ({ resolution }: ReturnType<TargetBudget["fit"]>) =>
  resolvedTargets(resolution).map(({ host }) => host);

describe("the targets of a node", () => {
  it("are bounded within a day, however often it names others", () => {
    const budget = new TargetBudget();
    const seen = new Set<string>();
    for (let at = 0; at < 1_000; at++) {
      for (const host of hostsOf(budget.fit(resolutionOf(hosts(at * 16, 16)), at * 1_000))) seen.add(host);
    }
    expect(seen.size).toBe(DAY_TARGETS_MAX);
  });

  it("never leave out a planned target, nor one that returns within the day", () => {
    const budget = new TargetBudget();
    const own = hosts(0, 96);
    for (let at = 0; at < 1_000; at++) {
      budget.fit(resolutionOf([...own, ...hosts(1_000 + at * 8, 8)]), at);
      expect(hostsOf(budget.fit(resolutionOf(own), at))).toEqual(own);
    }
  });

  it("count for a day after they were left, not after they were named", () => {
    const budget = new TargetBudget();
    const full = hosts(0, DAY_TARGETS_MAX);
    const next = resolutionOf(hosts(9_000, 1));
    budget.fit(resolutionOf(full), 0);
    // Left only here, two days later.
    expect(budget.fit(next, 2 * TARGET_DAY_MS).leftOut).toBe(1);
    expect(budget.fit(next, 3 * TARGET_DAY_MS - 1).leftOut).toBe(1);
    expect(budget.fit(next, 3 * TARGET_DAY_MS)).toMatchObject({ leftOut: 0 });
  });

  it("are not kept longer by a clock that was ahead", () => {
    const budget = new TargetBudget();
    budget.fit(resolutionOf(hosts(0, DAY_TARGETS_MAX)), 40 * TARGET_DAY_MS);
    const next = resolutionOf(hosts(9_000, 1));
    expect(budget.fit(next, 0).leftOut).toBe(1);
    expect(budget.fit(next, TARGET_DAY_MS).leftOut).toBe(0);
  });

  it("that are left out make a row without others unknown, and are named in a row with others (M4)", () => {
    const budget = new TargetBudget();
    budget.fit(resolutionOf(hosts(0, DAY_TARGETS_MAX - 1)), 0);
    const some = budget.fit(resolutionOf(hosts(9_000, 3)), 1);
    expect(some.leftOut).toBe(2);
    expect(some.resolution.rows).toMatchObject([
      { kind: "targets", targets: [{ host: "h9000.test" }], skipped: [{ host: "h9001.test" }, { host: "h9002.test" }] },
    ]);
    const none = budget.fit(resolutionOf(hosts(9_500, 3)), 2);
    expect(none.resolution.rows).toMatchObject([
      { kind: "unresolved", why: expect.stringContaining("has 512 targets by now") },
    ]);
  });

  it("that are only compared do not replace a row's own targets that are left out (M4)", () => {
    const budget = new TargetBudget();
    budget.fit(resolutionOf(hosts(0, DAY_TARGETS_MAX - 1)), 0);
    const { rows } = budget.fit(resolutionOf(["compared.test", "own.test"].toReversed(), 1), 1).resolution;
    expect(rows).toMatchObject([{ kind: "targets", comparisonIds: [] }]);
    const other = new TargetBudget();
    other.fit(resolutionOf([...hosts(0, DAY_TARGETS_MAX - 1), "compared.test"]), 0);
    expect(other.fit(resolutionOf(["own.test", "compared.test"], 1), 1).resolution.rows[0]?.kind).toBe("unresolved");
  });
});
