/**
 * What is in the image, as an SPDX 2.3 document in JSON (https://spdx.github.io/spdx-spec/v2.3/): every package with its licence, and the
 * licence's own text where it must travel with a copy. One document describes both architectures.
 */
import { createHash } from "node:crypto";

/** One thing that is in the image. */
export interface Component {
  readonly name: string;
  readonly version: string;
  /** `pkg:` URL (https://github.com/package-url/purl-spec); told apart by it. */
  readonly purl: string;
  /** An SPDX expression, or `text` stands for it. */
  readonly licence: string | undefined;
  /** The notice that a copy must carry; undefined when the package brings none. */
  readonly text: string | undefined;
  /** What was done to it. */
  readonly change?: string;
  /** Who made it what it is here. */
  readonly supplier: string;
}

export interface SpdxFacts {
  readonly name: string;
  readonly version: string;
  /** Seconds since 1970. */
  readonly createdSeconds: number;
  readonly licence: string;
}

/** The document's text. The same components give the same text, in whatever order they come. */
export function spdxText(facts: SpdxFacts, components: readonly Component[]): string {
  const sorted = [...components].sort((one, other) => (one.purl < other.purl ? -1 : 1));
  const packages = sorted.map(packageOf);
  const content = JSON.stringify([facts, sorted]);
  const whole = {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name: `${facts.name}-${facts.version}`,
    // Unique for what it describes, as the specification wants; nothing is served there.
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
  const { name, version, purl, licence, text, change, supplier } = component;
  const declared = text === undefined ? (licence ?? "NOASSERTION") : referenceOf(component);
  return {
    name,
    SPDXID: `SPDXRef-Package-${sha256Of(purl).slice(0, 16)}`,
    versionInfo: version,
    downloadLocation: "NOASSERTION",
    filesAnalyzed: false,
    licenseConcluded: licence ?? "NOASSERTION",
    licenseDeclared: declared,
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

/** Named by the text: packages that bring the same one share it. */
const referenceOf = ({ text = "" }: Component) => `LicenseRef-${sha256Of(text).slice(0, 16)}`;

const purlOf = (purl: string) => ({
  referenceCategory: "PACKAGE-MANAGER",
  referenceType: "purl",
  referenceLocator: purl,
});

const sha256Of = (text: string) => createHash("sha256").update(text).digest("hex");
