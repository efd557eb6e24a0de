/** From the code of c-ares to a {@link Reason}, by one table. */
import type { Reason } from "@lifeline/measure";

/** Codes of `node:dns` (c-ares `ares.h`, Node's documentation of dns error codes). */
const RESOLVER_CODES: Readonly<Record<string, Reason>> = {
  ENODATA: "dns-nodata",
  ENOTFOUND: "dns-nxdomain",
  ESERVFAIL: "dns-servfail",
  // FORMERR and NOTIMP: the resolver answered that it cannot serve the query.
  EFORMERR: "dns-servfail",
  ENOTIMP: "dns-servfail",
  EREFUSED: "dns-refused",
  ETIMEOUT: "dns-timeout",
  ECONNREFUSED: "dns-unreachable",
  // No resolver is configured, or the resolver's configuration cannot be read.
  ENOTINITIALIZED: "dns-unreachable",
  EFILE: "dns-unreachable",
  EBADRESP: "dns-malformed",
  EBADQUERY: "dns-malformed",
  EBADFAMILY: "dns-malformed",
  // A name that breaks RFC 1035 §2.3.4. No plan has one, c-ares sends no query for it, and no resolver is to blame.
  EBADNAME: "agent-resource",
  EBADSTR: "agent-resource",
  ENOMEM: "agent-resource",
  ECANCELLED: "agent-resource",
  EDESTRUCTION: "agent-resource",
};

/** The reason for a c-ares code; one that is not in the table is `agent-resource`. */
export function reasonOfResolverCode(code: string): Reason {
  return (Object.hasOwn(RESOLVER_CODES, code) ? RESOLVER_CODES[code] : undefined) ?? "agent-resource";
}
