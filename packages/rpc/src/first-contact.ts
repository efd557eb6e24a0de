/**
 * First contact with a collector of which only the fingerprint of its authority is known.
 *
 * 1. Nothing but GetFleetCa goes over the connection that is not verified: no token, no certificate, nothing of who asks.
 * 2. What comes back counts only by its own digest; who passed it on does not matter, for an authority's certificate is no secret.
 * 3. Whatever is said later goes over another connection, verified against that certificate alone (see tlsCredentials).
 */
import { createHash, X509Certificate } from "node:crypto";
import type { ChannelOptions } from "@grpc/grpc-js";
import { enrolPb } from "@lifeline/wire";
import { createRpcClient } from "./rpc-client.ts";
import { unverifiedCredentials } from "./tls-credentials.ts";

/** The certificate that has the wanted fingerprint. */
export interface FleetCaCertificate {
  readonly certificateDer: Uint8Array;
  readonly certificatePem: string;
}

/** Bounds of a first contact. */
export interface FirstContactOptions {
  /** It fails with DEADLINE_EXCEEDED after this long, connecting included, ms. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** As for the later connection, so that both go the same way (HTTP proxy or none). */
  readonly channelOptions?: ChannelOptions;
}

/**
 * Why what was shown is not the authority. `code`: `ca-mismatch` (its fingerprint is another; `message` names both),
 * `not-a-ca` (it has the fingerprint, but is no certificate of an authority).
 */
export class FirstContactError extends Error {
  readonly code: "ca-mismatch" | "not-a-ca";
  constructor(code: FirstContactError["code"], message: string) {
    super(message);
    this.name = "FirstContactError";
    this.code = code;
  }
}

/**
 * Asks the collector at `address` (host:port) for its authority. `wantedFingerprint` is `sha256:` and 64 lower-case hexadecimal
 * characters. Rejects with an RpcError when nothing was shown, with a {@link FirstContactError} when it was not the authority.
 */
export async function fetchFleetCa(
  address: string,
  wantedFingerprint: string,
  { timeoutMs, signal, channelOptions = {} }: FirstContactOptions,
): Promise<FleetCaCertificate> {
  // A pool of its own: no later call may find itself on this connection.
  const options = { ...channelOptions, "grpc.use_local_subchannel_pool": 1 };
  const client = createRpcClient(enrolPb.EnrolService, address, unverifiedCredentials(), options);
  try {
    const call = signal === undefined ? { timeoutMs } : { timeoutMs, signal };
    const { caCertificateDer } = await client.unary("getFleetCa", {}, call);
    return authorityOf(caCertificateDer, wantedFingerprint);
  } finally {
    client.close();
  }
}

function authorityOf(certificateDer: Uint8Array, wantedFingerprint: string): FleetCaCertificate {
  const shownFingerprint = `sha256:${createHash("sha256").update(certificateDer).digest("hex")}`;
  if (shownFingerprint !== wantedFingerprint) {
    const shown = certificateDer.length === 0 ? "no certificate" : shownFingerprint;
    throw new FirstContactError("ca-mismatch", `got ${shown}, want ${wantedFingerprint}`);
  }
  const certificate = certificateOf(certificateDer);
  if (!certificate?.ca) {
    throw new FirstContactError("not-a-ca", `${wantedFingerprint} is not of a certificate of an authority`);
  }
  return { certificateDer, certificatePem: certificate.toString() };
}

function certificateOf(der: Uint8Array): X509Certificate | undefined {
  try {
    return new X509Certificate(der);
  } catch {
    // Whatever the parser stumbles over, it is no certificate.
    return undefined;
  }
}
