import { literalFamily, type Target, targetId } from "@lifeline/measure";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadCatalogue } from "./bundled.ts";
import type { Catalogue } from "./catalogue.ts";
import type { NodeFacts } from "./condition.ts";
import { type Deployment, deploymentFrom } from "./deployment.ts";
import { type CatalogueDiff, diffCatalogues } from "./diff.ts";
import { isLoopback, readHostPort } from "./endpoint.ts";
import type { Requirement } from "./requirement.ts";
import { resolve, resolvedTargets } from "./resolve.ts";

const bundled = loadCatalogue("v1.14");

/** A catalogue of some of the bundled rows, shuffled, a few of them edited. */
const catalogues: fc.Arbitrary<Catalogue> = fc
  .shuffledSubarray([...bundled.requirements], { minLength: 1 })
  .chain((rows) =>
    fc
      .array(fc.record({ port: fc.integer({ min: 1, max: 65_535 }), edited: fc.boolean(), purpose: fc.string() }), {
        minLength: rows.length,
        maxLength: rows.length,
      })
      .map((edits) => ({ ...bundled, requirements: rows.map((row, index) => edited(row, edits[index])) })),
  );

function edited(row: Requirement, edit: { port: number; edited: boolean; purpose: string } | undefined): Requirement {
  if (!edit?.edited) return row;
  const published = row.published && { ...row.published, port: edit.port };
  const { conditions: _, ...plain } = row;
  return { ...plain, port: edit.port, purpose: edit.purpose, published };
}

const hosts = fc.constantFrom("omni.example", "10.0.0.1", "[fd00::5]", "a.b.example");
const endpoints = fc.array(
  fc.tuple(hosts, fc.integer({ min: 1, max: 65_535 })).map(([host, port]) => `${host}:${port}`),
  { maxLength: 4 },
);
const deployments: fc.Arbitrary<Deployment> = fc
  .record({
    host: hosts,
    siderolink: endpoints,
    stampReflectors: endpoints,
    grpcTunnel: fc.boolean(),
    machine: fc.boolean(),
    proxied: fc.boolean(),
  })
  .map(({ host, machine, proxied, ...flags }) => {
    const machineApi = machine ? { machineApi: `grpc://${host}:8090` } : {};
    const deployment = deploymentFrom({ api: `https://${host}`, ...flags, ...machineApi });
    const httpProxy = { host: "proxy.example", port: 3_128, secure: false };
    return proxied ? { ...deployment, egress: { ...deployment.egress, httpProxy } } : deployment;
  });
const nodes: fc.Arbitrary<NodeFacts> = fc.record(
  {
    nodeId: fc.constant("n"),
    roles: fc.subarray(["omni-host", "talos-node"] as const),
    families: fc.subarray([4, 6] as const),
    siderolinkPrefix: fc.constantFrom("fdae:41e4:649b:9303", "fdae:41e4:649b:a703"),
    grpcTunnel: fc.boolean(),
    talosVersion: fc.constantFrom("v1.13.1", "v1.14.0"),
    machineApi: fc.constantFrom("grpc://omni.example:8090", "https://omni.example"),
    proxy: fc.record(
      {
        https: fc.constantFrom({ host: "10.0.0.8", port: 3_128 }, { host: "proxy.example", port: 8_080 }),
        noProxy: fc.subarray(["omni.example", "*.example", "fdae::/16", "10.0.0.0/8", "ghcr.io", "*"]),
      },
      { requiredKeys: ["noProxy"] },
    ),
  },
  { requiredKeys: ["nodeId", "roles", "families"] },
);

/** Applies the diff to `before`. */
function applied(before: Catalogue, diff: CatalogueDiff): Map<string, unknown> {
  const rows = new Map(before.requirements.map((row) => [row.id, structuredClone(row) as object]));
  for (const { id } of diff.removed) rows.delete(id);
  for (const row of diff.added) rows.set(row.id, row);
  for (const { id, field, to } of diff.changed) put(rows.get(id), field.split("."), to);
  return rows;
}

function put(owner: unknown, path: readonly string[], value: unknown): void {
  const [key = "", ...rest] = path;
  const fields = owner as Record<string, unknown>;
  if (rest.length === 0 && value === undefined) delete fields[key];
  else if (rest.length === 0) fields[key] = value;
  else put(fields[key], rest, value);
}

describe("diffCatalogues, laws", () => {
  const empty = { added: [], removed: [], changed: [] };

  it("finds no difference between a catalogue and its reordered copy", () => {
    fc.assert(
      fc.property(catalogues, (catalogue) => {
        const reversed = { ...catalogue, requirements: [...catalogue.requirements].reverse() };
        expect(diffCatalogues(catalogue, reversed)).toEqual(empty);
      }),
    );
  });

  it("turns the first catalogue into the second when applied", () => {
    fc.assert(
      fc.property(catalogues, catalogues, (before, after) => {
        const rows = applied(before, diffCatalogues(before, after));
        expect(rows).toEqual(new Map(after.requirements.map((row) => [row.id, row])));
      }),
    );
  });

  it("is reversed when the catalogues are swapped", () => {
    fc.assert(
      fc.property(catalogues, catalogues, (a, b) => {
        const there = diffCatalogues(a, b);
        const back = diffCatalogues(b, a);
        expect([back.added, back.removed]).toEqual([there.removed, there.added]);
        expect(back.changed).toEqual(
          there.changed.map(({ id, field, from, to }) => ({ id, field, from: to, to: from })),
        );
      }),
    );
  });
});

