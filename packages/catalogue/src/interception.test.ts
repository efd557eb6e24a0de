import { matchesHost } from "@lifeline/measure";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { listCatalogues, loadCatalogue, loadInterception } from "./bundled.ts";
import { CatalogueError, problemLine } from "./error.ts";
import { parseInterception } from "./interception.ts";
import type { Requirement } from "./requirement.ts";

const signs = loadInterception();

/** Public hosts of a row whose certificates must end at a public CA. */
function publicHosts({ place, probes }: Requirement): readonly string[] {
  if (!probes.some((plan) => "trust" in plan && plan.trust === "public")) return [];
  switch (place.kind) {
    case "hosts":
      return place.hosts;
    case "wildcard":
      return place.known;
    case "service":
      return place.defaults ?? [];
  }
}

function issuersOf(host: string): readonly string[] {
  return signs.expected.flatMap(({ hosts, issuers }) =>
    hosts.some((pattern) => matchesHost(pattern, host)) ? issuers : [],
  );
}

describe("certificate issuers", () => {
  const hosts = new Set(
    listCatalogues().flatMap((version) => loadCatalogue(version).requirements.flatMap(publicHosts)),
  );

  it.each([...hosts])("lists issuers of %s", (host) => {
    expect(issuersOf(host)).not.toHaveLength(0);
  });

  it.each([
    ["ghcr.io", "Sectigo Limited"],
    ["pkg-containers.githubusercontent.com", "DigiCert Inc"],
    ["factory.talos.dev", "Let's Encrypt"],
    ["gcr.io", "Google Trust Services LLC"],
    ["us-west1-docker.pkg.dev", "Google Trust Services"],
    ["prod-registry-k8s-io-us-east-1.s3.dualstack.us-east-1.amazonaws.com", "Amazon"],
    ["account.siderolink.omni.siderolabs.io", "Let's Encrypt"],
  ])("expects of %s the issuer %s", (host, issuer) => {
    expect(issuersOf(host)).toContain(issuer);
  });

  it("has no mark that is part of an expected issuer", () => {
    const honest = signs.expected.flatMap(({ issuers }) => issuers.map((issuer) => issuer.toLowerCase()));
    const marks = signs.vendors.flatMap((vendor) => vendor.marks.map((mark) => mark.toLowerCase()));
    expect(marks.filter((mark) => honest.some((issuer) => issuer.includes(mark)))).toEqual([]);
  });

  it("lists every vendor and mark once, and no mark so short that ordinary words contain it", () => {
    const names = signs.vendors.map(({ name }) => name);
    const marks = signs.vendors.flatMap((vendor) => vendor.marks);
    expect(new Set(names).size).toBe(names.length);
    expect(new Set(marks.map((mark) => mark.toLowerCase())).size).toBe(marks.length);
    expect(marks.filter((mark) => mark.length < 5 && mark !== "ESET")).toEqual([]);
  });

  it.each([
    "Zscaler",
    "Palo Alto Networks",
    "Netskope",
    "Check Point",
    "Barracuda",
    "Forcepoint",
    "Squid",
    "mitmproxy",
  ])("knows %s", (name) => {
    expect(signs.vendors.map((vendor) => vendor.name)).toContain(name);
  });
});

describe("parseInterception", () => {
  const GOOD = `schema: 1
expected: [{ hosts: [a.example, "*.b.example"], issuers: ["An Authority"] }]
vendors: [{ name: A Vendor, marks: [Vendor] }]
`;

  function problemsOf(yaml: string): readonly string[] {
    try {
      parseInterception("issuers.yaml", yaml);
    } catch (error) {
      if (error instanceof CatalogueError) return error.problems.map(problemLine);
      throw error;
    }
    return [];
  }

  it("reads hosts, wildcards, issuers and vendors", () => {
    expect(parseInterception("issuers.yaml", GOOD)).toEqual({
      expected: [{ hosts: ["a.example", "*.b.example"], issuers: ["An Authority"] }],
      vendors: [{ name: "A Vendor", marks: ["Vendor"] }],
    });
  });

  it.each([
    [
      "another schema",
      GOOD.replace("schema: 1", "schema: 2"),
      "issuers.yaml: schema: got 2, want 1, the version of this file format",
    ],
    [
      "a URL in place of a host",
      GOOD.replace("a.example", "https://a.example"),
      'issuers.yaml: expected[0].hosts[0]: got "https://a.example", want a host name, or a wildcard such as *.example.com',
    ],
    [
      "a vendor without marks",
      GOOD.replace("[Vendor]", "[]"),
      "issuers.yaml: vendors[0].marks: got an empty list, want a list of 1 to 64 marks",
    ],
    [
      "an empty mark, which every certificate contains",
      GOOD.replace("[Vendor]", '[""]'),
      'issuers.yaml: vendors[0].marks[0]: got "", want a text of 1 to 1000 characters',
    ],
    [
      "an unknown key",
      `${GOOD}extra: 1\n`,
      "issuers.yaml: extra: got an unknown key, want one of schema, expected, vendors",
    ],
  ])("refuses %s", (_, yaml, line) => {
    expect(problemsOf(yaml)).toEqual([line]);
  });

  it("returns signs or throws problems for any text, and no other error", () => {
    fc.assert(
      fc.property(fc.string(), (yaml) => {
        expect(problemsOf(yaml).length).toBeGreaterThan(0);
      }),
    );
  });
});
