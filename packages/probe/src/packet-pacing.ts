/**
 * Manners towards time servers, over all targets of this process.
 *
 * 1. Packets to one server are 2 s apart at least and 8 s on average. From there on ntpd counts a client as abusive
 *    (ntp.conf, `discard minimum` and `discard average`).
 * 2. A server that answers RATE is asked less often each time, until it answers as it should (RFC 5905 §7.4).
 */
import { KeyedTokenBuckets, NS_PER_MS, RecentMap } from "@lifeline/measure";

/** Least time between two packets to one server, ms. */
const GAP_MS = 2_000;

/** Packets that may follow each other at the gap, and then one in 8 s: ntpd's own burst is of 8. */
const LIMIT = { capacity: 8, perSecond: 1 / 8 };

/** Most servers that are remembered (S2): 16 of the deployment with 8 addresses each. */
const SERVERS_MAX = 128;

/** Longest wait for a turn, ms: two packets that are due at once wait, a crowd does not pile up. */
const WAIT_MAX_MS = 2 * GAP_MS;

/** First pause after RATE, ms: twice NTP's usual first polling interval (RFC 5905 §7.3, 2^6 s). */
const RATE_PAUSE_MS = 128_000;

/** Longest pause, ms: NTP's longest poll interval, 2^17 s (RFC 5905 §7.2, MAXPOLL). */
const PAUSE_MAX_MS = 2 ** 17 * 1_000;

interface Manners {
  /** Monotonic time from which the next packet may leave, ns. */
  readonly freeNs: number;
  /** The latest pause after RATE, ms; 0: none since the last good answer. */
  readonly pauseMs: number;
}

/** When packets may leave, by server: its address and port. */
export class PacketPacing {
  readonly #buckets = new KeyedTokenBuckets(LIMIT, SERVERS_MAX);
  readonly #servers = new RecentMap<Manners>(SERVERS_MAX);

  /**
   * Reserves the next turn at `server`. Returns the time to wait for it, ms. Undefined: the turn would come
   * too late or break the average, and none is reserved.
   */
  reserve(server: string, nowNs: number): number | undefined {
    const turnNs = Math.max(nowNs, this.#mannersOf(server).freeNs);
    const waitMs = Math.ceil((turnNs - nowNs) / NS_PER_MS);
    if (waitMs > WAIT_MAX_MS || !this.#buckets.take(server, nowNs)) return undefined;
    this.#remember(server, { freeNs: nowNs + (waitMs + GAP_MS) * NS_PER_MS });
    return waitMs;
  }

  /** The pause after a RATE of `server`, ms: longer each time, and at least `leastMs`. */
  pauseAfterRate(server: string, leastMs: number): number {
    const pauseMs = Math.min(PAUSE_MAX_MS, Math.max(RATE_PAUSE_MS, leastMs, 2 * this.#mannersOf(server).pauseMs));
    this.#remember(server, { pauseMs });
    return pauseMs;
  }

  /** Notes that `server` answered as it should. */
  answered(server: string): void {
    this.#remember(server, { pauseMs: 0 });
  }

  #mannersOf(server: string): Manners {
    return this.#servers.get(server) ?? { freeNs: 0, pauseMs: 0 };
  }

  #remember(server: string, changes: Partial<Manners>): void {
    this.#servers.set(server, { ...this.#mannersOf(server), ...changes });
  }
}
