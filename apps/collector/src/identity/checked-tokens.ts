/**
 * Access tokens as callers show them. An unknown one counts as a guess of its source, and a source with too many
 * guesses must wait.
 */
import type { Clock } from "@lifeline/measure";
import type { Caller, Connection } from "@lifeline/rpc";
import { peerSource } from "../streams/peer-address.ts";
import { type AccessTokens, type TokenPrincipal, tokenDigest } from "./access-tokens.ts";
import { createAttemptLimit } from "./attempt-limit.ts";

/** Checks the tokens of callers. */
export class CheckedTokens {
  readonly #tokens: AccessTokens;
  readonly #guesses: ReturnType<typeof createAttemptLimit>;
  /** The digest of the token that a connection has proven. */
  readonly #proven = new WeakMap<Connection, string>();

  constructor(tokens: AccessTokens, clock: Clock) {
    this.#tokens = tokens;
    this.#guesses = createAttemptLimit(clock);
  }

  /**
   * The holder of a token. A token that its connection has proven before is no guess, so a person who is connected
   * works on while another caller guesses from the same source. No other token is looked up for a source that must
   * wait, or guessing could go on.
   */
  principalOf(
    token: string,
    { connection, peer }: Pick<Caller, "connection" | "peer">,
  ): TokenPrincipal | "bad-token" | "too-many-guesses" {
    const source = peerSource(peer);
    const isProven = connection !== undefined && this.#proven.get(connection) === tokenDigest(token);
    if (!isProven && !this.#guesses.take(source)) return "too-many-guesses";
    const principal = this.#tokens.principalOf(token);
    if (principal === undefined) {
      if (isProven) this.#proven.delete(connection);
      return "bad-token";
    }
    if (isProven) return principal;
    this.#guesses.giveBack(source);
    if (connection !== undefined) this.#proven.set(connection, tokenDigest(token));
    return principal;
  }
}
