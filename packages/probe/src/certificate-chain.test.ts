import { X509Certificate } from "node:crypto";
import { createServer } from "node:tls";
import { makeCa, makeKeyPair, makeLeaf, type Signer } from "@lifeline/identity";
import { type Sample, systemClock, type Trust } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { probe } from "./probe.ts";
import { targetOf, temporaryFile, worldOf } from "./testing/loopback.ts";
import { fixture, listening } from "./testing/peers.ts";

const DAY_MS = 86_400_000;
const NOW_MS = systemClock.wallMs();
/** Valid from and to as many days from now. */
const days = (from: number, to: number) => ({ notBeforeMs: NOW_MS + from * DAY_MS, notAfterMs: NOW_MS + to * DAY_MS });
const GOOD = days(-10, 300);

async function leafOf(issuer: Signer, validity = GOOD, name = "peer.test") {
  const keys = makeKeyPair();
  const leaf = await makeLeaf(issuer, {
    subject: `CN=${name}`,
    publicKeyDer: keys.publicKeyDer,
    usage: "server",
    names: [name],
    ...validity,
  });
  return { certPem: leaf.certPem, keyPem: keys.privateKeyPem };
}

interface Shown {
  readonly keyPem: string;
  /** The server's own certificate and what it sends beside it. */
  readonly chain: readonly string[];
  readonly trust: Trust;
}

/** What the tls probe sees at a server that shows that chain. The public root issued none of these. */
async function sampleOf({ keyPem, chain, trust }: Shown): Promise<Sample> {
  const server = createServer({ key: keyPem, cert: chain.join("") }, (socket) => socket.on("error", () => {}));
  server.on("tlsClientError", () => {});
  await using peer = await listening(server);
  using hosts = temporaryFile("hosts", "127.0.0.1 peer.test\n");
  const target = targetOf(
    { probe: "tls", trust, alpn: [], alpnRequired: false },
    { port: peer.port, host: "peer.test" },
  );
  return await probe(target, worldOf({ hostsFile: hosts.path, publicRoots: [fixture("root.pem")] }));
}

/** A root, a CA below it and a leaf below that, each with its validity. */
async function pki(of: { root?: typeof GOOD; issuing?: typeof GOOD; leaf?: typeof GOOD } = {}) {
  const root = await makeCa({ subject: "CN=Root", pathLength: 1, ...(of.root ?? days(-1_000, 1_000)) });
  const issuer = await makeCa({
    subject: "CN=Issuing",
    pathLength: 0,
    issuer: root,
    ...(of.issuing ?? days(-100, 500)),
  });
  const leaf = await leafOf(issuer, of.leaf);
  return { root, issuer, leaf };
}
const privately = (caPem: string): Trust => ({ kind: "private", caPem });
/** Certificates hold whole seconds (RFC 5280 §4.1.2.5). */
const toSecond = (wallMs: number) => new Date(Math.floor(wallMs / 1_000) * 1_000).toISOString();
const subjects = ({ evidence }: Sample) => evidence.chain?.map(({ subject }) => subject);
const ended = ({ evidence }: Sample) =>
  evidence.chain?.filter(({ notAfter }) => Date.parse(notAfter) < NOW_MS).map(({ subject }) => subject);

describe("the chain of a server", () => {
  it("leads to the private CA, which the server does not send, with the dates of each certificate", async () => {
    const { root, issuer, leaf } = await pki();
    const sample = await sampleOf({
      keyPem: leaf.keyPem,
      chain: [leaf.certPem, issuer.certPem],
      trust: privately(root.certPem),
    });
    expect(sample.outcome.reason).toBe("answered");
    expect(subjects(sample)).toEqual(["CN=peer.test", "CN=Issuing", "CN=Root"]);
    expect(sample.evidence.chain?.map(({ anchor }) => anchor)).toEqual([false, false, true]);
    expect(sample.evidence.chain?.[0]).toMatchObject({
      notBefore: toSecond(GOOD.notBeforeMs),
      notAfter: toSecond(GOOD.notAfterMs),
    });
  });

  it.each([
    ["leaf", "CN=peer.test", { leaf: days(-10, -1) }],
    ["intermediate", "CN=Issuing", { issuing: days(-100, -1) }],
    ["private CA, which the server does not send", "CN=Root", { root: days(-100, -1) }],
  ])("shows which certificate has ended: the %s", async (_, subject, validity) => {
    const { root, issuer, leaf } = await pki(validity);
    const chain = [leaf.certPem, issuer.certPem];
    const sample = await sampleOf({ keyPem: leaf.keyPem, chain, trust: privately(root.certPem) });
    expect(sample.outcome).toEqual({ reason: "tls-expired", phase: "tls" });
    expect(ended(sample)).toEqual([subject]);
    expect(sample.evidence.chain?.at(-1)).toMatchObject({ subject: "CN=Root", anchor: true });
  });

  it("ends where the server's certificates do when the next one is missing", async () => {
    const { root, leaf } = await pki();
    const sample = await sampleOf({ keyPem: leaf.keyPem, chain: [leaf.certPem], trust: privately(root.certPem) });
    expect(sample.outcome.reason).toBe("tls-untrusted");
    expect(sample.evidence.chain).toMatchObject([{ subject: "CN=peer.test", issuer: "CN=Issuing", anchor: false }]);
  });

  it("ends at an intermediate that is named as CA, as for Talos, and not at what the server sends above it", async () => {
    const { root, issuer, leaf } = await pki({ root: days(-100, -1) });
    const chain = [leaf.certPem, issuer.certPem, root.certPem];
    const sample = await sampleOf({ keyPem: leaf.keyPem, chain, trust: privately(issuer.certPem) });
    expect(sample.outcome.reason).toBe("answered");
    expect(subjects(sample)).toEqual(["CN=peer.test", "CN=Issuing"]);
    expect(ended(sample)).toEqual([]);
  });

  it("has no CA of the same name with another key", async () => {
    const { issuer, leaf } = await pki();
    const other = await makeCa({ subject: "CN=Root", pathLength: 1, ...GOOD });
    const chain = [leaf.certPem, issuer.certPem];
    const sample = await sampleOf({ keyPem: leaf.keyPem, chain, trust: privately(other.certPem) });
    expect(sample.outcome.reason).toBe("tls-untrusted");
    expect(subjects(sample)).toEqual(["CN=peer.test", "CN=Issuing"]);
  });
});

