import { describe, expect, it } from "vitest";
import { type Component, spdxText } from "./spdx.ts";

const facts = { name: "lifeline-agent", version: "0.1.0", createdSeconds: 1_700_000_000, licence: "Apache-2.0" };
const component = (name: string, text?: string): Component => ({
  name,
  version: "1.0.0",
  purl: `pkg:npm/${name}@1.0.0`,
  licence: "MIT",
  text,
  supplier: "NOASSERTION",
});
const components = [component("b", "Permission is granted"), component("a", "Permission is granted"), component("c")];

interface Document {
  readonly [key: string]: unknown;
  readonly packages: {
    SPDXID: string;
    name: string;
    licenseDeclared: string;
    licenseConcluded: string;
    licenseComments?: string;
  }[];
  readonly hasExtractedLicensingInfos: { licenseId: string; extractedText: string }[];
  readonly relationships: { spdxElementId: string; relationshipType: string; relatedSpdxElement: string }[];
}
const document = JSON.parse(spdxText(facts, components)) as Document;

describe("spdxText", () => {
  it("has what SPDX 2.3 §6 requires of a document", () => {
    expect(document).toMatchObject({
      spdxVersion: "SPDX-2.3",
      dataLicense: "CC0-1.0",
      SPDXID: "SPDXRef-DOCUMENT",
      name: "lifeline-agent-0.1.0",
      creationInfo: { created: "2023-11-14T22:13:20Z", creators: ["Tool: lifeline-extension-0.1.0"] },
    });
    expect(document["documentNamespace"]).toMatch(/^https:\/\/[^#]+$/);
  });

  it("has every package once, in order, each contained by what the document describes", () => {
    const ids = document.packages.map(({ SPDXID }) => SPDXID);
    expect(document.packages.map(({ name }) => name)).toEqual(["lifeline-agent", "a", "b", "c"]);
    expect(new Set(ids).size).toBe(4);
    for (const id of ids) expect(id).toMatch(/^SPDXRef-[A-Za-z0-9.-]+$/);
    expect(
      document.relationships.map(({ relationshipType, relatedSpdxElement }) => [relationshipType, relatedSpdxElement]),
    ).toEqual(ids.map((id, index) => [index === 0 ? "DESCRIBES" : "CONTAINS", id]));
  });

  it("names the licence of each package in both fields, as an SPDX id where there is one", () => {
    const without = { ...component("d", "All rights"), licence: undefined };
    const { packages } = JSON.parse(spdxText(facts, [...components, without])) as Document;
    const licences = packages.map(({ licenseDeclared }) => licenseDeclared);
    expect(licences).toEqual(["Apache-2.0", "MIT", "MIT", "MIT", expect.stringMatching(/^LicenseRef-[0-9a-f]{16}$/)]);
    expect(packages.map(({ licenseConcluded }) => licenseConcluded)).toEqual(licences);
  });

  it("carries each licence text once, under the reference that its packages name", () => {
    const [only, ...others] = document.hasExtractedLicensingInfos;
    expect(others).toEqual([]);
    expect(only?.extractedText).toBe("Permission is granted");
    const named = `The text is ${only?.licenseId}.`;
    expect(document.packages.map(({ licenseComments }) => licenseComments)).toEqual([
      undefined,
      named,
      named,
      undefined,
    ]);
  });

  it("is the same for any order of the components, and has another namespace when one differs", () => {
    expect(spdxText(facts, [...components].reverse())).toBe(spdxText(facts, components));
    const other = JSON.parse(spdxText(facts, components.slice(1))) as Document;
    expect(other["documentNamespace"]).not.toBe(document["documentNamespace"]);
  });
});
