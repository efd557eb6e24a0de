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
const fleetCa = await openFleetCa(pems.certPem, pems.keyPem, randomBytes);
const node = makeKeyPair();
const times = { nowMs: NOW_MS, lifetimeMs: HOUR_MS };

describe("the fleet CA", () => {
  it("is a CA that cannot sign CAs, and its fingerprint is that of its certificate", () => {
    const certificate = new X509Certificate(fleetCa.certPem);
    expect(certificate.ca).toBe(true);
    expect(fleetCa.fingerprint).toBe(fingerprintOf(certificate.raw));
    expect(fleetCa.notAfterMs).toBe(NOW_MS + 48 * HOUR_MS);
    // Valid from 30 days before, so that it works after a clock that was ahead at its making is set back.
    expect(certificate.validFromDate.getTime()).toBe(NOW_MS - 30 * 24 * HOUR_MS);
  });

  it("issues a node's certificate: its name, for clients only, with the given lifetime", async () => {
    const issued = await fleetCa.issueNode({ nodeId: "worker-1", publicKeyDer: node.publicKeyDer, ...times });
    const leaf = new X509Certificate(issued.der);
    expect(leaf.verify(new X509Certificate(fleetCa.certPem).publicKey)).toBe(true);
    expect(leaf.checkIssued(new X509Certificate(fleetCa.certPem))).toBe(true);
    expect(leaf.subject).toBe("CN=worker-1");
    expect(leaf.ca).toBe(false);
    // id-kp-clientAuth (RFC 5280 §4.2.1.12).
    expect(leaf.keyUsage).toEqual(["1.3.6.1.5.5.7.3.2"]);
    expect(leaf.serialNumber.toLowerCase()).toBe(issued.serial);
    expect(new Date(leaf.validTo).getTime()).toBe(NOW_MS + HOUR_MS);
    expect(new Date(leaf.validFrom).getTime()).toBe(NOW_MS - 5 * 60_000);
    expect(keySha256(leaf.publicKey.export({ format: "der", type: "spki" }))).toBe(keySha256(node.publicKeyDer));
  });

  it("issues no certificate that ends after its own", async () => {
    const options = { nodeId: "n", publicKeyDer: node.publicKeyDer, nowMs: NOW_MS, lifetimeMs: 1_000 * HOUR_MS };
    expect((await fleetCa.issueNode(options)).notAfterMs).toBe(fleetCa.notAfterMs);
  });

  it("issues a server's certificate with names, and a person's with a role", async () => {
    const { publicKeyDer } = node;
    const server = await fleetCa.issueServer({
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
    const person = await fleetCa.issueRole({ publicKeyDer, name: "ada", role: "admin", ...times });
    expect(new X509Certificate(person.der).subject).toBe("O=lifeline:admin\nCN=ada");
  });

  it("keeps a name as one attribute, whatever it contains", async () => {
    const { publicKeyDer } = node;
    const issued = await fleetCa.issueNode({ nodeId: "a,O=lifeline:admin", publicKeyDer, ...times });
    expect(new X509Certificate(issued.der).toLegacyObject().subject).toEqual({ CN: "a,O=lifeline:admin" });
  });

  it("is refused with a code when its certificate or key cannot be used", async () => {
    const leaf = await fleetCa.issueNode({ nodeId: "n", publicKeyDer: node.publicKeyDer, ...times });
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
  it("carries the node id and the key", async () => {
    const der = signingRequestDer(node.privateKeyPem, "worker-1");
    expect(der.length).toBeLessThan(SIGNING_REQUEST_MAX_BYTES);
    expect(await readSigningRequest(der)).toEqual({
      kind: "ok",
      nodeId: "worker-1",
      publicKeyDer: node.publicKeyDer,
      keySha256: keySha256(node.publicKeyDer),
    });
  });

  it("is read for every printable node id (decode∘encode = id)", async () => {
    await fc.assert(
      fc.asyncProperty(fc.stringMatching(/^[ -~]{1,64}$/), async (nodeId) => {
        const request = await readSigningRequest(signingRequestDer(node.privateKeyPem, nodeId));
        expect(request).toMatchObject({ kind: "ok", nodeId });
      }),
      { numRuns: 50 },
    );
  });

  it("is made only with a P-256 key", () => {
    const { privateKey } = generateKeyPairSync("ed25519");
    const pem = privateKey.export({ format: "pem", type: "pkcs8" }).toString();
    expect(() => signingRequestDer(pem, "worker-1")).toThrow("got a key of ed25519, want a key of P-256");
  });

  it("is refused when its name is not text: the library would return hexadecimal", async () => {
    const der = Buffer.from(signingRequestDer(node.privateKeyPem, "worker-1"));
    const tag = der.indexOf("worker-1") - 2;
    expect(der[tag]).toBe(0x0c); // UTF8String
    der[tag] = 0x04; // OCTET STRING
    const detail = "a common name that is no text";
    expect(await readSigningRequest(der)).toEqual({ kind: "malformed", detail });
  });

  it("is refused when a byte is changed, cut or added, and never throws", async () => {
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
          // An ECDSA signature has a second form, and DER tolerates some tags: what is accepted must read the same.
          if (read.kind === "ok") expect(read).toEqual(whole);
        },
      ),
      { numRuns: 400 },
    );
  });

  it("is refused when it is too large, or not a signing request", async () => {
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