describe("a certificate that only names its issuer", () => {
  it("does not lead to the CA of that name, whose key did not sign it", async () => {
    const pem = fixture("bare-same-name-root.pem");
    const sample = await sampleOf({ keyPem: pem, chain: [pem], trust: privately(fixture("root.pem")) });
    expect(sample.outcome.reason).toBe("tls-untrusted");
    expect(subjects(sample)).toEqual(["CN=peer.test"]);
  });
});

describe("a CA that is trusted beside the public ones", () => {
  const inspector = makeCa({ subject: "CN=Inspection", pathLength: 0, ...days(-1_000, 1_000) });
  const added = async (): Promise<Trust> => ({ kind: "public", addedCaPem: (await inspector).certPem });

  it.each([
    ["a good certificate", GOOD, "peer.test", "answered"],
    ["one for another name", GOOD, "other.test", "tls-name-mismatch"],
    ["one that has ended", days(-10, -1), "peer.test", "tls-expired"],
    ["one that has not begun", days(1, 10), "peer.test", "tls-not-yet-valid"],
  ])("changes nothing but the trust: %s", async (_, validity, name, reason) => {
    const leaf = await leafOf(await inspector, validity, name);
    const sample = await sampleOf({ keyPem: leaf.keyPem, chain: [leaf.certPem], trust: await added() });
    expect(sample.outcome.reason).toBe(reason);
    expect(subjects(sample)?.at(-1)).toBe("CN=Inspection");
  });

  it("is needed, and leaves the public ones trusted", async () => {
    const leaf = await leafOf(await inspector);
    const shown = { keyPem: leaf.keyPem, chain: [leaf.certPem] };
    expect((await sampleOf({ ...shown, trust: { kind: "public" } })).outcome.reason).toBe("tls-untrusted");
    const pem = fixture("good.pem");
    const sample = await sampleOf({ keyPem: pem, chain: [pem], trust: await added() });
    expect(sample.outcome.reason).toBe("answered");
  });
});

describe("a CA by which the site inspects TLS, beside a private CA", () => {
  const inspector = makeCa({ subject: "CN=Inspection", pathLength: 0, ...days(-1_000, 1_000) });
  const own = makeCa({ subject: "CN=Own", pathLength: 0, ...days(-1_000, 1_000) });
  const hashOf = (pem: string) => new X509Certificate(pem).fingerprint256.replaceAll(":", "").toLowerCase();
  const beside = async (more: object): Promise<Trust> => ({ ...privately((await own).certPem), ...more }) as Trust;
  const shownBy = async (signer: Signer) => {
    const { certPem, keyPem } = await leafOf(signer);
    return { keyPem, chain: [certPem] };
  };

  it("is trusted by its certificate, and the private CA stays so", async () => {
    const trust = await beside({ addedCaPem: (await inspector).certPem });
    const inspected = await sampleOf({ ...(await shownBy(await inspector)), trust });
    expect(inspected.outcome.reason).toBe("answered");
    expect(inspected.evidence.chain?.at(-1)).toMatchObject({ subject: "CN=Inspection", anchor: true });
    expect((await sampleOf({ ...(await shownBy(await own)), trust })).outcome.reason).toBe("answered");
  });

  it("is trusted by its SHA-256 where the host trusts it, and no other root of the host is", async () => {
    const pem = fixture("good.pem");
    const root = fixture("root.pem");
    const shown = { keyPem: pem, chain: [pem] };
    const held = await sampleOf({ ...shown, trust: await beside({ hostCaSha256: [hashOf(root)] }) });
    expect(held.outcome.reason).toBe("answered");
    expect(held.evidence.chain?.at(-1)).toMatchObject({ sha256: hashOf(root), anchor: true });
    const { certPem } = await inspector;
    const other = await beside({ hostCaSha256: [hashOf(certPem)] });
    expect((await sampleOf({ ...shown, trust: other })).outcome.reason).toBe("tls-untrusted");
    // The host does not trust it, so that its hash proves nothing, although the server shows it.
    const leaf = await leafOf(await inspector);
    const sent = { keyPem: leaf.keyPem, chain: [leaf.certPem, certPem] };
    expect((await sampleOf({ ...sent, trust: other })).outcome.reason).toBe("tls-untrusted");
  });
});
