/**
 * The fleet CA: its certificates bind a node's key to its id, and agents pin its fingerprint.
 *
 * 1. Its key signs leaves only: no CA may be below it (RFC 5280 §4.2.1.9, path length 0).
 * 2. A leaf is either for a listener (serverAuth), or for a node or a role (clientAuth), never both.
 */
import { createPrivateKey, X509Certificate as NodeCertificate } from "node:crypto";
import type { Name } from "@peculiar/x509";
import { makeCa, makeLeaf, openSigner, P256, type Signer, type SigningAlgorithm } from "./certificate-maker.ts";
import { nameOf } from "./distinguished-name.ts";
import { fingerprintOf } from "./fingerprint.ts";

/** Organisation in a certificate of a person or witness, by role. A node's certificate has none. */
export const ROLE_ORGANISATIONS = {
  reader: "lifeline:reader",
  admin: "lifeline:admin",
  witness: "lifeline:witness",
} as const;

/** What a person or witness may do: query; query and administer; report received datagrams beside Omni. */
export type Role = keyof typeof ROLE_ORGANISATIONS;

/**
 * How long before now a certificate begins, ms. Server: a day, because agents check it by their own clocks, which may
 * have the wrong time zone. CA: 30 days, because it is made once, maybe under a clock that was ahead. Client: five
 * minutes, because the issuer's own clock checks it; a node's certificate is renewed by its age.
 */
export const BACKDATE_MS = { ca: 30 * 86_400_000, server: 86_400_000, client: 5 * 60_000 } as const;

/**
 * Bytes of a serial number: 128 random bits, of which the first is 0 so that the number is positive (RFC 5280
 * §4.1.2.2).
 */
const SERIAL_BYTES = 16;

/** The fleet CA as it is stored. */
export interface FleetCaPems {
  readonly certPem: string;
  /** PKCS #8. Secret. */
  readonly keyPem: string;
}

/** A leaf that was issued. */
export interface Issued {
  readonly der: Buffer;
  readonly pem: string;
  /** Lower-case hexadecimal. */
  readonly serial: string;
  /** ms since the epoch */
  readonly notAfterMs: number;
}

/** The content of every leaf. */
export interface IssueOptions {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKeyDer: Uint8Array;
  /** ms since the epoch */
  readonly nowMs: number;
  /** The leaf ends no later than the CA. */
  readonly lifetimeMs: number;
}

/** The fleet CA, opened to sign. */
export interface FleetCa {
  readonly certPem: string;
  readonly certDer: Buffer;
  /** See fingerprintOf. Agents pin it. */
  readonly fingerprint: string;
  /** ms since the epoch */
  readonly notAfterMs: number;
  issueNode(options: IssueOptions & { readonly nodeId: string }): Promise<Issued>;
  /** `names` are DNS names or address literals. */
  issueServer(options: IssueOptions & { readonly names: readonly string[] }): Promise<Issued>;
  issueRole(options: IssueOptions & { readonly name: string; readonly role: Role }): Promise<Issued>;
}

/** Random bytes, for serial numbers. */
export type RandomBytes = (size: number) => Uint8Array;

/** Why the files of a CA cannot be used. `code`: `unreadable`, `not-a-ca`, `not-its-key` or `unsupported-key`. */
export class FleetCaError extends Error {
  readonly code: "unreadable" | "not-a-ca" | "not-its-key" | "unsupported-key";
  constructor(code: FleetCaError["code"], message: string) {
    super(message);
    this.name = "FleetCaError";
    this.code = code;
  }
}

/** How a key signs, by its type and curve. */
const SIGNING: Readonly<Record<string, SigningAlgorithm>> = {
  "ec prime256v1": P256,
  "ec secp384r1": { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" },
  "rsa ": { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
};

/** Makes a CA with a key of P-256. */
export async function createFleetCa(options: {
  readonly commonName: string;
  readonly nowMs: number;
  readonly lifetimeMs: number;
  readonly randomBytes: RandomBytes;
}): Promise<FleetCaPems> {
  const { commonName, nowMs, lifetimeMs, randomBytes } = options;
  const { certPem, keyPem } = await makeCa({
    subject: nameOf([["CN", commonName]]),
    serialNumber: serialFrom(randomBytes),
    notBeforeMs: nowMs - BACKDATE_MS.ca,
    notAfterMs: nowMs + lifetimeMs,
    pathLength: 0,
  });
  return { certPem, keyPem };
}

/** Opens a CA from its files. Rejects with a {@link FleetCaError}. */
export async function openFleetCa(certPem: string, keyPem: string, randomBytes: RandomBytes): Promise<FleetCa> {
  const signer = await opened(certPem, keyPem);
  const certDer = Buffer.from(signer.certificate.rawData);
  const notAfterMs = signer.certificate.notAfter.getTime();
  const issue = async (subject: Name, usage: "client" | "server", names: readonly string[], options: IssueOptions) => {
    const { certificate, certPem: pem } = await makeLeaf(signer, {
      subject,
      usage,
      names,
      publicKeyDer: options.publicKeyDer,
      serialNumber: serialFrom(randomBytes),
      notBeforeMs: options.nowMs - BACKDATE_MS[usage],
      notAfterMs: Math.min(options.nowMs + options.lifetimeMs, notAfterMs),
    });
    const [der, serial] = [Buffer.from(certificate.rawData), certificate.serialNumber.toLowerCase()];
    return { der, pem, serial, notAfterMs: certificate.notAfter.getTime() };
  };
  return {
    certPem,
    certDer,
    fingerprint: fingerprintOf(certDer),
    notAfterMs,
    issueNode: (options) => issue(nameOf([["CN", options.nodeId]]), "client", [], options),
    issueServer: (options) => issue(nameOf([["CN", "lifeline collector"]]), "server", options.names, options),
    issueRole: ({ name, role, ...options }) =>
      issue(
        nameOf([
          ["O", ROLE_ORGANISATIONS[role]],
          ["CN", name],
        ]),
        "client",
        [],
        options,
      ),
  };
}

async function opened(certPem: string, keyPem: string): Promise<Signer> {
  let known: NodeCertificate;
  let secret: ReturnType<typeof createPrivateKey>;
  try {
    known = new NodeCertificate(certPem);
    secret = createPrivateKey(keyPem);
  } catch {
    // The parser's message might quote the key.
    throw new FleetCaError("unreadable", "a certificate and a private key without passphrase, PEM");
  }
  if (!known.ca) throw new FleetCaError("not-a-ca", "a certificate of a CA (basicConstraints)");
  if (!known.checkPrivateKey(secret)) throw new FleetCaError("not-its-key", "the private key of the certificate");
  const kind = `${secret.asymmetricKeyType} ${secret.asymmetricKeyDetails?.namedCurve ?? ""}`;
  const signingAlgorithm = SIGNING[kind];
  if (signingAlgorithm === undefined) {
    throw new FleetCaError("unsupported-key", "a key of P-256, P-384 or RSA");
  }
  return openSigner(known.raw, secret.export({ format: "der", type: "pkcs8" }), signingAlgorithm);
}

function serialFrom(randomBytes: RandomBytes): string {
  const bytes = Buffer.from(randomBytes(SERIAL_BYTES));
  // Not negative, and without a leading zero byte, which DER would drop.
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}
