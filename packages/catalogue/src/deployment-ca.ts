/** The CA of an endpoint, as a deployment writes it. */
import { isPem, PEM_WANTED, type WrittenCa } from "./deployment-schema.ts";
import { CatalogueError } from "./error.ts";

/** Reads the certificate file that a `caFile` names, with the path as written. Throws CatalogueError if it cannot. */
export type ReadPem = (path: string, field: string) => string;

/** The PEM text of an owner's `caPem` or `caFile`. Undefined: it has neither. Throws CatalogueError if it is none. */
export function caOf(file: string, field: string, owner: WrittenCa, readPem: ReadPem): string | undefined {
  if (owner.caFile === undefined) return owner.caPem;
  const path = `${field}.caFile`;
  const text = readPem(owner.caFile, path);
  if (isPem(text)) return text;
  throw new CatalogueError([
    { code: "bad-value", file, path, value: JSON.stringify(owner.caFile), expected: `a file of ${PEM_WANTED}` },
  ]);
}
