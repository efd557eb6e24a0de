/** The certificate of the stand-in's TLS listeners, made at start and kept only in memory. */
import type { Clock } from "@lifeline/measure";
import { createRoot, issueLeaf, newKeys } from "./services/lab-cas.ts";

/** What a TLS listener of the stand-in presents. */
export interface StandInCertificate {
  /** The root's certificate: what a client must trust. Public. */
  readonly caPem: string;
  /** Leaf first, then the root, so that a captured chain shows both. */
  readonly chainPem: string;
  /** The leaf's private key, PKCS #8. For the listeners of this process only. */
  readonly keyPem: string;
}

/**
 * Every lab's root has this name. Clients recognise another lab's root by its key identifier, so it is untrusted and
 * not a forgery.
 */
const ROOT_NAME = "CN=Lifeline lab CA (stand-in\\, not Omni),O=Lifeline lab";

/** Names every leaf is valid for, in addition to the requested names. */
const LOOPBACK_NAMES = ["127.0.0.1", "::1", "localhost"] as const;

/** Makes a root and a leaf valid for loopback and `names` (IP literals or DNS names). The root's key is dropped. */
export async function createStandInCertificate(clock: Clock, names: readonly string[]): Promise<StandInCertificate> {
  const root = await createRoot(clock, ROOT_NAME);
  const allNames = [...new Set([...LOOPBACK_NAMES, ...names])];
  const leaf = await issueLeaf(clock, { issuer: root, names: allNames, validity: "current" }, newKeys("ec"));
  return { caPem: root.chainPem, chainPem: `${leaf.certPem}${leaf.restPem}`, keyPem: leaf.keyPem };
}
