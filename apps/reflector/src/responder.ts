/** What a Session-Reflector answers to one datagram (RFC 8762 §4.3), or why it does not answer. */
import { type Clock, KeyedTokenBuckets, type RateLimit, TokenBucket } from "@lifeline/measure";
import {
  addNs,
  decodeSender,
  encodeReflected,
  looksLikeWireGuard,
  type MalformedReason,
  ntpFromWallMs,
  paddedLike,
  reflect,
  TTL_UNKNOWN,
} from "@lifeline/stamp";
import { SessionTable } from "./session-table.ts";
import { type RefusedPort, refusedPort } from "./source-port.ts";

/**
 * Most source addresses that are remembered (S2). A fleet of ten thousand nodes, few of them behind one address, fits.
 */
const LIMITED_SOURCES_MAX = 16_384;

/** Why a datagram is not answered, by the name of its counter. */
export type Unanswered = "malformed" | "unauthentic" | "replies" | "wireguard" | "limited" | "overloaded" | RefusedPort;

/** The counter of each reason for which a datagram is no request. */
const COUNTERS = {
  short: "malformed",
  "error-estimate": "malformed",
  "timestamp-format": "malformed",
  unauthentic: "unauthentic",
  reply: "replies",
} as const satisfies Record<MalformedReason, Unanswered>;

/** Where a datagram came from. */
export interface Source {
  readonly address: string;
  readonly port: number;
}

/** What a responder is made from. */
export interface ResponderOptions {
  readonly clock: Clock;
  /** Given: only requests with this key's HMAC are answered. Never logged (S1). */
  readonly key: Uint8Array | undefined;
  /** UDP port on which the reflector listens. */
  readonly ownPort: number;
  readonly maxPerSourcePerSecond: number;
  readonly maxPerSecond: number;
  /** Default {@link SESSIONS_MAX}. */
  readonly maxSessions: number | undefined;
}

/** Answers datagrams within the limits of their source and of all sources together. */
export class Responder {
  readonly #options: ResponderOptions;
  readonly #perSource: KeyedTokenBuckets;
  readonly #total: TokenBucket;
  readonly #sessions: SessionTable;

  constructor(options: ResponderOptions) {
    const { clock, maxPerSourcePerSecond, maxPerSecond, maxSessions } = options;
    this.#options = options;
    this.#perSource = new KeyedTokenBuckets(rateOf(maxPerSourcePerSecond), LIMITED_SOURCES_MAX);
    this.#total = new TokenBucket(rateOf(maxPerSecond), clock.monotonicNs());
    this.#sessions = new SessionTable(maxSessions);
  }

  /** What the tables hold and have dropped; the names are those of the reflector's stats. */
  stats(): { readonly stateless: number; readonly sessions: number; readonly sourceEvictions: number } {
    const { stateless, size } = this.#sessions;
    return { stateless, sessions: size, sourceEvictions: this.#perSource.evictions };
  }

  /** The reply to a datagram, or the counter that says why there is none. */
  answer(bytes: Uint8Array, from: Source): Uint8Array | Unanswered {
    const { clock, key, ownPort } = this.#options;
    const receivedNs = clock.monotonicNs();
    if (looksLikeWireGuard(bytes)) return "wireguard";
    const refused = refusedPort(from.port, ownPort);
    if (refused !== undefined) return refused;
    // Before the HMAC is computed: the limit bounds what a flood costs.
    const excess = this.#excess(from.address, receivedNs);
    if (excess !== undefined) return excess;
    const request = decodeSender(bytes, key);
    if (request.kind === "malformed") return COUNTERS[request.reason];
    // A reply begins with its sequence number, which a firewall must not take for WireGuard: ours never looks so, and a
    // sender's was checked.
    const sequence = this.#sessions.nextSequence(`${from.address} ${from.port}`, receivedNs) ?? request.packet.sequence;
    const receivedAt = ntpFromWallMs(clock.wallMs());
    const sentAt = addNs(receivedAt, clock.monotonicNs() - receivedNs);
    return paddedLike(encodeReflected(reflect(request.packet, receivedAt, sentAt, TTL_UNKNOWN, sequence), key), bytes);
  }

  /**
   * The limit that a request exceeds. The source's own comes first, so that a flood from one source does not use up
   * what is for all.
   */
  #excess(address: string, nowNs: number): "limited" | "overloaded" | undefined {
    if (!this.#perSource.take(address, nowNs)) return "limited";
    return this.#total.take(nowNs) === 0 ? undefined : "overloaded";
  }
}

/** A second's requests may come at once. */
function rateOf(perSecond: number): RateLimit {
  return { capacity: perSecond, perSecond };
}