/** Checks the ranges that `measure` documents for a target. */
function expectValid(target: Target): void {
  expect(target.id).toBe(targetId(target));
  const leastPort = target.options.probe === "link" ? 0 : 1;
  expect(Number.isInteger(target.port) && target.port >= leastPort && target.port <= 65_535).toBe(true);
  expect(target.cadenceMs).toBeGreaterThanOrEqual(100);
  expect(target.cadenceMs).toBeLessThanOrEqual(3_600_000);
  expect(target.timeoutMs).toBeGreaterThanOrEqual(10);
  expect(target.timeoutMs).toBeLessThanOrEqual(target.options.probe === "tcp" ? 999 : 60_000);
  expect(target.host).not.toMatch(/[[\]*]/);
  // The family of a proxied target is that of the connection to the proxy.
  const literal = literalFamily(target.proxy?.host ?? target.host);
  if (literal !== undefined) expect(target.family).toBe(literal);
  if (target.options.probe === "udp") expect(target.options.payloadBytes).toBeGreaterThanOrEqual(6);
}

/** Rows measured through the tunnel or at its interface, whatever other routes exist. */
const TUNNEL_ROWS = ["siderolink-internal-address", "siderolink-interface"];

describe("resolve, laws", () => {
  it("every row with targets has one that counts, and every comparison is direct", () => {
    fc.assert(
      fc.property(deployments, nodes, (deployment, facts) => {
        for (const row of resolve(bundled, deployment, facts).rows) {
          if (row.kind !== "targets") continue;
          const compared = row.targets.filter(({ id }) => row.comparisonIds.includes(id));
          expect(compared).toHaveLength(row.comparisonIds.length);
          expect(compared.length).toBeLessThan(row.targets.length);
          expect(compared.every(({ proxy }) => proxy === undefined)).toBe(true);
        }
      }),
    );
  });

  it("measures the tunnel only over IPv6, and never through a proxy", () => {
    fc.assert(
      fc.property(deployments, nodes, (deployment, facts) => {
        for (const target of resolvedTargets(resolve(bundled, deployment, facts))) {
          if (!TUNNEL_ROWS.includes(target.requirementId)) continue;
          expect([target.family, target.proxy]).toEqual([6, undefined]);
        }
      }),
    );
  });

  it("makes only valid targets, with distinct ids", () => {
    fc.assert(
      fc.property(catalogues, deployments, nodes, (catalogue, deployment, facts) => {
        const targets = resolvedTargets(resolve(catalogue, deployment, facts));
        for (const target of targets) expectValid(target);
        expect(new Set(targets.map(({ id }) => id)).size).toBe(targets.length);
      }),
    );
  });

  it("gives the same targets whatever the order of the rows", () => {
    fc.assert(
      fc.property(catalogues, deployments, nodes, (catalogue, deployment, facts) => {
        const reversed = { ...catalogue, requirements: [...catalogue.requirements].reverse() };
        const byId = (of: Catalogue) => new Map(resolvedTargets(resolve(of, deployment, facts)).map((t) => [t.id, t]));
        expect(byId(reversed)).toEqual(byId(catalogue));
      }),
    );
  });

  it("gives every row targets, a check or a reason (M4)", () => {
    fc.assert(
      fc.property(catalogues, deployments, nodes, (catalogue, deployment, facts) => {
        const { rows } = resolve(catalogue, deployment, facts);
        expect(rows.map(({ requirement }) => requirement)).toEqual(catalogue.requirements);
        for (const row of rows) {
          if (row.kind === "targets") expect(row.targets.length).toBeGreaterThan(0);
          else if (row.kind !== "check") expect(row.why).not.toBe("");
        }
      }),
    );
  });

  it("measures only families that the node has, except for the tunnel", () => {
    fc.assert(
      fc.property(deployments, nodes, (deployment, facts) => {
        for (const target of resolvedTargets(resolve(bundled, deployment, facts))) {
          if (TUNNEL_ROWS.includes(target.requirementId) || isLoopback(target.host)) {
            continue;
          }
          // A proxy that is an address literal has its own family, whatever the routes.
          if (target.proxy !== undefined && literalFamily(target.proxy.host) !== undefined) continue;
          expect(facts.families.length === 0 ? [4] : facts.families).toContain(target.family);
        }
      }),
    );
  });
});

describe("readHostPort, laws", () => {
  it("reads back every endpoint it accepts", () => {
    fc.assert(
      fc.property(hosts, fc.integer({ min: -1, max: 70_000 }), (host, port) => {
        const endpoint = readHostPort(`${host}:${port}`);
        const valid = port >= 1 && port <= 65_535;
        expect(endpoint).toEqual(valid ? { host: host.replace(/[[\]]/g, ""), port, secure: false } : undefined);
      }),
    );
  });

  it("never throws on any text", () => {
    fc.assert(fc.property(fc.string(), (text) => void readHostPort(text)));
  });
});
