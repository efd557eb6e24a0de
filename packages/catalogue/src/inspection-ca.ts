/** The CAs by which the site says that it inspects TLS. */
import { X509Certificate } from "node:crypto";
import { certificatesOf } from "@lifeline/measure";
import { caOf, type ReadPem } from "./deployment-ca.ts";
import { MAX_PEM_CHARS, type WrittenCa } from "./deployment-schema.ts";
import { CatalogueError } from "./error.ts";

/** A CA by which the site inspects TLS on purpose. */
export interface InspectionCa {
  /** SHA-256 of its certificate (DER), lower-case hexadecimal. */
  readonly sha256: string;
  /** Its name, such as `O=Site, CN=Site Inspection`. Undefined: only its SHA-256 was declared. */
  readonly subject: string | undefined;
  /** Its certificate. Undefined: only nodes that trust it anyway reach inspected hosts. */
  readonly caPem: string | undefined;
}

/** One entry as written: exactly one of the three. */
type WrittenInspection = WrittenCa & { readonly caSha256?: string };

/**
 * The declared CAs, one for each certificate. Throws CatalogueError for a file that cannot be read, for a certificate
 * that is no CA's, and for more text than a plan carries.
 */
export function inspectionCas(
  file: string,
  written: readonly WrittenInspection[],
  readPem: ReadPem,
): readonly InspectionCa[] {
  const found = written.flatMap((entry, index) => {
    if (entry.caSha256 !== undefined) return [{ sha256: entry.caSha256, subject: undefined, caPem: undefined }];
    const field = `egress.tlsInspection[${index}]`;
    return certificatesOf(caOf(file, field, entry, readPem) ?? "").map((pem) => inspectionCa(file, field, entry, pem));
  });
  const chars = found.reduce((sum, { caPem = "" }) => sum + caPem.length + 1, 0);
  if (chars > MAX_PEM_CHARS)
    refuse(file, "egress.tlsInspection", `${chars} characters`, "CAs of at most 64 KiB in all");
  return found;
}

function inspectionCa(file: string, field: string, { caFile }: WrittenInspection, pem: string): InspectionCa {
  const { ca, subject: lines, fingerprint256 } = new X509Certificate(pem);
  // Node prints one attribute a line.
  const subject = lines.replaceAll("\n", ", ");
  if (!ca) {
    const name = JSON.stringify(subject);
    const value = caFile === undefined ? name : `${JSON.stringify(caFile)} with ${name}`;
    const path = `${field}.${caFile === undefined ? "caPem" : "caFile"}`;
    refuse(
      file,
      path,
      value,
      "certificates of CAs alone (basicConstraints CA:TRUE): the CA that signs what clients see",
    );
  }
  return { sha256: fingerprint256.replaceAll(":", "").toLowerCase(), subject, caPem: pem };
}

function refuse(file: string, path: string, value: string, expected: string): never {
  throw new CatalogueError([{ code: "bad-value", file, path, value, expected }]);
}
