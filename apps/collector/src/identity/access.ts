/**
 * Who may call what.
 *
 * 1. A node speaks only for itself: its id is the name of its certificate, under the key the id was enrolled with (S1).
 * 2. The role of a person, a program or a witness comes from a certificate's organisation or from a token, and from
 *    nothing else.
 * 3. A certificate is good until its end and no longer, on open connections too.
 * 4. Unknown tokens are counted by source. A source with too many must wait, and none of its tokens is looked up until
 *    then.
 * 5. On a listener without TLS and without tokens every caller may do everything. It listens on loopback, or the
 *    configuration allows it elsewhere (allowPlaintext).
 */
import { ROLE_ORGANISATIONS, type Role } from "@lifeline/identity";
import type { Clock } from "@lifeline/measure";
import {
  type Admit,
  type Caller,
  type ClientCertificate,
  RpcError,
  RpcStatus,
  type RpcStatusCode,
} from "@lifeline/rpc";
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
type RefusedCall =
  | "no-credential"
  | "bad-certificate"
  | "bad-token"
  | "too-many-guesses"
  | "wrong-role"
  | "no-node-id"
  | "revoked"
  | "another-key";

interface AccessParts {
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

const { UNAUTHENTICATED, PERMISSION_DENIED } = RpcStatus;

const ROLES = Object.keys(ROLE_ORGANISATIONS) as Role[];

/** The checks of each kind of call. Each throws an RpcError for a caller that may not. */
export class Access {
  readonly #parts: AccessParts;
  readonly #checked: CheckedTokens;
  /** Whether callers must show a certificate or a token. */
  readonly isGuarded: boolean;
  /** A reader or an admin. */
  readonly reader = this.#admitRole("reader");
  readonly admin = this.#admitRole("admin");
  readonly witness = this.#admitRole("witness");

  constructor(parts: AccessParts) {
    this.#parts = parts;
    this.#checked = new CheckedTokens(parts.tokens, parts.clock);
    this.isGuarded = parts.isSecure || !parts.tokens.isEmpty;
  }

  /** The principal of a node's stream. */
  readonly node: Admit<StreamPrincipal> = async ({ connection, peer }) => {
    if (!this.#parts.isSecure) return { kind: "unauthenticated" };
    const want = "a node's, issued by this collector's CA";
    const certificate = this.#trusted(connection?.certificate, want);
    const { commonName: nodeId, keySha256, notAfterMs } = certificate;
    const role = roleOfCertificate(certificate);
    if (role !== undefined) {
      this.#refuse("wrong-role", PERMISSION_DENIED, `certificate: got one of the role ${role}, want ${want}`);
    }
    if (!isNodeId(nodeId)) {
      const got = `certificate: got the common name ${quoted(nodeId)}`;
      this.#refuse("no-node-id", PERMISSION_DENIED, `${got}, want a node id, ${NODE_ID_WANTED}`);
    }
    this.#requireGood(await this.#parts.registry.statusOf(certificate, peer), nodeId);
    return { kind: "node", nodeId, keySha256, notAfterMs };
  };

  /**
   * Throws for a principal that was revoked since {@link node} began to decide. Call it right before the stream is
   * registered.
   */
  mayStill(principal: StreamPrincipal): void {
    if (principal.kind !== "node") return;
    const { nodeId, keySha256 } = principal;
    this.#requireGood(this.#parts.registry.statusNow(nodeId, keySha256), nodeId);
  }

  #admitRole(role: Role): Admit<void> {
    return (caller) => {
      if (!this.isGuarded) return;
      const sufficient = SUFFICES[role];
      const wanted = sufficient.join(" or ");
      const found = this.#roleOf(caller, `a token or a certificate of the role ${wanted}`);
      if (sufficient.some((each) => each === found)) return;
      this.#refuse("wrong-role", PERMISSION_DENIED, `role: got ${found}, want ${wanted}`);
    };
  }

  #roleOf(caller: Caller, want: string): Role | "node" {
    const { bearerToken, connection } = caller;
    if (bearerToken !== undefined) return this.#principalBy(bearerToken, caller, want).role;
    const certificate = this.#trusted(connection?.certificate, want);
    if (this.#parts.registry.isRevoked(certificate.keySha256)) {
      this.#refuse("revoked", PERMISSION_DENIED, "certificate: revoked");
    }
    return roleOfCertificate(certificate) ?? "node";
  }

  #principalBy(token: string, caller: Caller, want: string): TokenPrincipal {
    const found = this.#checked.principalOf(token, caller);
    if (found === "bad-token") this.#refuse(found, UNAUTHENTICATED, `token: unknown or revoked; want ${want}`);
    if (found === "too-many-guesses") this.#refuse(found, RpcStatus.RESOURCE_EXHAUSTED, TOO_MANY_GUESSES);
    caller.connection?.authenticate(`token ${found.role} ${found.name}`);
    return found;
  }

  #trusted(certificate: ClientCertificate | undefined, want: string): ClientCertificate {
    if (certificate === undefined) {
      return this.#refuse("no-credential", UNAUTHENTICATED, `certificate: got none, want ${want}`);
    }
    // OpenSSL checked it when the connection began.
    const hasEnded = certificate.notAfterMs <= this.#parts.clock.wallMs();
    const problem = certificate.problem ?? (hasEnded ? "CERT_HAS_EXPIRED" : undefined);
    if (problem === undefined) return certificate;
    const got = `certificate: got one that is not trusted (${problem})`;
    return this.#refuse("bad-certificate", UNAUTHENTICATED, `${got}, want ${want}`);
  }

  #requireGood(status: KeyStatus, nodeId: string): void {
    if (status === "revoked") {
      this.#refuse(status, PERMISSION_DENIED, "certificate: revoked; an administrator can readmit the node");
    }
    if (status === "another-key") {
      const message = `certificate: another key holds the node id ${JSON.stringify(nodeId)}`;
      this.#refuse(status, PERMISSION_DENIED, message);
    }
  }

  #refuse(why: RefusedCall, status: RpcStatusCode, message: string): never {
    this.#parts.onRefused(why);
    throw new RpcError(status, message);
  }
}

function roleOfCertificate({ organisations }: ClientCertificate): Role | undefined {
  return ROLES.find((role) => organisations.includes(ROLE_ORGANISATIONS[role]));
}
