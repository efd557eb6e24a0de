import type { InterceptionSigns } from "@lifeline/catalogue";
import type { Cause, ChainCertificate } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import type { NodeContext } from "../node-context.ts";
import {
  contextOf,
  entryOf,
  NOW_MS,
  PRIVATE_TLS,
  rememberedOf,
  siteOf,
  TCP,
  TLS,
  targetOf,
} from "../testing/judgement-fixture.ts";
import { withCertificateCause } from "./certificate-cause.ts";

const certificate = (issuer: string, subject = "CN=ghcr.io"): ChainCertificate => ({
  subject,
  issuer,
  notBefore: "2026-01-01",
  notAfter: "2027-01-01",
  sha256: "00",
  anchor: false,
});
const signs: InterceptionSigns = {
  vendors: [{ name: "Boxes Inc.", marks: ["BoxWall", "box gate"] }],
  expected: [
    { hosts: ["ghcr.io"], issuers: ["Sectigo Limited"] },
    { hosts: ["*.test", "GHCR.IO"], issuers: ["Good CA"] },
  ],
};
/** What the row of the host was before. */
const was = (cause: Cause, onsetMs: number) =>
  new Map([[targetOf(TLS, { host: "ghcr.io" }).id, { verdict: "met" as const, sinceMs: onsetMs, cause, onsetMs }]]);

const UNTRUSTED = { verdict: "unmet", cause: "tls-untrusted" } as const;
interface Case {
  readonly chain?: readonly ChainCertificate[];
  readonly host?: string;
  readonly options?: Parameters<typeof targetOf>[0];
  readonly parts?: Parameters<typeof entryOf>[1];
  readonly node?: NodeContext;
  readonly interception?: InterceptionSigns | null;
}
function after({ chain, host = "ghcr.io", options = TLS, parts = {}, node = {}, interception = signs }: Case) {
  const seen = rememberedOf("answered", NOW_MS, chain === undefined ? {} : { chain });
  const entry = entryOf(targetOf(options, { host }), { ...parts, own: { seen } });
  return withCertificateCause(entry, [entry], contextOf({ node, interception: interception ?? undefined }));
}
const issued = (issuer: string) => [certificate(issuer)];
const GOOD = issued("C=GB, O=Sectigo Limited, CN=R36");

