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
  readonly packages: { SPDXID: string; name: string; licenseDeclared: string; licenseConcluded: string }[];
  readonly hasExtractedLicensingInfos: { licenseId: string; extractedText: string }[];
  readonly relationships: { spdxElementId: string; relationshipType: string; relatedSpdxElement: string }[];
}
const document = JSON.parse(spdxText(facts, components)) as Document;

describe("spdxText", () => {
  it("has what SPDX 2.3 §6 asks of a document", () => {
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

  it("carries each licence's text once, under the name that packages give it", () => {
    const [only, ...others] = document.hasExtractedLicensingInfos;
    expect(others).toEqual([]);
    expect(only?.extractedText).toBe("Permission is granted");
    expect(document.packages.map(({ licenseDeclared }) => licenseDeclared)).toEqual([
      "Apache-2.0",
      only?.licenseId,
      only?.licenseId,
      "MIT",
    ]);
    expect(document.packages.map(({ licenseConcluded }) => licenseConcluded)).toEqual([
      "Apache-2.0",
      "MIT",
      "MIT",
      "MIT",
    ]);
  });

  it("is the same in whatever order things come, and another namespace when one differs", () => {
    expect(spdxText(facts, [...components].reverse())).toBe(spdxText(facts, components));
    const other = JSON.parse(spdxText(facts, components.slice(1))) as Document;
    expect(other["documentNamespace"]).not.toBe(document["documentNamespace"]);
  });
});
