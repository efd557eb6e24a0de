/** The alert rules: valid PromQL by Prometheus's grammar, on metrics and labels that a collector exports. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Collector, type Config, parseConfig } from "@lifeline/collector";
import { systemClock } from "@lifeline/measure";
import * as v from "valibot";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { selectorsOf } from "./promql.ts";
import { ROOT, textOf, yamlOf } from "./repository.ts";
import { bringReport, type Exported, exportedOnce, failToEnrol, scrape, startQuietly } from "./used-collector.ts";

const RULES = "deploy/prometheus/rules.yaml";

/** The rule file. Every alert has a severity, a summary and a description. */
const schema = v.strictObject({
  groups: v.array(
    v.strictObject({
      name: v.pipe(v.string(), v.nonEmpty()),
      rules: v.array(
        v.strictObject({
          alert: v.pipe(v.string(), v.regex(/^Lifeline[A-Za-z]+$/)),
          expr: v.string(),
          for: v.optional(v.pipe(v.string(), v.regex(/^\d+[smhd]$/))),
          labels: v.strictObject({ severity: v.picklist(["warning", "critical"]) }),
          annotations: v.strictObject({ summary: v.string(), description: v.string() }),
        }),
      ),
    }),
  ),
});
const rules = v.parse(schema, parse(textOf(RULES))).groups.flatMap((group) => group.rules);

/** The configuration of the manifest for Kubernetes, on free loopback ports. */
function shippedConfig(directory: string): Config {
  const [configMap] = yamlOf("deploy/kubernetes/collector.yaml")
    .map((document): unknown => document.toJS())
    .filter((manifest): manifest is { data: Record<string, string> } => Object(manifest).kind === "ConfigMap");
  const file = configMap?.data ?? {};
  writeFileSync(join(directory, "deployment.yaml"), file["deployment.yaml"] ?? "");
  const anyPort = { host: "127.0.0.1", port: 0 };
  const config = parseConfig(join(directory, "collector.yaml"), file["collector.yaml"] ?? "");
  const dataDir = join(directory, "data");
  return { ...config, listen: anyPort, httpListen: anyPort, dataDir, accessTokensFile: undefined };
}

let directory = "";
let exported: Exported = new Map();
const collectors: Collector[] = [];
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "lifeline-rules-"));
  const config = shippedConfig(directory);
  const open = await startQuietly({ ...config, identity: undefined }, systemClock);
  collectors.push(open);
  await bringReport(open, "n1", systemClock);
  const used = await exportedOnce(open, (all) => (all.get("lifeline_requirement_verdict")?.size ?? 0) > 0, systemClock);
  const identity = { names: ["localhost"], ca: undefined, nodeCertificateHours: 24 };
  const guarded = { ...config, identity, dataDir: join(directory, "guarded") };
  const enrolling = await startQuietly(guarded, systemClock);
  collectors.push(enrolling);
  await failToEnrol(enrolling, guarded.dataDir);
  // A counter without an event has no labels yet, so the metric of the second collector replaces that of the first.
  const attempts = (await scrape(enrolling)).get("lifeline_collector_enrol_attempts_total");
  exported = new Map([
    ...used,
    ...(attempts === undefined ? [] : [["lifeline_collector_enrol_attempts_total", attempts] as const]),
  ]);
});
afterAll(async () => {
  for (const collector of collectors) await collector.stop();
  rmSync(directory, { recursive: true });
});

describe("selectorsOf", () => {
  it("reads metrics and labels", () => {
    expect(selectorsOf('sum by (a) (rate(x_total{b="1",c!="2"}[5m])) > 0 or y')).toEqual([
      {
        metric: "x_total",
        labels: [
          { name: "b", equals: "1" },
          { name: "c", equals: undefined },
        ],
      },
      { metric: "y", labels: [] },
    ]);
  });

  it.each(["x >", "rate(x[5m)", "x{a=1}"])("%s is not PromQL", (text) => {
    expect(selectorsOf(text)).toBeUndefined();
  });
});

describe("the alert rules", () => {
  it("have different names", () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  });

  it.each(rules)("$alert selects metrics that a collector exports", ({ expr }) => {
    const selectors = selectorsOf(expr);
    expect(selectors?.length).toBeGreaterThan(0);
    for (const { metric, labels } of selectors ?? []) {
      const known = exported.get(metric);
      expect(known, metric).toBeDefined();
      for (const { name, equals } of labels) {
        expect([...(known?.keys() ?? [])], metric).toContain(name);
        if (equals !== undefined) expect([...(known?.get(name) ?? [])], `${metric} ${name}`).toContain(equals);
      }
    }
  });

  it.each(rules)("$alert prints only labels that its series have", ({ expr, annotations }) => {
    const printed = [
      ...Object.values(annotations)
        .join(" ")
        .matchAll(/\$labels\.(\w+)/g),
    ].map((match) => match[1] ?? "");
    const [metric = ""] = (selectorsOf(expr) ?? []).map((selector) => selector.metric);
    // Labels of a series that has no event here are in the guide.
    const written =
      textOf("docs/running.md")
        .match(new RegExp(`\`${metric}\\{([^}]*)\\}`))?.[1]
        ?.split(",") ?? [];
    for (const label of printed) expect([...(exported.get(metric)?.keys() ?? []), ...written]).toContain(label);
  });
});

const isMissing = spawnSync("promtool", ["--version"]).status !== 0;
if (isMissing && process.env["CI"] === "true")
  throw new Error("promtool is not installed; CI needs the package prometheus");

describe.skipIf(isMissing)("promtool (skipped unless the package prometheus is installed)", () => {
  it.each([
    ["check", RULES],
    ["test", "deploy/prometheus/rules-test.yaml"],
  ])("%s accepts %s", (verb, path) => {
    const { status, stdout, stderr } = spawnSync("promtool", [verb, "rules", join(ROOT, path)], { encoding: "utf8" });
    expect({ status, stderr }, stdout).toEqual({ status: 0, stderr: "" });
  });

  it("finds nothing wrong with the metrics of a collector", async () => {
    const [collector] = collectors;
    const input = await (
      await fetch(`http://127.0.0.1:${collector?.httpPort}/metrics`, { headers: { connection: "close" } })
    ).text();
    const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], { input, encoding: "utf8" });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "", stderr: "" });
  });
});
