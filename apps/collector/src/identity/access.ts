/**
 * Who may call what.
 *
 * 1. A node speaks only for itself: its id is the name of its certificate, under the key the id was enrolled with (S1).
 * 2. The role of a person, a program or a witness comes from a certificate's organisation or from a token, and from nothing else.
 * 3. A certificate is good until its end and no longer, on open connections too.
 * 4. Unknown tokens are counted by source. A source with too many must wait, and none of its tokens is looked up until then.
 * 5. On a listener without TLS and without tokens every caller may do everything. It listens on loopback, or the configuration
 *    allows it elsewhere (allowPlaintext).
 */
import { ROLE_ORGANISATIONS, type Role } from "@lifeline/identity";
import type { Clock } from "@lifeline/measure";
import { type Admit, type Caller, type ClientCertificate, RpcError, RpcStatus } from "@lifeline/rpc";
import { isNodeId, NODE_ID_WANTED } from "@lifeline/wire";
import { quoted } from "../streams/call-refusal.ts";
import type { AccessTokens, TokenPrincipal } from "./access-tokens.ts";
import { ATTEMPT_EVERY_MS } from "./attempt-limit.ts";
import { CheckedTokens } from "./checked-tokens.ts";
import type { KeyStatus, Registry } from "./registry.ts";

/** On whose behalf a stream is open. */
export type StreamPrincipal =
  /** Any node: the listener has no TLS, and the Hello names the node. */
  | { readonly kind: "unauthenticated" }
  | { readonly kind: "node"; readonly nodeId: string; readonly keySha256: string; readonly notAfterMs: number };

/** Why a call was refused. */
export type RefusedCall =
  | "no-credential"
  | "bad-certificate"
  | "bad-token"
  | "too-many-guesses"
  | "wrong-role"
  | "no-node-id"
  | "revoked"
  | "another-key";

/** The checks of each kind of call. */
export interface Access {
  /** Whether callers must show a certificate or a token. */
  readonly isGuarded: boolean;
  /** A reader or an admin. */
  readonly reader: Admit<void>;
  readonly admin: Admit<void>;
  readonly witness: Admit<void>;
  /** The principal of a node's stream. */
  readonly node: Admit<StreamPrincipal>;
  /** Throws for a principal that was revoked since {@link node} began to decide. To be called right before the stream is registered, without a wait. */
  mayStill(principal: StreamPrincipal): void;
}

/** What the checks need. */
export interface AccessParts {
  /** Whether the listener speaks TLS. */
  readonly isSecure: boolean;
  readonly tokens: AccessTokens;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly onRefused: (why: RefusedCall) => void;
}

/** Which roles suffice. */
const SUFFICES: Readonly<Record<Role, readonly Role[]>> = {
  reader: ["reader", "admin"],
  admin: ["admin"],
  witness: ["witness"],
};

const TOO_MANY_GUESSES = `token: too many unknown ones from this address; try again in ${ATTEMPT_EVERY_MS / 1_000} s`;

export function createAccess({ isSecure, tokens, registry, clock, onRefused }: AccessParts): Access {
  const isGuarded = isSecure || !tokens.isEmpty;
  const refuse = (why: RefusedCall, status: (typeof RpcStatus)[keyof typeof RpcStatus], message: string): never => {
    onRefused(why);
    throw new RpcError(status, message);
  };
  const { UNAUTHENTICATED, PERMISSION_DENIED, RESOURCE_EXHAUSTED } = RpcStatus;
  const trusted = (certificate: ClientCertificate | undefined, want: string): ClientCertificate => {
    if (certificate === undefined) {
      return refuse("no-credential", UNAUTHENTICATED, `certificate: got none, want ${want}`);
    }
    // OpenSSL checked it when the connection began.
    const problem = certificate.problem ?? (certificate.notAfterMs <= clock.wallMs() ? "CERT_HAS_EXPIRED" : undefined);
    if (problem === undefined) return certificate;
    return refuse(
      "bad-certificate",
      UNAUTHENTICATED,
      `certificate: got one that is not trusted (${problem}), want ${want}`,
    );
  };
  const requireGood = (status: KeyStatus, nodeId: string): void => {
    switch (status) {
      case "good":
        return;
      case "revoked":
        refuse("revoked", PERMISSION_DENIED, "certificate: revoked; an administrator can readmit the node");
        return;
      case "another-key":
        refuse(
          "another-key",
          PERMISSION_DENIED,
          `certificate: another key holds the node id ${JSON.stringify(nodeId)}`,
        );
        return;
    }
  };
  const checked = new CheckedTokens(tokens, clock);
  const principalBy = (token: string, caller: Caller, want: string): TokenPrincipal => {
    const found = checked.principalOf(token, caller);
    if (found === "bad-token") return refuse(found, UNAUTHENTICATED, `token: unknown or revoked; want ${want}`);
    if (found === "too-many-guesses") return refuse(found, RESOURCE_EXHAUSTED, TOO_MANY_GUESSES);
    caller.connection?.authenticate(`token ${found.role} ${found.name}`);
    return found;
  };
  const roleOf = (caller: Caller, want: string): Role | "node" => {
    const { bearerToken, connection } = caller;
    if (bearerToken !== undefined) return principalBy(bearerToken, caller, want).role;
    const { organisations, keySha256 } = trusted(connection?.certificate, want);
    if (registry.isRevoked(keySha256)) return refuse("revoked", PERMISSION_DENIED, "certificate: revoked");
    return ROLES.find((role) => organisations.includes(ROLE_ORGANISATIONS[role])) ?? "node";
  };
  const needs =
    (role: Role): Admit<void> =>
    (caller) => {
      if (!isGuarded) return;
      const want = `a token or a certificate of the role ${SUFFICES[role].join(" or ")}`;
      const found = roleOf(caller, want);
      if (SUFFICES[role].some((sufficient) => sufficient === found)) return;
      refuse("wrong-role", PERMISSION_DENIED, `role: got ${found}, want ${SUFFICES[role].join(" or ")}`);
    };
  return {
    isGuarded,
    reader: needs("reader"),
    admin: needs("admin"),
    witness: needs("witness"),
    async node({ connection, peer }) {
      if (!isSecure) return { kind: "unauthenticated" };
      const want = "a node's, issued by this collector's CA";
      const certificate = trusted(connection?.certificate, want);
      const { commonName: nodeId, keySha256, notAfterMs, organisations } = certificate;
      const role = ROLES.find((candidate) => organisations.includes(ROLE_ORGANISATIONS[candidate]));
      if (role !== undefined) {
        return refuse("wrong-role", PERMISSION_DENIED, `certificate: got one of the role ${role}, want ${want}`);
      }
      if (!isNodeId(nodeId)) {
        const got = `certificate: got the common name ${quoted(nodeId)}`;
        return refuse("no-node-id", PERMISSION_DENIED, `${got}, want a node id, ${NODE_ID_WANTED}`);
      }
      requireGood(await registry.statusOf(certificate, peer), nodeId);
      return { kind: "node", nodeId, keySha256, notAfterMs };
    },
    mayStill(principal) {
      if (principal.kind === "node")
        requireGood(registry.statusNow(principal.nodeId, principal.keySha256), principal.nodeId);
    },
  };
}

const ROLES = Object.keys(ROLE_ORGANISATIONS) as Role[];
