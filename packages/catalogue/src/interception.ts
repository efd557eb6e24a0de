/** What is known of certificate issuers: whom public hosts are expected to be certified by, and who intercepts (C1: data). */

/** Hosts, and the organisations that certify them. */
export interface ExpectedIssuers {
  /** Host names, or wildcards as the catalogue writes them. */
  readonly hosts: readonly string[];
  /** Organisations (O=) or common names of issuers, compared without case as whole attribute values. */
  readonly issuers: readonly string[];
}

/** A product that puts its own certificate in place of a server's. */
export interface InterceptionVendor {
  readonly name: string;
  /** Words that its certificates carry in subject or issuer; compared without case, as parts. */
  readonly marks: readonly string[];
}

/** Both lists. */
export interface InterceptionKnowledge {
  readonly expected: readonly ExpectedIssuers[];
  readonly vendors: readonly InterceptionVendor[];
}
