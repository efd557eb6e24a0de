/** An authority of a test's own, and listeners and people by it. */
import { randomBytes } from "node:crypto";
import { createFleetCa, type FleetCa, makeKeyPair, openFleetCa, type Role } from "@lifeline/identity";
import { systemClock } from "@lifeline/measure";
import { type ListenerCertificates, ServerCredentials } from "@lifeline/rpc";

const HOUR_MS = 3_600_000;

/** An authority that lasts as long as a test. */
export async function testAuthority(commonName = "fleet"): Promise<FleetCa> {
  const lifetimeMs = HOUR_MS;
  const pems = await createFleetCa({ commonName, nowMs: systemClock.wallMs(), lifetimeMs, randomBytes });
  return openFleetCa(pems.certPem, pems.keyPem, randomBytes);
}

/** How a listener differs from one that anybody may ask. */
export interface ListenerOptions {
  readonly names?: readonly string[];
  readonly isExpired?: boolean;
}

/** What a collector's listener shows, at 127.0.0.1 unless it has other names: certificates are asked for, not demanded. */
export async function listenerOf(authority: FleetCa, options: ListenerOptions = {}): Promise<ListenerCertificates> {
  const { names = ["127.0.0.1"], isExpired = false } = options;
  const { publicKeyDer, privateKeyPem: keyPem } = makeKeyPair();
  const nowMs = systemClock.wallMs() - (isExpired ? 2 * HOUR_MS : 0);
  const { pem: certPem } = await authority.issueServer({ publicKeyDer, names, nowMs, lifetimeMs: HOUR_MS });
  return { certPem, keyPem, clientCaPem: authority.certPem };
}

/** A listener that lets in only who shows a certificate of the authority, as what stands before a collector may. */
export async function demandingListenerOf(authority: FleetCa): Promise<ServerCredentials> {
  const { certPem, keyPem } = await listenerOf(authority);
  const pair = { private_key: Buffer.from(keyPem), cert_chain: Buffer.from(certPem) };
  return ServerCredentials.createSsl(Buffer.from(authority.certPem), [pair], true);
}

/** A person's certificate and its key, PEM. */
export async function personOf(authority: FleetCa, role: Role) {
  const { publicKeyDer, privateKeyPem } = makeKeyPair();
  const times = { nowMs: systemClock.wallMs(), lifetimeMs: HOUR_MS };
  const { pem } = await authority.issueRole({ publicKeyDer, name: "ada", role, ...times });
  return { certPem: pem, keyPem: privateKeyPem };
}
