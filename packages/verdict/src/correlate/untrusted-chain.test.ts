import { X509Certificate } from "node:crypto";
import type { ChainCertificate, ProbeOptions } from "@lifeline/measure";
import { CA_PEM } from "@lifeline/measure/testing";
import { describe, expect, it } from "vitest";
import type { Entry } from "../entry.ts";
import {
  contextOf,
  type EntryParts,
  entryOf,
  NOW_MS,
  rememberedOf,
  siteOf,
  TLS,
  targetOf,
} from "../testing/judgement-fixture.ts";
import { withUntrustedChain } from "./untrusted-chain.ts";

const KNOWN = new X509Certificate(CA_PEM).subject;
const PRIVATE: ProbeOptions = {
  probe: "tls",
  trust: { kind: "private", caPem: CA_PEM },
  alpn: [],
  alpnRequired: false,
};
const issued = (subject: string, issuer: string): ChainCertificate => ({
  subject,
  issuer,
  notBefore: "",
  notAfter: "",
  sha256: "",
  anchor: false,
});
const LEAF = issued("CN=omni.test", "CN=Issuing");

function after(options: ProbeOptions, chain: readonly ChainCertificate[], parts: EntryParts = {}, ...others: Entry[]) {
  const own = { seen: rememberedOf("tls-untrusted", NOW_MS, { chain }) };
  const entry = entryOf(targetOf(options), { verdict: "unmet", cause: "tls-untrusted", ...parts, own });
  return withUntrustedChain(entry, [entry, ...others], contextOf());
}

