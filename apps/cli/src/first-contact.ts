/** A collector whose authority is known by its fingerprint: seeing the certificate before anything is said. */
import { FirstContactError, fetchFleetCa } from "@lifeline/rpc";
import { CliError } from "./cli-error.ts";
import { type CollectorAddress, channelOptionsOf } from "./collector-address.ts";

/**
 * The same collector with its authority seen; one that names none, or has been seen, is given back. What has the fingerprint can be
 * no other, so once is enough for a whole run. Rejects with an RpcError when there is nothing to see, with a CliError `usage` for a
 * fingerprint that is none, `distrusted` when another authority was shown.
 */
export async function seen(
  address: CollectorAddress,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<CollectorAddress> {
  const { name, security } = address;
  if (security.kind === "plaintext" || security.trust.kind !== "named") return address;
  const { source, fingerprint: text } = security.trust;
  const wanted = await fingerprintOf(source, text);
  const options = { timeoutMs, channelOptions: channelOptionsOf(address) };
  try {
    const authority = await fetchFleetCa(name, wanted, signal === undefined ? options : { ...options, signal });
    const trust = { kind: "seen", source, caPem: authority.certificatePem } as const;
    return { ...address, security: { ...security, trust } };
  } catch (error) {
    throw error instanceof FirstContactError ? distrust(name, source, error) : error;
  }
}

async function fingerprintOf(source: string, text: string): Promise<string> {
  // Loaded when it is asked for: with it comes a library for certificates, as much again as all the rest.
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
        `the collector at ${name} shows another authority than ${source} names: ${message}\nno token and no certificate was sent; either the fingerprint is not this collector's, or something else answers there`,
      );
    case "not-a-ca":
      return new CliError("distrusted", `${source}: ${message}; want that of the collector's authority`);
  }
}
