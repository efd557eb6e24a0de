/** A fleet CA for tests, and certificates that it issues. */
import { randomBytes } from "node:crypto";
import { createFleetCa, type FleetCa, makeKeyPair, openFleetCa, type Role } from "@lifeline/identity";
import { systemClock } from "@lifeline/measure";
import { type ListenerCertificates, ServerCredentials } from "@lifeline/rpc";

const HOUR_MS = 3_600_000;

/** Long enough that no certificate ends soon. */
const LIFETIME_MS = 90 * 24 * HOUR_MS;

/** A fleet CA. */
export async function testFleetCa(commonName = "fleet"): Promise<FleetCa> {
  const lifetimeMs = LIFETIME_MS;
  const pems = await createFleetCa({ commonName, nowMs: systemClock.wallMs(), lifetimeMs, randomBytes });
  return openFleetCa(pems.certPem, pems.keyPem, randomBytes);
}

/** How a listener differs from the usual one. */
export interface ListenerOptions {
  readonly names?: readonly string[];
  readonly isExpired?: boolean;
}

/** Certificates of a collector's listener at 127.0.0.1 unless it has other names. Client certificates are optional. */
export async function listenerOf(fleetCa: FleetCa, options: ListenerOptions = {}): Promise<ListenerCertificates> {
  const { names = ["127.0.0.1"], isExpired = false } = options;
  const { publicKeyDer, privateKeyPem: keyPem } = makeKeyPair();
  const nowMs = systemClock.wallMs() - (isExpired ? 2 * HOUR_MS : 0);
  const lifetimeMs = isExpired ? HOUR_MS : LIFETIME_MS;
  const { pem: certPem } = await fleetCa.issueServer({ publicKeyDer, names, nowMs, lifetimeMs });
  return { certPem, keyPem, clientCaPem: fleetCa.certPem };
}

/** Credentials of a listener that requires a client certificate, as a proxy before a collector may. */
export async function demandingListenerOf(fleetCa: FleetCa): Promise<ServerCredentials> {
  const { certPem, keyPem } = await listenerOf(fleetCa);
  const pair = { private_key: Buffer.from(keyPem), cert_chain: Buffer.from(certPem) };
  return ServerCredentials.createSsl(Buffer.from(fleetCa.certPem), [pair], true);
}

/** A person's certificate and its key, PEM. */
export async function personOf(fleetCa: FleetCa, role: Role) {
  const { publicKeyDer, privateKeyPem } = makeKeyPair();
  const times = { nowMs: systemClock.wallMs(), lifetimeMs: HOUR_MS };
  const { pem } = await fleetCa.issueRole({ publicKeyDer, name: "ada", role, ...times });
  return { certPem: pem, keyPem: privateKeyPem };
}
