/** What the store keeps of tokens and enrolments. Times are ms since the epoch; keys are SHA-256 of the SubjectPublicKeyInfo. */

/** A join token, without its secret. */
export interface JoinTokenRecord {
  /** 8 hexadecimal characters. */
  readonly id: string;
  readonly note: string;
  /** Shell-style pattern on node ids; empty: any. */
  readonly nodePattern: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly usesMax: number;
  readonly uses: number;
  readonly revokedAtMs: number | undefined;
}

/** A node that was given a certificate. */
export interface EnrolmentRecord {
  readonly nodeId: string;
  readonly key: Uint8Array;
  /** Empty: none of this collector's is known, as after a database was brought back. */
  readonly joinTokenId: string;
  readonly enrolledAtMs: number;
  readonly notAfterMs: number;
  readonly renewals: number;
  readonly revokedAtMs: number | undefined;
  /** The id is free for one new key. */
  readonly isOpen: boolean;
  readonly refusedClaims: number;
  readonly lastRefusedClaimAtMs: number | undefined;
  /** Address; empty: there was none. */
  readonly lastRefusedClaimFrom: string;
}

/** Why a key is not given a certificate. */
export type EnrolRefusal =
  | "unknown-token"
  | "token-expired"
  | "token-revoked"
  | "token-used-up"
  | "node-revoked"
  | "key-revoked"
  | "another-key"
  | "too-many-enrolments";

/** A key that asks for a node id with a token. */
export interface EnrolClaim {
  readonly tokenId: string;
  readonly secretSha256: Uint8Array;
  readonly nodeId: string;
  readonly key: Uint8Array;
  readonly nowMs: number;
  /** End of the certificate it would get. */
  readonly notAfterMs: number;
  /** Where it asks from. */
  readonly from: string;
}

/** What became of a claim, durable. */
export type EnrolOutcome =
  | {
      readonly kind: "enrolled";
      readonly enrolment: EnrolmentRecord;
      /** The key that held the id before. */
      readonly replacedKey: Uint8Array | undefined;
    }
  | { readonly kind: "refused"; readonly why: EnrolRefusal };

/** A certificate that is renewed under its key. */
export interface RenewClaim {
  readonly nodeId: string;
  readonly key: Uint8Array;
  readonly nowMs: number;
  readonly notAfterMs: number;
  /** An enrolment whose last certificate ended before this has lapsed. */
  readonly lapsedBeforeMs: number;
}

/** Why a certificate is not renewed. */
export type RenewRefusal = "not-enrolled" | "node-revoked" | "key-revoked" | "another-key" | "lapsed";

/** Every operation on tokens and enrolments. */
export interface IdentityOperations {
  /** `too-many`: as many live tokens as there may be. Forgets those that ended long ago. */
  createJoinToken: {
    input: { readonly token: JoinTokenRecord; readonly secretSha256: Uint8Array };
    output: "created" | "too-many";
  };
  readJoinToken: { input: { readonly id: string }; output: JoinTokenRecord | undefined };
  listJoinTokens: { input: { readonly limit: number }; output: readonly JoinTokenRecord[] };
  /** Undefined: there is no such token. One that was revoked stays as it was. */
  revokeJoinToken: { input: { readonly id: string; readonly nowMs: number }; output: JoinTokenRecord | undefined };
  enrol: { input: EnrolClaim; output: EnrolOutcome };
  renew: { input: RenewClaim; output: "renewed" | RenewRefusal };
  /** Keeps the key of a node whose certificate is good and of which nothing is known. A key that is known stays. */
  adopt: {
    input: { readonly nodeId: string; readonly key: Uint8Array; readonly nowMs: number; readonly notAfterMs: number };
    output: undefined;
  };
  /** Counts claims of other keys to a node id. */
  countRefusedClaims: {
    input: { readonly nodeId: string; readonly claims: number; readonly nowMs: number; readonly from: string };
    output: undefined;
  };
  /** Undefined: no node of that name was ever enrolled. */
  revokeNode: { input: { readonly nodeId: string; readonly nowMs: number }; output: EnrolmentRecord | undefined };
  readmitNode: { input: { readonly nodeId: string }; output: EnrolmentRecord | undefined };
  /** In order of node ids, those after one. */
  listEnrolments: {
    input: { readonly nodeId: string; readonly after: string; readonly limit: number };
    output: readonly EnrolmentRecord[];
  };
  listRevokedKeys: { input: { readonly limit: number }; output: readonly Uint8Array[] };
}
