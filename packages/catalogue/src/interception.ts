/** Signs of TLS interception, as data (C1): expected issuers of public hosts, and marks of interception products. */
import * as v from "valibot";
import { isHost, isWildcard } from "./endpoint.ts";
import { listOf, record, text, textThat } from "./field.ts";
import { parsed } from "./parsed.ts";

/** Hosts and the issuers of their certificates. */
export interface ExpectedIssuers {
  /** Host names, or wildcards as the catalogue writes them. */
  readonly hosts: readonly string[];
  /** Organisations (O=) or common names of issuers. Compared as whole attribute values, ignoring case. */
  readonly issuers: readonly string[];
}

/** A product that replaces a server's certificate with its own. */
export interface InterceptionVendor {
  readonly name: string;
  /** Texts in subject or issuer of its certificates. Compared as substrings, ignoring case. */
  readonly marks: readonly string[];
}

/** Signs that TLS is intercepted: an unexpected issuer, or the mark of a vendor. */
export interface InterceptionSigns {
  readonly expected: readonly ExpectedIssuers[];
  readonly vendors: readonly InterceptionVendor[];
}

const hostPattern = textThat(
  (value) => isHost(value) || isWildcard(value),
  "a host name, or a wildcard such as *.example.com",
);

const issuersSchema = record({
  schema: v.literal(1, "1, the version of this file format"),
  expected: listOf(record({ hosts: listOf(hostPattern, "hosts", 1), issuers: listOf(text, "issuers", 1) }), "lists", 1),
  vendors: listOf(record({ name: text, marks: listOf(text, "marks", 1) }), "vendors", 1),
});

/** Reads the signs from YAML text. @throws CatalogueError with every problem of the file. */
export function parseInterception(file: string, yaml: string): InterceptionSigns {
  const { expected, vendors } = parsed(issuersSchema, file, yaml);
  return { expected, vendors };
}
