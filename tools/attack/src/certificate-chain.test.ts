import { X509Certificate } from "node:crypto";
import { expect, it } from "vitest";
import { chainBelowLeaf, longChain } from "./certificate-chain.ts";

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const certificatesOf = (pem: string) => (pem.match(PEM) ?? []).map((one) => new X509Certificate(one));

it("a long chain is valid in every link, so that a verifier checks all of it", () => {
  const certificates = certificatesOf(longChain(12, Date.now()).certPem);
  expect(certificates).toHaveLength(12);
  for (const [at, certificate] of certificates.slice(0, -1).entries()) {
    const issuer = certificates[at + 1] as X509Certificate;
    expect([certificate.checkIssued(issuer), certificate.verify(issuer.publicKey), issuer.ca]).toEqual([
      true,
      true,
      true,
    ]);
  }
});

it("a certificate below a leaf names the leaf, and has its signature", () => {
  const leaf = longChain(2, Date.now());
  const [forged, issuer] = certificatesOf(
    chainBelowLeaf(leaf, { subject: "victim", isCa: false, nowMs: Date.now() }).certPem,
  ) as [X509Certificate, X509Certificate];
  expect(forged.subject).toBe("CN=victim");
  expect([forged.issuer, forged.verify(issuer.publicKey), issuer.ca]).toEqual([issuer.subject, true, false]);
});
