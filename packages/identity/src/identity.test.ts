import { generateKeyPairSync, randomBytes, X509Certificate } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fingerprintOf } from "./fingerprint.ts";
import { createFleetCa, FleetCaError, openFleetCa } from "./fleet-ca.ts";
import { keySha256, makeKeyPair } from "./key-pair.ts";
import { signingRequestDer } from "./signing-request.ts";
import { readSigningRequest, SIGNING_REQUEST_MAX_BYTES } from "./signing-request-reader.ts";

/** 2026-03-01T12:00:00Z. */
const NOW_MS = Date.UTC(2026, 2, 1, 12);
const HOUR_MS = 3_600_000;

const pems = await createFleetCa({ commonName: "fleet", nowMs: NOW_MS, lifetimeMs: 48 * HOUR_MS, randomBytes });
const authority = await openFleetCa(pems.certPem, pems.keyPem, randomBytes);
const node = makeKeyPair();
const times = { nowMs: NOW_MS, lifetimeMs: HOUR_MS };

describe("the authority", () => {
  it("is a CA without CAs below it, and is named by its certificate", () => {
    const certificate = new X509Certificate(authority.certPem);
    expect(certificate.ca).toBe(true);
    expect(authority.fingerprint).toBe(fingerprintOf(certificate.raw));
    expect(authority.notAfterMs).toBe(NOW_MS + 48 * HOUR_MS);
    // A clock that was ahead when it was made is put right without locking everybody out.
    expect(certificate.validFromDate.getTime()).toBe(NOW_MS - 30 * 24 * HOUR_MS);
  });

  it("gives a node a certificate of its name, for clients alone, that ends in time", async () => {
    const issued = await authority.issueNode({ nodeId: "worker-1", publicKeyDer: node.publicKeyDer, ...times });
    const leaf = new X509Certificate(issued.der);
    expect(leaf.verify(new X509Certificate(authority.certPem).publicKey)).toBe(true);
    expect(leaf.checkIssued(new X509Certificate(authority.certPem))).toBe(true);
    expect(leaf.subject).toBe("CN=worker-1");
    expect(leaf.ca).toBe(false);
    // id-kp-clientAuth (RFC 5280 §4.2.1.12).
    expect(leaf.keyUsage).toEqual(["1.3.6.1.5.5.7.3.2"]);
    expect(leaf.serialNumber.toLowerCase()).toBe(issued.serial);
    expect(new Date(leaf.validTo).getTime()).toBe(NOW_MS + HOUR_MS);
    expect(new Date(leaf.validFrom).getTime()).toBe(NOW_MS - 5 * 60_000);
    expect(keySha256(leaf.publicKey.export({ format: "der", type: "spki" }))).toBe(keySha256(node.publicKeyDer));
  });

  it("issues nothing that outlives it", async () => {
    const options = { nodeId: "n", publicKeyDer: node.publicKeyDer, nowMs: NOW_MS, lifetimeMs: 1_000 * HOUR_MS };
    expect((await authority.issueNode(options)).notAfterMs).toBe(authority.notAfterMs);
  });

  it("gives a listener its names, and a person a role", async () => {
    const { publicKeyDer } = node;
    const server = await authority.issueServer({
      publicKeyDer,
      names: ["collector.example", "192.0.2.1", "::1"],
      ...times,
    });
    const listener = new X509Certificate(server.der);
    expect(listener.checkHost("collector.example")).toBe("collector.example");
    expect(listener.checkIP("192.0.2.1")).toBe("192.0.2.1");
    expect(listener.checkIP("::1")).toBeDefined();
    expect(listener.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
    expect(listener.validFromDate.getTime()).toBe(NOW_MS - 24 * HOUR_MS);
    const person = await authority.issueRole({ publicKeyDer, name: "ada", role: "admin", ...times });
    expect(new X509Certificate(person.der).subject).toBe("O=lifeline:admin\nCN=ada");
  });

  it("takes a name as it is: nothing in it becomes another attribute", async () => {
    const { publicKeyDer } = node;
    const issued = await authority.issueNode({ nodeId: "a,O=lifeline:admin", publicKeyDer, ...times });
    expect(new X509Certificate(issued.der).toLegacyObject().subject).toEqual({ CN: "a,O=lifeline:admin" });
  });

  it("may be brought along, of P-384 or RSA too, and is refused with a code where it cannot be used", async () => {
    const leaf = await authority.issueNode({ nodeId: "n", publicKeyDer: node.publicKeyDer, ...times });
    const ed25519 = generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }).toString();
    const table: [string, string, FleetCaError["code"]][] = [
      ["no PEM", pems.keyPem, "unreadable"],
      [pems.certPem, "no PEM", "unreadable"],
      [leaf.pem, node.privateKeyPem, "not-a-ca"],
      [pems.certPem, node.privateKeyPem, "not-its-key"],
      [pems.certPem, ed25519, "not-its-key"],
    ];
    for (const [certPem, keyPem, code] of table) {
      const refused = await openFleetCa(certPem, keyPem, randomBytes).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(FleetCaError);
      expect(refused).toMatchObject({ code });
    }
  });
});

