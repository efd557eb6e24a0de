import { X509Certificate } from "node:crypto";
import { CA_PEM } from "@lifeline/measure/testing";
import { describe, expect, it } from "vitest";
import { loadCatalogue } from "./bundled.ts";
import { parseDeployment } from "./deployment.ts";
import { CatalogueError } from "./error.ts";
import { resolve, resolvedTargets } from "./resolve.ts";

/** A CA whose key is not kept, Ed25519, valid until 2126. */
const INSPECTOR_PEM = `-----BEGIN CERTIFICATE-----
MIIBeTCCASugAwIBAgIUaSG8JoWD2Sp6vT3Mb5QW9tao0CIwBQYDK2VwMCkxDTAL
BgNVBAoMBFNpdGUxGDAWBgNVBAMMD1NpdGUgSW5zcGVjdGlvbjAgFw0yNjExMzAy
MDI0MjFaGA8yMTI2MTEwNjIwMjQyMVowKTENMAsGA1UECgwEU2l0ZTEYMBYGA1UE
AwwPU2l0ZSBJbnNwZWN0aW9uMCowBQYDK2VwAyEAZ9l5u+SpRXAn5lvFD+sXbKm6
jJ3n/u7lJkipYSU0QgejYzBhMB0GA1UdDgQWBBS1PlTnCbWF2bD3osR6JBEXti6F
TjAfBgNVHSMEGDAWgBS1PlTnCbWF2bD3osR6JBEXti6FTjAPBgNVHRMBAf8EBTAD
AQH/MA4GA1UdDwEB/wQEAwICBDAFBgMrZXADQQDzTDEH0I7z++4/kBZ/exV+oCFh
YT4CwDQyqPel8gcLIgCDN7oRjrEDny8kpK4cpWLQ1vHqmroe6yPruaVMLRQL
-----END CERTIFICATE-----
`;
const SHA256 = new X509Certificate(INSPECTOR_PEM).fingerprint256;
const HEX = SHA256.replaceAll(":", "").toLowerCase();
const WANTED_SHA =
  "the SHA-256 of a CA's certificate, 64 hexadecimal digits, as openssl x509 -noout -fingerprint -sha256 prints it";

const read = (entry: string, files: Readonly<Record<string, string>> = {}, omni = "") =>
  parseDeployment(
    "d.yaml",
    `version: 1\nname: n\nkind: on-prem\nomni: { api: "https://omni.test", machineApi: "https://omni.test:8090"${omni} }\negress: { tlsInspection: [${entry}] }\n`,
    (path, field) => {
      const text = files[path];
      if (text !== undefined) return text;
      throw new CatalogueError([
        {
          code: "unreadable",
          file: "d.yaml",
          path: field,
          value: `"${path}" (ENOENT)`,
          expected: "a file that can be read",
        },
      ]);
    },
  );

describe("a declared inspection", () => {
  it.each([
    ["a file", "{ caFile: ca.pem }", INSPECTOR_PEM],
    ["a hash with colons", `{ caSha256: "${SHA256}" }`, undefined],
    ["a hash without colons", `{ caSha256: ${HEX} }`, undefined],
  ])("is read from %s", (_, entry, pem) => {
    const found = read(entry, { "ca.pem": INSPECTOR_PEM }).egress.tlsInspection;
    expect(found).toEqual([{ sha256: HEX, subject: pem && "O=Site, CN=Site Inspection", caPem: pem?.trim() }]);
  });

  it.each([
    ["a SHA-1", `{ caSha256: "${"ab".repeat(20)}" }`, `[0].caSha256: got "${"ab".repeat(20)}", want ${WANTED_SHA}`],
    [
      "a hash that is cut",
      `{ caSha256: "${HEX.slice(1)}" }`,
      `[0].caSha256: got "${HEX.slice(1)}", want ${WANTED_SHA}`,
    ],
    ["a word", "{ caSha256: corp }", `[0].caSha256: got "corp", want ${WANTED_SHA}`],
    ["a missing file", "{ caFile: lost.pem }", '[0].caFile: got "lost.pem" (ENOENT), want a file that can be read'],
    [
      "a file without certificate",
      "{ caFile: empty.pem }",
      '[0].caFile: got "empty.pem", want a file of PEM certificates of at most 64 KiB, each of which can be read, without a private key',
    ],
    [
      "a certificate that is no CA",
      "{ caFile: leaf.pem }",
      '[0].caFile: got "leaf.pem" with "CN=Example authority", want certificates of CAs alone (basicConstraints CA:TRUE): the CA that signs what clients see',
    ],
    ["nothing", "{}", "[0]: got none of them, want one of caFile, caPem, caSha256"],
    ["two at once", `{ caFile: ca.pem, caSha256: ${HEX} }`, "[0]: got 2 of them, want one of caFile, caPem, caSha256"],
  ])("refuses %s with field and value", (_, entry, message) => {
    const files = { "ca.pem": INSPECTOR_PEM, "empty.pem": "hello", "leaf.pem": CA_PEM };
    expect(() => read(entry, files)).toThrow(`d.yaml: egress.tlsInspection${message}`);
  });

  it("is trusted beside public CAs and private ones, where inspection does not break the row", () => {
    const deployment = read("{ caFile: ca.pem }", { "ca.pem": INSPECTOR_PEM });
    const facts = { nodeId: "n", roles: ["talos-node"], families: [4], talosVersion: "v1.14.0" } as const;
    const trusts = (of = deployment) =>
      resolvedTargets(resolve(loadCatalogue(), of, facts)).flatMap(({ id, options }) =>
        "trust" in options ? [[id.split("|", 1)[0], options.trust]] : [],
      );
    const added = { kind: "public", addedCaPem: INSPECTOR_PEM.trim() };
    const byRow = Object.fromEntries(trusts());
    expect(byRow).toMatchObject({ "node-ghcr": added, "api-endpoint": added });
    expect(byRow).toMatchObject({ "machine-api": { kind: "public" }, "node-time-security": { kind: "public" } });
    expect(byRow["machine-api"]).not.toHaveProperty("addedCaPem");
    expect(byRow["node-time-security"]).not.toHaveProperty("addedCaPem");
    const hashed = Object.fromEntries(trusts(read(`{ caSha256: ${HEX} }`)));
    expect(hashed["node-ghcr"]).toEqual({ kind: "public" });
    const files = { "ca.pem": INSPECTOR_PEM, "own.pem": CA_PEM };
    const own = { kind: "private", caPem: CA_PEM };
    const byFile = Object.fromEntries(trusts(read("{ caFile: ca.pem }", files, ", caFile: own.pem")));
    expect(byFile["api-endpoint"]).toEqual({ ...own, addedCaPem: INSPECTOR_PEM.trim() });
    expect(byFile["machine-api"]).toEqual(own);
    const byHash = Object.fromEntries(trusts(read(`{ caSha256: ${HEX} }`, files, ", caFile: own.pem")));
    expect(byHash["api-endpoint"]).toEqual({ ...own, hostCaSha256: [HEX] });
    expect(byHash["machine-api"]).toEqual(own);
  });
});
