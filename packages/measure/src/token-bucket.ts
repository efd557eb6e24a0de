/**
 * Token buckets: the only rate limiter of Lifeline. Time is the caller's monotonic clock (M2).
 *
 * 1. Within any `t` seconds {@link TokenBucket.take} takes at most `capacity + perSecond · t` tokens.
 * 2. {@link TokenBucket.spend} may leave a debt. Until it is repaid, {@link TokenBucket.waitMs} is more than 0 and
 *    {@link TokenBucket.take} takes nothing.
 * 3. No call allocates.
 *
 * Own code, because the libraries limiter 3.0 and rate-limiter-flexible 11.4 read their own clock and allow no debt.
 */

/** Tokens of a full bucket, and tokens added each second; both more than 0. */
export interface RateLimit {
  readonly capacity: number;
  readonly perSecond: number;
}

const NS_PER_S = 1e9;
const MS_PER_S = 1_000;

/** One bucket, full at first. */
export class TokenBucket {
  readonly #limit: RateLimit;
  #left: number;
  #atNs: number;

  /** `nowNs`: monotonic, as in every call. */
  constructor(limit: RateLimit, nowNs: number) {
    this.#limit = limit;
    this.#left = limit.capacity;
    this.#atNs = nowNs;
  }

  /** Tokens left; negative: a debt. `perSecond` replaces the limit's rate for the time since the last call. */
  left(nowNs: number, perSecond: number = this.#limit.perSecond): number {
    this.#left = Math.min(this.#limit.capacity, this.#left + (perSecond * (nowNs - this.#atNs)) / NS_PER_S);
    this.#atNs = nowNs;
    return this.#left;
  }

  /** Time until more than `above` tokens are left, whole ms; 0: now. `perSecond` as in {@link left}. */
  waitMs(nowNs: number, above = 0, perSecond: number = this.#limit.perSecond): number {
    const missing = above - this.left(nowNs, perSecond);
    return missing < 0 ? 0 : Math.floor((missing / perSecond) * MS_PER_S) + 1;
  }

  /** Takes tokens, even more than are left. A negative number puts tokens back, up to the capacity. */
  spend(tokens: number): void {
    this.#left -= tokens;
  }

  /** Takes one token and returns 0. Without a token it takes none and returns the time until there is one, ms. */
  take(nowNs: number): number {
    const left = this.left(nowNs);
    if (left < 1) return ((1 - left) / this.#limit.perSecond) * MS_PER_S;
    this.#left -= 1;
    return 0;
  }
}

/** A bucket for each key, with one limit for all. Keys are bounded (S2): a new key replaces the least recently used. */
export class KeyedTokenBuckets {
  readonly #limit: RateLimit;
  readonly #keysMax: number;
  /** Least recently used first. */
  readonly #buckets = new Map<string, TokenBucket>();
  #evictions = 0;

  constructor(limit: RateLimit, keysMax: number) {
    this.#limit = limit;
    this.#keysMax = keysMax;
  }

  /** Takes a token of the key; false: none is left. */
  take(key: string, nowNs: number): boolean {
    const bucket = this.#buckets.get(key) ?? new TokenBucket(this.#limit, nowNs);
    if (bucket.take(nowNs) > 0) return false;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#keysMax) this.#evictOldest(nowNs);
    return true;
  }

  /** Puts one token back. Does nothing for an unknown key, because its bucket is full. */
  giveBack(key: string): void {
    this.#buckets.get(key)?.spend(-1);
  }

  /** Number of keys held. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Keys replaced before their bucket was full again. They may exceed their limit. */
  get evictions(): number {
    return this.#evictions;
  }

  #evictOldest(nowNs: number): void {
    const [oldest] = this.#buckets;
    if (oldest === undefined) return;
    const [key, bucket] = oldest;
    this.#buckets.delete(key);
    if (bucket.left(nowNs) < this.#limit.capacity) this.#evictions += 1;
  }
}