describe("interception is shown by", () => {
  const fleetSees = (issuer: string | undefined): NodeContext => ({ fleetIssuer: () => issuer });
  it.each<[string, Case, RegExp | undefined]>([
    ["nothing in an expected chain", { chain: GOOD }, undefined],
    [
      "a vendor's mark in an issuer, in any case",
      { chain: issued("CN=BOXWALL Root") },
      /^Seen\. The chain names Boxes Inc\., which intercepts TLS\.$/,
    ],
    ["a vendor's second mark", { chain: issued("CN=Box Gate") }, /Boxes Inc/],
    [
      "a mark in an issuer further up",
      { chain: [certificate("CN=x"), certificate("CN=boxwall", "CN=x")] },
      /Boxes Inc/,
    ],
    [
      "a mark in a subject further up",
      { chain: [certificate("O=Good CA"), certificate("CN=y", "CN=boxwall")] },
      /Boxes Inc/,
    ],
    [
      "no mark in the leaf's subject, which is the server's name",
      { chain: [certificate("O=Good CA", "CN=boxwall.test")] },
      undefined,
    ],
    ["no mark across two names", { chain: [certificate("O=Good CA, CN=box"), certificate("CN=y", "gate")] }, undefined],
    [
      "a mark at a private host whose chain is not trusted",
      { chain: issued("CN=boxwall"), options: PRIVATE_TLS, parts: UNTRUSTED },
      /Boxes Inc/,
    ],
    [
      "no mark at a private host whose chain is trusted",
      { chain: issued("CN=boxwall"), options: PRIVATE_TLS },
      undefined,
    ],
    ["no mark where TLS has no trust", { chain: issued("CN=boxwall"), options: TCP }, undefined],
    ["no mark where no signs are known", { chain: issued("CN=boxwall"), interception: null }, undefined],
    [
      "an issuer that is not the host's",
      { chain: issued("O=Other CA") },
      /^Seen\. "O=Other CA" is not a known issuer of ghcr\.io\.$/,
    ],
    [
      "an issuer that is not that of a host under a wildcard",
      { chain: issued("O=Other CA"), host: "a.TEST" },
      /not a known issuer of a\.TEST/,
    ],
    [
      "no issuer of a host under a wildcard that is the right one",
      { chain: issued("O=Good CA"), host: "a.b.test" },
      undefined,
    ],
    ["no issuer of a host that is not listed", { chain: issued("O=Other CA"), host: "example.com" }, undefined],
    ["no issuer of a wildcard's own domain", { chain: issued("O=Other CA"), host: "test" }, undefined],
    [
      "no issuer of a host that merely ends like a listed one",
      { chain: issued("O=Other CA"), host: "notghcr.io" },
      undefined,
    ],
    ["no issuer from the second list of the host", { chain: issued("O=Good CA") }, undefined],
    [
      "no chain with a known issuer further up",
      { chain: [certificate("O=Other CA"), certificate("O=Good CA", "O=Other CA")] },
      undefined,
    ],
    ["an issuer that only holds a known name", { chain: issued("O=Not Good CA") }, /not a known issuer/],
    ["no issuer of a private host", { chain: issued("O=Other CA"), options: PRIVATE_TLS }, undefined],
    [
      "an issuer that most nodes do not see",
      { chain: issued("O=Odd CA"), host: "example.com", parts: UNTRUSTED, node: fleetSees("O=Fleet CA") },
      /^Seen\. Most nodes see the issuer "O=Fleet CA"; this node sees "O=Odd CA"\.$/,
    ],
    [
      "no issuer that most nodes see",
      { chain: issued("O=Odd CA"), host: "example.com", parts: UNTRUSTED, node: fleetSees("O=Odd CA") },
      undefined,
    ],
    [
      "no issuer of a fleet that disagrees",
      { chain: issued("O=Odd CA"), host: "example.com", parts: UNTRUSTED, node: fleetSees(undefined) },
      undefined,
    ],
    [
      "no issuer where the chain is trusted",
      { chain: issued("O=Odd CA"), host: "example.com", node: fleetSees("O=Fleet CA") },
      undefined,
    ],
    [
      "no issuer where the fleet is unknown",
      { chain: issued("O=Odd CA"), host: "example.com", parts: UNTRUSTED },
      undefined,
    ],
    [
      "a mark in a chain for another name",
      { chain: issued("CN=boxwall"), parts: { verdict: "unmet", cause: "tls-name" } },
      /Boxes Inc/,
    ],
    [
      "a mark in a chain that has expired",
      { chain: issued("CN=boxwall"), parts: { verdict: "unmet", cause: "tls-expired" } },
      /Boxes Inc/,
    ],
    ["no chain at all", { parts: UNTRUSTED }, undefined],
    ["no empty chain", { chain: [], parts: UNTRUSTED }, undefined],
    [
      "no chain of a target that fails otherwise",
      { chain: issued("CN=boxwall"), parts: { verdict: "unmet", cause: "reset" } },
      undefined,
    ],
    [
      "no chain of a target that is degraded",
      { chain: issued("CN=boxwall"), parts: { verdict: "degraded", cause: "loss" } },
      undefined,
    ],
  ])("%s", (_, given, evidence) => {
    const found = after(given);
    expect(found.cause).toBe(evidence === undefined ? (given.parts?.cause ?? "none") : "tls-intercepted");
    expect(found.evidence).toMatch(evidence ?? /^Seen\.$/);
  });

  it("a chain that degrades a target that answers and leaves one that fails unmet", () => {
    const nextStep =
      "Network team: exempt this node's TLS to ghcr.io:443 from inspection by the filter on the path; deployment owner: or, if the site inspects TLS on purpose, declare its CA (egress.tlsInspection).";
    expect(after({ chain: issued("CN=boxwall") })).toMatchObject({ verdict: "degraded", nextStep });
    expect(after({ chain: issued("CN=boxwall"), parts: UNTRUSTED })).toMatchObject({ verdict: "unmet", nextStep });
  });

  it.each<[string, ReturnType<typeof was> | undefined, number]>([
    ["when it was seen first", undefined, NOW_MS],
    ["when it was seen first, after another cause", was("none", 7), NOW_MS],
    ["since it was seen first", was("tls-intercepted", 7), 7],
  ])("a target that has answered for long, and is so %s", (_, previous, onsetMs) => {
    const entry = entryOf(targetOf(TLS, { host: "ghcr.io" }), {
      onsetMs: 1,
      own: { seen: rememberedOf("answered", NOW_MS, { chain: issued("CN=boxwall") }) },
    });
    const context = contextOf({ interception: signs, ...(previous === undefined ? {} : { previous }) });
    expect(withCertificateCause(entry, [], context)).toMatchObject({ cause: "tls-intercepted", onsetMs });
  });

  it.each([
    ["C=GB, O=Sectigo Limited"],
    ["C=GB,O=Sectigo Limited,CN=x"],
    ["C=GB+O=Sectigo Limited"],
    ["/C=GB/O=Sectigo Limited"],
    ["C=GB\nO=Sectigo Limited"],
    ['O="sectigo limited"'],
    ["O= SECTIGO LIMITED , CN=x"],
    ["2.5.4.10=Sectigo Limited"],
    ["CN=a, b,O=Sectigo Limited"],
  ])("no issuer written as %j", (issuer) => {
    expect(after({ chain: issued(issuer) }).cause).toBe("none");
  });

  it.each([["O=Sectigo, Limited"], ["O=x Sectigo Limited"], ["O=Sectigo Limited x"], ['O=x"Sectigo Limited']])(
    "an issuer written as %j",
    (issuer) => {
      expect(after({ chain: issued(issuer) }).cause).toBe("tls-intercepted");
    },
  );
});

