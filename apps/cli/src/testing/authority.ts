/** An authority of a test's own, and listeners and people by it. */
import { randomBytes } from "node:crypto";
import { type Authority, createAuthority, makeKeyPair, openAuthority, type PersonRole } from "@lifeline/identity";
import { systemClock } from "@lifeline/measure";
import { ServerCredentials } from "@lifeline/wire";

const HOUR_MS = 3_600_000;

/** An authority that lasts as long as a test. */
export async function testAuthority(commonName = "fleet"): Promise<Authority> {
  const lifetimeMs = HOUR_MS;
  const pems = await createAuthority({ commonName, nowMs: systemClock.wallMs(), lifetimeMs, randomBytes });
  return openAuthority(pems.certPem, pems.keyPem, randomBytes);
}

/** How a listener differs from one that anybody may ask. */
export interface ListenerOptions {
  readonly names?: readonly string[];
  readonly isExpired?: boolean;
  /** Lets in only who shows a certificate of the authority. */
  readonly wantsCertificate?: boolean;
}

/** Credentials of a listener, at 127.0.0.1 unless it has other names. */
export async function listenerOf(authority: Authority, options: ListenerOptions = {}): Promise<ServerCredentials> {
  const { names = ["127.0.0.1"], isExpired = false, wantsCertificate = false } = options;
  const { publicKeyDer, privateKeyPem } = makeKeyPair();
  const nowMs = systemClock.wallMs() - (isExpired ? 2 * HOUR_MS : 0);
  const leaf = await authority.issueServer({ publicKeyDer, names, nowMs, lifetimeMs: HOUR_MS });
  const pair = { private_key: Buffer.from(privateKeyPem), cert_chain: Buffer.from(leaf.pem) };
  return ServerCredentials.createSsl(Buffer.from(authority.certPem), [pair], wantsCertificate);
}

/** A person's certificate and its key, PEM. */
export async function personOf(authority: Authority, role: PersonRole) {
  const { publicKeyDer, privateKeyPem } = makeKeyPair();
  const times = { nowMs: systemClock.wallMs(), lifetimeMs: HOUR_MS };
  const { pem } = await authority.issuePerson({ publicKeyDer, name: "ada", role, ...times });
  return { certPem: pem, keyPem: privateKeyPem };
}
