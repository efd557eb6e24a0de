/**
 * What the store keeps of tokens and enrolments. Times are ms since the epoch; keys are SHA-256 of the
 * SubjectPublicKeyInfo.
 */

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
  /** The keys it admits give way: see {@link EnrolmentRecord.isEphemeral}. */
  readonly isEphemeral: boolean;
}

/** A node that was given a certificate. */
export interface EnrolmentRecord {
  readonly nodeId: string;
  /** Empty: none is known of an id that was revoked. */
  readonly key: Uint8Array;
  /** Empty: none of this collector's is known, as after a database was brought back. */
  readonly joinTokenId: string;
  readonly enrolledAtMs: number;
  readonly notAfterMs: number;
  readonly renewals: number;
  readonly revokedAtMs: number | undefined;
  /** The id is free for one new key. */
  readonly isOpen: boolean;
  /**
   * The row is of a copy, or made from a certificate alone: it may be older than what the fleet CA has issued since.
   */
  readonly isDated: boolean;
  /** The key enrolled with an ephemeral token. It gives way to another key with a token once the id is silent. */
  readonly isEphemeral: boolean;
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
  | "not-for-node"
  | "node-revoked"
  | "key-revoked"
  | "another-key"
  /** Another key holds it, and will give way later. */
  | "id-in-use"
  | "too-many-enrolments";

/** A key that claims a node id with a token. */
export interface EnrolClaim {
  readonly tokenId: string;
  readonly secretSha256: Uint8Array;
  readonly nodeId: string;
  readonly key: Uint8Array;
  readonly nowMs: number;
  /** End of the certificate it would get. */
  readonly notAfterMs: number;
  /** The address of its connection. */
  readonly from: string;
  /** Whether the id has no open stream, and had none a moment ago. */
  readonly isIdSilent: boolean;
  /** A key that enrolled since then counts as connected, because it is about to open a stream. */
  readonly silentSinceMs: number;
}

/** What became of a claim, durable. */
export type EnrolOutcome =
  | {
      readonly kind: "enrolled";
      readonly enrolment: EnrolmentRecord;
      /** The key that held the id before, which is refused for good. */
      readonly replacedKey: Uint8Array | undefined;
      /** An ephemeral key held it before, which is not: it may come again by a token, like any other. */
      readonly gaveWay: boolean;
    }
  | { readonly kind: "refused"; readonly why: EnrolRefusal };

/** A certificate that is renewed under its key. */
export interface RenewClaim {
  readonly nodeId: string;
  readonly key: Uint8Array;
  readonly nowMs: number;
  readonly notAfterMs: number;
  /** When the certificate that is shown was issued, and when it ends. */
  readonly issuedAtMs: number;
  readonly endsAtMs: number;
  /** An enrolment whose last certificate ended before this has lapsed. */
  readonly lapsedBeforeMs: number;
}

/** A node id by its certificate, which the fleet CA has signed. */
export interface AdoptClaim {
  readonly nodeId: string;
  readonly key: Uint8Array;
  readonly nowMs: number;
  readonly issuedAtMs: number;
  readonly notAfterMs: number;
  /** Whether the id follows its certificate's key: not where ids are pinned to keys. */
  readonly follows: boolean;
}

/** What was made of a certificate: the row as it is now, and the keys that are refused from now on. */
export interface Adopted {
  /** Undefined: there is no room for another node. */
  readonly enrolment: EnrolmentRecord | undefined;
  readonly replacedKey: Uint8Array | undefined;
}

/** What became of a certificate that was to be renewed, durable. */
export type RenewOutcome =
  | { readonly kind: "renewed"; readonly adopted: Adopted | undefined }
  | { readonly kind: "refused"; readonly why: RenewRefusal };

/** Why a certificate is not renewed. */
export type RenewRefusal = "too-many-enrolments" | "node-revoked" | "key-revoked" | "another-key" | "lapsed";

/** Every operation on tokens and enrolments. */
export interface IdentityOperations {
  /**
   * `too-many`: as many live tokens as there may be. Deletes the one that ended longest ago when its place is needed.
   */
  createJoinToken: {
    input: { readonly token: JoinTokenRecord; readonly secretSha256: Uint8Array };
    output: "created" | "too-many";
  };
  /** Deletes tokens that were made or revoked, and have ended, before then. Gives their number. */
  pruneJoinTokens: { input: { readonly endedBeforeMs: number }; output: number };
  listJoinTokens: { input: { readonly limit: number }; output: readonly JoinTokenRecord[] };
  /** Undefined: there is no such token. One that was revoked stays as it was. */
  revokeJoinToken: { input: { readonly id: string; readonly nowMs: number }; output: JoinTokenRecord | undefined };
  enrol: { input: EnrolClaim; output: EnrolOutcome };
  renew: { input: RenewClaim; output: RenewOutcome };
  /**
   * Keeps the key of a node whose certificate is good and of which nothing is known. A key that is known stays, unless
   * its row is dated and the certificate was issued after it.
   */
  adopt: { input: AdoptClaim; output: Adopted };
  /** Counts claims of other keys to a node id. */
  countRefusedClaims: {
    input: { readonly nodeId: string; readonly claims: number; readonly nowMs: number; readonly from: string };
    output: undefined;
  };
  /**
   * Refuses the id, also one of which nothing is known, and the keys: that of the row and `keys`. Undefined: there is
   * no room for the id.
   */
  revokeNode: {
    input: { readonly nodeId: string; readonly nowMs: number; readonly keys: readonly Uint8Array[] };
    output: EnrolmentRecord | undefined;
  };
  /** Undefined: no node of that name was ever enrolled or revoked. */
  readmitNode: { input: { readonly nodeId: string }; output: EnrolmentRecord | undefined };
  /** In order of node ids, those after one. */
  listEnrolments: {
    input: { readonly nodeId: string; readonly after: string; readonly limit: number };
    output: readonly EnrolmentRecord[];
  };
  /**
   * Deletes at most `limit` enrolments that are not revoked and whose last certificate was made and ended before then.
   * Gives their node ids.
   */
  pruneEnrolments: { input: { readonly endedBeforeMs: number; readonly limit: number }; output: readonly string[] };
  listRevokedKeys: { input: { readonly limit: number }; output: readonly Uint8Array[] };
}
