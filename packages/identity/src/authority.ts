/**
 * The fleet's own certificate authority: it says which key speaks for which node, and is what agents pin.
 *
 * 1. Its key signs leaves and nothing else: it is a CA without CAs below it (RFC 5280 §4.2.1.9, path length 0).
 * 2. A leaf is either a listener's (serverAuth), or a node's or a role's (clientAuth), never both.
 */
import "reflect-metadata";
import { createPrivateKey, X509Certificate as NodeCertificate, webcrypto } from "node:crypto";
import { isIP } from "node:net";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  type Name,
  PublicKey,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { nameOf } from "./distinguished-name.ts";
import { fingerprintOf } from "./fingerprint.ts";

/** Organisation of the certificate of one who is no node, by role. A node's has none. */
export const ROLE_ORGANISATIONS = {
  reader: "lifeline:reader",
  admin: "lifeline:admin",
  witness: "lifeline:witness",
} as const;

/** What one who is no node may do: ask; ask and administer; tell what was heard beside Omni. */
export type Role = keyof typeof ROLE_ORGANISATIONS;

/**
 * How long before now a certificate begins, ms, by what it is for. One that agents check by their own clocks: a day, more than a clock of
 * the wrong time zone is off by. The authority, which is made once, maybe under a clock that was ahead: 30 days. What the issuer's own
 * clock checks: five minutes, for one that is set back a little; a node's is to be renewed by its age.
 */
export const BACKDATE_MS = { authority: 30 * 86_400_000, server: 86_400_000, client: 5 * 60_000 } as const;

/** Bytes of a serial number: 128 random bits, of which the first is 0 so that the number is positive (RFC 5280 §4.1.2.2). */
const SERIAL_BYTES = 16;

/** An authority as it is kept. */
export interface AuthorityPems {
  readonly certPem: string;
  /** PKCS #8. Secret. */
  readonly keyPem: string;
}

/** A leaf. */
export interface Issued {
  readonly der: Buffer;
  readonly pem: string;
  /** Lower-case hexadecimal. */
  readonly serial: string;
  /** ms since the epoch */
  readonly notAfterMs: number;
}

/** What every leaf is made from. */
export interface IssueOptions {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKeyDer: Uint8Array;
  /** ms since the epoch */
  readonly nowMs: number;
  /** Cut to the authority's own end. */
  readonly lifetimeMs: number;
}

/** An authority that can sign. */
export interface Authority {
  readonly certPem: string;
  readonly certDer: Buffer;
  /** What agents pin. */
  readonly fingerprint: string;
  /** ms since the epoch */
  readonly notAfterMs: number;
  issueNode(options: IssueOptions & { readonly nodeId: string }): Promise<Issued>;
  /** `names` are DNS names or address literals. */
  issueServer(options: IssueOptions & { readonly names: readonly string[] }): Promise<Issued>;
  issueRole(options: IssueOptions & { readonly name: string; readonly role: Role }): Promise<Issued>;
}

/** Chance, for serial numbers. */
export type RandomBytes = (size: number) => Uint8Array;

/** Why an authority's files are of no use. `code`: `unreadable`, `not-an-authority`, `not-its-key` or `unsupported-key`. */
export class AuthorityError extends Error {
  readonly code: "unreadable" | "not-an-authority" | "not-its-key" | "unsupported-key";
  constructor(code: AuthorityError["code"], message: string) {
    super(message);
    this.name = "AuthorityError";
    this.code = code;
  }
}

const USAGES = { client: ExtendedKeyUsage.clientAuth, server: ExtendedKeyUsage.serverAuth };

const P256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** How a key signs, by its type and curve. */
const SIGNING: Readonly<
  Record<string, { readonly name: string; readonly namedCurve?: string; readonly hash?: string }>