describe("an inspection that the deployment declares", () => {
  const inspector = { ...certificate("CN=Site Root", "CN=Site Inspection"), sha256: "ab", anchor: true };
  const chain = [certificate("CN=Site Inspection"), inspector];
  const FACT = 'The site inspects this TLS: its chain holds "CN=Site Inspection", a CA that the deployment declares.';
  const under = (parts: Case["parts"], inspectionBreaks?: string) => {
    const entry = entryOf(targetOf(TLS, { host: "ghcr.io" }), {
      ...parts,
      own: { seen: rememberedOf("answered", NOW_MS, { chain }) },
    });
    const requirement = inspectionBreaks === undefined ? entry.requirement : { ...entry.requirement, inspectionBreaks };
    return withCertificateCause({ ...entry, requirement }, [], contextOf({ interception: signs, site: siteOf("ab") }));
  };

  it("is met, with the fact shown", () => {
    expect(under({})).toMatchObject({ verdict: "met", cause: "none", evidence: `Seen. ${FACT}`, nextStep: "" });
  });

  it("is a fault where inspection breaks the row", () => {
    expect(under({}, "keys differ")).toMatchObject({
      verdict: "degraded",
      cause: "tls-intercepted",
      evidence: `Seen. ${FACT} Inspection is a fault here: keys differ.`,
      nextStep: "Network team: exempt this node's TLS to ghcr.io:443 from inspection by the filter on the path.",
    });
  });

  it.each([
    ["tls-name", "Owner of the TLS inspection: show a certificate for ghcr.io."],
    ["tls-expired", "Do."],
    ["tls-untrusted", expect.stringMatching(/^Node owner: make the node trust "CN=Site Inspection"/)],
  ] as const)("leaves %s a fault", (cause, nextStep) => {
    expect(under({ verdict: "unmet", cause })).toMatchObject({
      verdict: "unmet",
      cause,
      evidence: `Seen. ${FACT}`,
      nextStep,
    });
  });

  it("is known by its name where the node does not trust it", () => {
    const site = siteOf(undefined, { inspectionCas: [{ sha256: "cd", subject: "CN=Site Inspection" }] });
    const entry = entryOf(targetOf(TLS, { host: "ghcr.io" }), {
      ...UNTRUSTED,
      own: { seen: rememberedOf("tls-untrusted", NOW_MS, { chain: [certificate("CN=Site Inspection")] }) },
    });
    expect(withCertificateCause(entry, [], contextOf({ interception: signs, site }))).toMatchObject({
      ...UNTRUSTED,
      evidence: `Seen. ${FACT}`,
    });
  });

  it("by SHA-256 alone may be one that the node does not trust", () => {
    const entry = entryOf(targetOf(TLS, { host: "ghcr.io" }), {
      ...UNTRUSTED,
      own: { seen: rememberedOf("tls-untrusted", NOW_MS, { chain: [certificate("CN=Site Inspection")] }) },
    });
    const found = withCertificateCause(entry, [], contextOf({ interception: signs, site: siteOf("ab") }));
    expect(found.cause).toBe("tls-intercepted");
    expect(found.nextStep).toMatch(
      /; node owner: or, if it is the inspection that the deployment declares by SHA-256, /,
    );
  });

  it("is one of another CA otherwise", () => {
    const entry = entryOf(targetOf(TLS, { host: "ghcr.io" }), {
      own: { seen: rememberedOf("answered", NOW_MS, { chain }) },
    });
    const context = contextOf({ interception: signs, site: siteOf("cd") });
    expect(withCertificateCause(entry, [], context)).toMatchObject({ verdict: "degraded", cause: "tls-intercepted" });
  });
});
