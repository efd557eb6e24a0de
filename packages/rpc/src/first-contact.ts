/**
 * First contact with a collector of which only the fingerprint of the fleet CA is known.
 *
 * 1. Nothing but GetFleetCa goes over the connection that is not verified: no token, no certificate, no identity.
 * 2. The answer is accepted only if it has the pinned digest. Its sender does not matter, because a CA's certificate is
 *    no secret.
 * 3. Everything else goes over another connection, verified against that certificate only (tlsCredentials).
 */
import { createHash, X509Certificate } from "node:crypto";
import type { ChannelOptions } from "@grpc/grpc-js";
import { enrolPb } from "@lifeline/wire";
import { createRpcClient } from "./rpc-client.ts";
import { unverifiedCredentials } from "./tls-credentials.ts";

/** The certificate of the fleet CA, which has the wanted fingerprint. */
export interface FleetCaCertificate {
  readonly certificateDer: Uint8Array;
  readonly certificatePem: string;
}

/** Bounds of a first contact. */
export interface FirstContactOptions {
  /** Fails with DEADLINE_EXCEEDED after this time, ms, including the time to connect. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** The same as for the later connection, so that both use the same path (HTTP proxy or none). */
  readonly channelOptions?: ChannelOptions;
}

/**
 * Why the answer is not the fleet CA. `code`: `ca-mismatch` (another fingerprint; `message` has both), `not-a-ca` (the
 * fingerprint matches, but it is not a CA's certificate).
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
 * Fetches the fleet CA from the collector at `address` (host:port). `wantedFingerprint`: `sha256:` and 64 lower-case
 * hexadecimal characters. Rejects with an RpcError when there is no answer, with a {@link FirstContactError} when the
 * answer is not the fleet CA.
 */
export async function fetchFleetCa(
  address: string,
  wantedFingerprint: string,
  { timeoutMs, signal, channelOptions = {} }: FirstContactOptions,
): Promise<FleetCaCertificate> {
  // A pool of its own, so that no later call uses this connection.
  const options = { ...channelOptions, "grpc.use_local_subchannel_pool": 1 };
  const client = createRpcClient(enrolPb.EnrolService, address, unverifiedCredentials(), options);
  try {
    const call = signal === undefined ? { timeoutMs } : { timeoutMs, signal };
    const { caCertificateDer } = await client.unary("getFleetCa", {}, call);
    return caCertificateOf(caCertificateDer, wantedFingerprint);
  } finally {
    client.close();
  }
}

function caCertificateOf(certificateDer: Uint8Array, wantedFingerprint: string): FleetCaCertificate {
  const gotFingerprint = `sha256:${createHash("sha256").update(certificateDer).digest("hex")}`;
  if (gotFingerprint !== wantedFingerprint) {
    const got = certificateDer.length === 0 ? "no certificate" : gotFingerprint;
    throw new FirstContactError("ca-mismatch", `got ${got}, want ${wantedFingerprint}`);
  }
  const certificate = certificateOf(certificateDer);
  if (!certificate?.ca) {
    throw new FirstContactError("not-a-ca", `${wantedFingerprint} is not a certificate of a CA`);
  }
  return { certificateDer, certificatePem: certificate.toString() };
}

function certificateOf(der: Uint8Array): X509Certificate | undefined {
  try {
    return new X509Certificate(der);
  } catch {
    // Node gives no reason beyond "not a certificate".
    return undefined;
  }
}
