/**
 * The inventory of an image as an SPDX 2.3 document in JSON (https://spdx.github.io/spdx-spec/v2.3/): every package
 * with its licence, and the text of the licence where a copy must carry it. One document describes both architectures.
 */
import { createHash } from "node:crypto";

/** A package in the image. */
export interface Component {
  readonly name: string;
  readonly version: string;
  /** `pkg:` URL, which identifies it (https://github.com/package-url/purl-spec). */
  readonly purl: string;
  /** An SPDX expression; undefined when the package has none. */
  readonly licence: string | undefined;
  /** The licence text that a copy must carry; undefined when the package has none. */
  readonly text: string | undefined;
  /** How it differs from what its supplier ships. */
  readonly change?: string;
  readonly supplier: string;
}

export interface SpdxFacts {
  readonly name: string;
  readonly version: string;
  /** Seconds since 1970. */
  readonly createdSeconds: number;
  readonly licence: string;
}

/** The document's text, the same for any order of the components. */
export function spdxText(facts: SpdxFacts, components: readonly Component[]): string {
  const sorted = [...components].sort((one, other) => (one.purl < other.purl ? -1 : 1));
  const packages = sorted.map(packageOf);
  const content = JSON.stringify([facts, sorted]);
  const whole = {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name: `${facts.name}-${facts.version}`,
    // The specification wants it unique; nothing is served at it.
    documentNamespace: `https://spdx.org/spdxdocs/${facts.name}-${facts.version}-${sha256Of(content).slice(0, 32)}`,
    creationInfo: {
      created: new Date(facts.createdSeconds * 1_000).toISOString().replace(".000Z", "Z"),
      creators: [`Tool: lifeline-extension-${facts.version}`],
    },
    packages: [rootPackage(facts), ...packages],
    hasExtractedLicensingInfos: sorted.flatMap(licenceTextOf),
    relationships: [
      { spdxElementId: "SPDXRef-DOCUMENT", relationshipType: "DESCRIBES", relatedSpdxElement: ROOT },
      ...packages.map(({ SPDXID }) => ({
        spdxElementId: ROOT,
        relationshipType: "CONTAINS",
        relatedSpdxElement: SPDXID,
      })),
    ],
  };
  return `${JSON.stringify(whole, null, 1)}\n`;
}

const ROOT = "SPDXRef-Package-root";

function rootPackage({ name, version, licence }: SpdxFacts) {
  return {
    name,
    SPDXID: ROOT,
    versionInfo: version,
    downloadLocation: "NOASSERTION",
    filesAnalyzed: false,
    licenseConcluded: licence,
    licenseDeclared: licence,
    copyrightText: "NOASSERTION",
    supplier: "Organization: Lifeline",
    externalRefs: [purlOf(`pkg:generic/${name}@${version}`)],
  };
}

function packageOf(component: Component) {
  const { name, version, purl, text, change, supplier } = component;
  const reference = text === undefined ? undefined : referenceOf(component);
  // Talos's SBOM items read licenseDeclared alone (SBOMItemController, 1.11 to 1.13), so both fields have the SPDX id.
  const licence = component.licence ?? reference ?? "NOASSERTION";
  return {
    name,
    SPDXID: `SPDXRef-Package-${sha256Of(purl).slice(0, 16)}`,
    versionInfo: version,
    downloadLocation: "NOASSERTION",
    filesAnalyzed: false,
    licenseConcluded: licence,
    licenseDeclared: licence,
    ...(reference === undefined ? {} : { licenseComments: `The text is ${reference}.` }),
    copyrightText: "NOASSERTION",
    supplier,
    ...(change === undefined ? {} : { comment: change }),
    externalRefs: [purlOf(purl)],
  };
}

function licenceTextOf(component: Component, index: number, all: readonly Component[]) {
  const { name, text } = component;
  if (text === undefined) return [];
  const isFirst = all.findIndex((other) => other.text === text) === index;
  return isFirst
    ? [{ licenseId: referenceOf(component), name: `Licence and notices of ${name}`, extractedText: text }]
    : [];
}

/** By the text, so that packages with the same text share it. */
const referenceOf = ({ text = "" }: Component) => `LicenseRef-${sha256Of(text).slice(0, 16)}`;

const purlOf = (purl: string) => ({
  referenceCategory: "PACKAGE-MANAGER",
  referenceType: "purl",
  referenceLocator: purl,
});

const sha256Of = (text: string) => createHash("sha256").update(text).digest("hex");
