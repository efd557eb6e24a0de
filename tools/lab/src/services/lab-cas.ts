/**
 * The lab's CAs. They are made at start and kept only in memory.
 *
 * 1. Every subject contains `lab`, including that of the imitated interception product.
 * 2. Only root certificates leave the process; keys never do.
 */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { makeCa, makeLeaf, type Signer } from "@lifeline/identity";
import type { Clock } from "@lifeline/measure";

/** Size of an RSA key, bits: the least that public CAs accept (CA/Browser Forum BR §6.1.5). */
const RSA_BITS = 2_048;

const DAY_MS = 24 * 3_600_000;

/** Validity of the CAs before and after now, days: leaves of every validity fall inside. */
const CA_DAYS = 30;

/** When a leaf is valid, in days from now: `current` is longer than any lab runs and too short to be kept. */
const VALIDITY_DAYS = { current: [-1, 7], expired: [-8, -1], "not-yet-valid": [1, 8] } as const;

/** Default organisation of the lab's public CAs. */
export const LAB_ISSUER = "Lifeline lab";

/** Subjects of the copy of an interception product, in the shape its real ones have, marked as the lab's. */
const INTERCEPTION_ROOT = "CN=Zscaler Root CA,OU=lab,O=Zscaler Inc.";
const INTERCEPTION_INTERMEDIATE = "CN=Zscaler Intermediate Root CA,OU=lab,O=Zscaler Inc.";

/** Where the intermediate could be had, were there anything (`.test`: RFC 6761 §6.2). */
const ISSUER_URL = "http://issuer.lab.test/intermediate.cer";

/** What signs leaves, and the certificates that a server sends after them. */
export interface LabCa {
  readonly signer: Signer;
  /** Whether its leaves say where its certificate can be had, as public CAs' must (CA/Browser Forum BR §7.1.2.7.7). */
  readonly isPublic: boolean;
  /** The CA's own certificate and those above it, without a root that every client has; PEM. */
  readonly chainPem: string;
}

/** What a TLS server presents. */
export interface Leaf {
  readonly certPem: string;
  /** Intermediates that complete the chain; empty when the leaf is sent alone. */
  readonly restPem: string;
  readonly keyPem: string;
}

/** What a leaf should be like. */
export interface LeafOptions {
  readonly issuer: LabCa;
  /** DNS names or IP literals. */
  readonly names: readonly string[];
  readonly validity: keyof typeof VALIDITY_DAYS;
  readonly keyType: "ec" | "rsa";
}

/** The lab's CAs. */
export interface LabCas {
  /** The root in place of the public ones; a client trusts it through NODE_EXTRA_CA_CERTS. */
  readonly publicRootPem: string;
  /** The root of the interception copy: for clients that are to trust it. */
  readonly interceptionRootPem: string;
  /** The root that `untrusted` certificates end at. */
  readonly privateRootPem: string;
  readonly interception: LabCa;
  readonly private: LabCa;
  /** The intermediate under the public root that bears `organisation`. */
  publicIssuer(organisation: string): Promise<LabCa>;
  issue(options: LeafOptions): Promise<Leaf>;
}

/** Makes the CAs; a few signatures, no file, no network. */
export async function createLabCas(clock: Clock): Promise<LabCas> {
  const publicRoot = await createRoot(clock, `CN=Lifeline lab public root,OU=lab,O=${LAB_ISSUER}`);
  const privateRoot = await createRoot(clock, "CN=Private CA that no client trusts,OU=lab,O=Lifeline lab private");
  const interceptionRoot = await createRoot(clock, INTERCEPTION_ROOT);
  // All leaves share one key pair: making an RSA key takes tenths of a second, and the lab needs no secrecy.
  const leafKeys = { ec: newKeys("ec"), rsa: newKeys("rsa") };
  return {
    publicRootPem: publicRoot.chainPem,
    interceptionRootPem: interceptionRoot.chainPem,
    privateRootPem: privateRoot.chainPem,
    interception: await createIntermediate(clock, interceptionRoot, INTERCEPTION_INTERMEDIATE, false),
    private: privateRoot,
    publicIssuer: (organisation) =>
      createIntermediate(clock, publicRoot, `CN=Lifeline lab intermediate,OU=lab,O=${escapeName(organisation)}`, true),
    issue: (options) => issueLeaf(clock, options, leafKeys[options.keyType]),
  };
}

/** Makes a root of a name of its own. */
export async function createRoot(clock: Clock, subject: string): Promise<LabCa> {
  const { certPem, ...signer } = await makeCa({ subject, pathLength: 1, ...caValidity(clock) });
  return { signer, isPublic: false, chainPem: certPem };
}

async function createIntermediate(clock: Clock, root: LabCa, subject: string, isPublic: boolean): Promise<LabCa> {
  const options = { subject, pathLength: 0, issuer: root.signer, ...caValidity(clock) };
  const { certPem, ...signer } = await makeCa(options);
  return { signer, isPublic, chainPem: certPem };
}

/** Makes a leaf under that key. */
export async function issueLeaf(clock: Clock, options: Omit<LeafOptions, "keyType">, keys: LeafKeys): Promise<Leaf> {
  const { issuer, names } = options;
  const [fromDays, toDays] = VALIDITY_DAYS[options.validity];
  const { certPem } = await makeLeaf(issuer.signer, {
    subject: `CN=Lifeline lab stand-in,OU=lab,O=${LAB_ISSUER}`,
    usage: "server",
    names,
    publicKeyDer: keys.publicKey.export({ format: "der", type: "spki" }),
    ...validity(clock, fromDays, toDays),
    ...(issuer.isPublic ? { issuerUrl: ISSUER_URL } : {}),
  });
  const keyPem = keys.privateKey.export({ format: "pem", type: "pkcs8" }).toString();
  return { certPem, restPem: issuer.chainPem, keyPem };
}

/** The key of a leaf. */
export interface LeafKeys {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** Makes a key of P-256, or of RSA with {@link RSA_BITS}. */
export function newKeys(type: LeafOptions["keyType"]): LeafKeys {
  return type === "ec"
    ? generateKeyPairSync("ec", { namedCurve: "P-256" })
    : generateKeyPairSync("rsa", { modulusLength: RSA_BITS });
}

function caValidity(clock: Clock) {
  return validity(clock, -CA_DAYS, CA_DAYS);
}

function validity(clock: Clock, fromDays: number, toDays: number) {
  const nowMs = clock.wallMs();
  return { notBeforeMs: nowMs + fromDays * DAY_MS, notAfterMs: nowMs + toDays * DAY_MS };
}

/** An attribute value as RFC 4514 §2.4 writes it. */
function escapeName(value: string): string {
  return value.replace(/[,+"\\<>;=#]/g, (character) => `\\${character}`);
}