describe("a signing request", () => {
  it("says whose it is, and proves the key", async () => {
    const der = signingRequestDer(node.privateKeyPem, "worker-1");
    expect(der.length).toBeLessThan(SIGNING_REQUEST_MAX_BYTES);
    expect(await readSigningRequest(der)).toEqual({
      kind: "ok",
      nodeId: "worker-1",
      publicKeyDer: node.publicKeyDer,
      keySha256: keySha256(node.publicKeyDer),
    });
  });

  it("is read whatever the node id holds (decode∘encode = id)", async () => {
    await fc.assert(
      fc.asyncProperty(fc.stringMatching(/^[ -~]{1,64}$/), async (nodeId) => {
        const request = await readSigningRequest(signingRequestDer(node.privateKeyPem, nodeId));
        expect(request).toMatchObject({ kind: "ok", nodeId });
      }),
      { numRuns: 50 },
    );
  });

  it("is made under P-256 alone", () => {
    const { privateKey } = generateKeyPairSync("ed25519");
    const pem = privateKey.export({ format: "pem", type: "pkcs8" }).toString();
    expect(() => signingRequestDer(pem, "worker-1")).toThrow("got a key of ed25519, want a key of P-256");
  });

  it("is refused when its name is bytes and no text, which would be named by their hexadecimal", async () => {
    const der = Buffer.from(signingRequestDer(node.privateKeyPem, "worker-1"));
    const tag = der.indexOf("worker-1") - 2;
    expect(der[tag]).toBe(0x0c); // UTF8String
    der[tag] = 0x04; // OCTET STRING
    const detail = "a common name that is no text";
    expect(await readSigningRequest(der)).toEqual({ kind: "malformed", detail });
  });

  it("is refused with any byte changed, cut or added, and never throws", async () => {
    const der = signingRequestDer(node.privateKeyPem, "worker-1");
    const whole = await readSigningRequest(der);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(der.length - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.constantFrom("flip", "cut", "add"),
        async (at, by, how) => {
          const changed = how === "cut" ? der.slice(0, at) : Uint8Array.from([...der, ...(how === "add" ? [by] : [])]);
          if (how === "flip") changed[at] = (changed[at] ?? 0) ^ by;
          const read = await readSigningRequest(changed);
          // An ECDSA signature has a second form and DER some slack of tags: what is let through must say the same.
          if (read.kind === "ok") expect(read).toEqual(whole);
        },
      ),
      { numRuns: 400 },
    );
  });

  it("is refused when it is larger than any, or of no such form", async () => {
    expect(await readSigningRequest(new Uint8Array(SIGNING_REQUEST_MAX_BYTES + 1))).toMatchObject({
      kind: "malformed",
    });
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 600 }), async (bytes) => {
        expect((await readSigningRequest(bytes)).kind).toBe("malformed");
      }),
    );
  });
});