> = {
  "ec prime256v1": P256,
  "ec secp384r1": { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" },
  "rsa ": { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
};

/** Makes an authority of P-256. */
export async function createAuthority(options: {
  readonly commonName: string;
  readonly nowMs: number;
  readonly lifetimeMs: number;
  readonly randomBytes: RandomBytes;
}): Promise<AuthorityPems> {
  const { commonName, nowMs, lifetimeMs, randomBytes } = options;
  const keys = await webcrypto.subtle.generateKey(P256, true, ["sign", "verify"]);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      name: nameOf([["CN", commonName]]),
      keys,
      signingAlgorithm: P256,
      serialNumber: serialFrom(randomBytes),
      notBefore: new Date(nowMs - BACKDATE_MS.authority),
      notAfter: new Date(nowMs + lifetimeMs),
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
        await SubjectKeyIdentifierExtension.create(keys.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
  const keyPem = createPrivateKey({ key: der, format: "der", type: "pkcs8" }).export({ format: "pem", type: "pkcs8" });
  return { certPem: `${certificate.toString("pem")}\n`, keyPem: keyPem.toString() };
}

/** Opens an authority from its files. Rejects with an {@link AuthorityError}. */
export async function openAuthority(certPem: string, keyPem: string, randomBytes: RandomBytes): Promise<Authority> {
  const { certificate, signingKey, signingAlgorithm } = await opened(certPem, keyPem);
  const certDer = Buffer.from(certificate.rawData);
  const notAfterMs = certificate.notAfter.getTime();
  const issue = async (subject: Name, kind: "client" | "server", names: readonly string[], options: IssueOptions) => {
    const publicKey = new PublicKey(new Uint8Array(options.publicKeyDer));
    const endMs = Math.min(options.nowMs + options.lifetimeMs, notAfterMs);
    const leaf = await X509CertificateGenerator.create(
      {
        subject,
        issuer: certificate.subjectName,
        serialNumber: serialFrom(randomBytes),
        publicKey,
        signingKey,
        signingAlgorithm,
        notBefore: new Date(options.nowMs - BACKDATE_MS[kind]),
        notAfter: new Date(endMs),
        extensions: [
          await AuthorityKeyIdentifierExtension.create(certificate, false, webcrypto),
          await SubjectKeyIdentifierExtension.create(publicKey, false, webcrypto),
          new BasicConstraintsExtension(false, undefined, true),
          new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
          new ExtendedKeyUsageExtension([USAGES[kind]]),
          ...(names.length === 0 ? [] : [alternativeNames(names)]),
        ],
      },
      webcrypto,
    );
    const notAfter = leaf.notAfter.getTime();
    const der = Buffer.from(leaf.rawData);
    return { der, pem: `${leaf.toString("pem")}\n`, serial: leaf.serialNumber.toLowerCase(), notAfterMs: notAfter };
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

async function opened(certPem: string, keyPem: string) {
  let known: NodeCertificate;
  let secret: ReturnType<typeof createPrivateKey>;
  try {
    known = new NodeCertificate(certPem);
    secret = createPrivateKey(keyPem);
  } catch {
    // Which of them, and over what the parser stumbled, might quote the key.
    throw new AuthorityError("unreadable", "a certificate and a private key without passphrase, PEM");
  }
  if (!known.ca) throw new AuthorityError("not-an-authority", "a certificate of an authority (basicConstraints CA)");
  if (!known.checkPrivateKey(secret)) throw new AuthorityError("not-its-key", "the private key of the certificate");
  const kind = `${secret.asymmetricKeyType} ${secret.asymmetricKeyDetails?.namedCurve ?? ""}`;
  const signingAlgorithm = SIGNING[kind];
  if (signingAlgorithm === undefined) {
    throw new AuthorityError("unsupported-key", "a key of P-256, P-384 or RSA");
  }
  const der = secret.export({ format: "der", type: "pkcs8" });
  const signingKey = await webcrypto.subtle.importKey("pkcs8", der, signingAlgorithm, false, ["sign"]);
  return { certificate: new X509Certificate(known.raw), signingKey, signingAlgorithm };
}

function alternativeNames(names: readonly string[]): SubjectAlternativeNameExtension {
  return new SubjectAlternativeNameExtension(
    names.map((name) => ({ type: isIP(name) === 0 ? ("dns" as const) : ("ip" as const), value: name })),
  );
}

function serialFrom(randomBytes: RandomBytes): string {
  const bytes = Buffer.from(randomBytes(SERIAL_BYTES));
  // Neither negative nor with a leading zero byte, which DER would drop.
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}