describe("a chain that leads to no trusted CA", () => {
  it.each([["tls-untrusted"], ["tls-incomplete-chain"]] as const)(
    "and caFile: names both readings of a certificate that is nowhere (%s)",
    (cause) => {
      expect(after(PRIVATE, [LEAF], { cause })).toMatchObject({
        verdict: "unmet",
        cause,
        evidence: `Seen. "CN=Issuing" issued "CN=omni.test"; the server did not send it, and caFile holds "${KNOWN}".`,
        nextStep:
          'Owner of omni.test: send the intermediate "CN=Issuing" with the server\'s certificate; deployment owner: or, if "CN=Issuing" is the CA itself, add it to caFile.',
      });
    },
  );

  it("and caFile: asks Omni's owner for the intermediate of Omni", () => {
    expect(after(PRIVATE, [LEAF], { service: "machine-api" }).nextStep).toMatch(/^Omni owner: send the intermediate/);
  });

  it("and caFile: takes the issuer of an intermediate for the CA first", () => {
    const { nextStep } = after(PRIVATE, [LEAF, issued("CN=Issuing", "CN=Root")]);
    expect(nextStep).toMatch(
      /^Deployment owner: if "CN=Root" is your CA, add it to caFile; Owner of omni\.test: if it is one more intermediate, send/,
    );
  });

  it("and caFile: names the CA that signed itself", () => {
    const found = after(PRIVATE, [LEAF, issued("CN=Issuing", "CN=Other"), issued("CN=Other", "CN=Other")]);
    expect(found.evidence).toBe(
      `Seen. The server's chain ends at "CN=Other", which signed itself; caFile holds "${KNOWN}".`,
    );
    expect(found.nextStep).toMatch(
      /^Deployment owner: if "CN=Other" is your CA, add it to caFile; network team: if it is not,/,
    );
  });

  it("and caFile: sees a CA of the same name with another key", () => {
    const found = after(PRIVATE, [issued("CN=omni.test", KNOWN)]);
    expect(found.evidence).toContain(`caFile holds "${KNOWN}", but its key did not sign "CN=omni.test"`);
    expect(found.nextStep).toMatch(/put its present certificate into caFile/);
  });

  it.each([PRIVATE, TLS])("and yet does: blames the certificates, not the CA", (options) => {
    const root = { ...issued("CN=Root", "CN=Root"), anchor: true };
    const found = after(options, [LEAF, root], { thirdParty: options === TLS });
    expect(found.evidence).toContain('The chain leads to "CN=Root", which is trusted');
    expect(found.nextStep).toMatch(/^Owner of omni\.test: serve a certificate that clients accept/);
  });

  it("and no caFile: names it as a possible private CA", () => {
    expect(after(TLS, [LEAF]).nextStep).toBe(
      'Owner of omni.test: send the intermediate "CN=Issuing" with the server\'s certificate; deployment owner: or, if "CN=Issuing" is your private CA, name it as caFile; network team: or exempt omni.test from TLS interception.',
    );
    expect(after(TLS, [issued("CN=Own", "CN=Own")]).nextStep).toMatch(
      /^Deployment owner: if "CN=Own" is your private CA, name it as caFile;/,
    );
  });

  it("at a host of somebody else is intercepted, never a caFile", () => {
    const found = after(TLS, [LEAF], { thirdParty: true });
    expect(found.nextStep).toMatch(
      /^Network team: exempt omni\.test:443 from TLS interception; .*egress\.tlsInspection/,
    );
    expect(after(TLS, [LEAF], { thirdParty: true, cause: "tls-incomplete-chain" }).nextStep).toBe("Do.");
  });

  it.each([
    ["Omni's own, under caFile", PRIVATE, {}, undefined],
    ["Omni's own", TLS, {}, undefined],
    ["of somebody else", TLS, { thirdParty: true }, undefined],
    ["that inspection breaks", PRIVATE, {}, "keys differ"],
  ] as const)("may be the inspection that is declared by SHA-256 alone, at a host %s", (_, options, parts, breaks) => {
    const own = { seen: rememberedOf("tls-untrusted", NOW_MS, { chain: [LEAF] }) };
    const entry = entryOf(targetOf(options), { verdict: "unmet", cause: "tls-untrusted", ...parts, own });
    const requirement = { ...entry.requirement, ...(breaks === undefined ? {} : { inspectionBreaks: breaks }) };
    const { nextStep } = withUntrustedChain({ ...entry, requirement }, [], contextOf({ site: siteOf("ab") }));
    const step = /[^.]; node owner: or, if it is the inspection that the deployment declares by SHA-256, [^.]*\.$/;
    expect(step.test(nextStep)).toBe(breaks === undefined);
  });

  it.each([PRIVATE, TLS])("is intercepted where the same issuer is seen at a host that is", (options) => {
    const seen = rememberedOf("tls-untrusted", NOW_MS, { chain: [LEAF] });
    const host = entryOf(targetOf(TLS, { host: "gcr.io" }), {
      verdict: "unmet",
      cause: "tls-intercepted",
      own: { seen },
    });
    expect(after(options, [LEAF], {}, host)).toMatchObject({
      verdict: "unmet",
      cause: "tls-intercepted",
      evidence: 'Seen. "CN=Issuing" also issues what this node sees at gcr.io.',
    });
    expect(after(options, [issued("CN=omni.test", "CN=x")], {}, host).cause).toBe("tls-untrusted");
    expect(after(options, [LEAF], {}, { ...host, verdict: "degraded" }).cause).toBe("tls-untrusted");
  });

  it("is left as it is where the deployment declares the inspection", () => {
    const chain = [LEAF, { ...issued("CN=Issuing", "CN=Root"), sha256: "declared" }];
    const own = { seen: rememberedOf("tls-untrusted", NOW_MS, { chain }) };
    const entry = entryOf(targetOf(PRIVATE), { verdict: "unmet", cause: "tls-untrusted", own });
    const forged = { ...entry, cause: "tls-intercepted" as const };
    expect(withUntrustedChain(entry, [entry, forged], contextOf({ site: siteOf("declared") }))).toBe(entry);
  });

  it("is not asked about where the certificate is no fault, or none was seen", () => {
    expect(after(TLS, [LEAF], { cause: "tls-name" }).nextStep).toBe("Do.");
    expect(after(TLS, []).nextStep).toBe("Do.");
    expect(after(TLS, [LEAF], { verdict: "unknown" }).nextStep).toBe("Do.");
  });
});
