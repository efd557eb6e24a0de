/**
 * First contact with a collector whose fleet CA is given by its fingerprint: fetch the CA certificate before anything
 * else is sent.
 */
import { FirstContactError, fetchFleetCa } from "@lifeline/rpc";
import { CliError } from "../cli-error.ts";
import { type CollectorAddress, channelOptionsOf } from "./collector-address.ts";

/**
 * The same collector with the certificate of its fleet CA. Without a fingerprint, or with a certificate that was
 * fetched before, the address is returned unchanged; once is enough for a whole run. Rejects with an RpcError when the
 * collector sends no certificate, with a CliError `usage` for a malformed fingerprint, `distrusted` when the
 * certificate is not that of the fingerprint.
 */
export async function withFetchedCa(
  address: CollectorAddress,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<CollectorAddress> {
  const { name, security } = address;
  if (security.kind === "plaintext" || security.trust.kind !== "fingerprint") return address;
  const { source, fingerprint: text } = security.trust;
  const wanted = await fingerprintOf(source, text);
  const options = { timeoutMs, channelOptions: channelOptionsOf(address) };
  try {
    const fleetCa = await fetchFleetCa(name, wanted, signal === undefined ? options : { ...options, signal });
    const trust = { kind: "fleet-ca", source, caPem: fleetCa.certificatePem } as const;
    return { ...address, security: { ...security, trust } };
  } catch (error) {
    throw error instanceof FirstContactError ? distrust(name, source, error) : error;
  }
}

async function fingerprintOf(source: string, text: string): Promise<string> {
  // Loaded on demand: it brings a library for certificates, which doubles the start time.
  const { FINGERPRINT_WANTED, readFingerprint } = await import("@lifeline/identity");
  const fingerprint = readFingerprint(text);
  if (fingerprint !== undefined) return fingerprint;
  throw new CliError("usage", `${source}: got '${text}', want ${FINGERPRINT_WANTED}`);
}

function distrust(name: string, source: string, { code, message }: FirstContactError): CliError {
  switch (code) {
    case "ca-mismatch":
      return new CliError(
        "distrusted",
        `the collector at ${name} has another fleet CA than ${source}: ${message}\nno token and no certificate was sent\ncheck: the fingerprint in the collector's log, and that this is the collector's address`,
      );
    case "not-a-ca":
      return new CliError("distrusted", `${source}: ${message}; want the fingerprint of the fleet CA`);
  }
}
