/**
 * Token buckets: the one rate limiter of Lifeline. Time is the caller's monotonic clock (M2).
 *
 * 1. Within any `t` seconds at most `capacity + perSecond · t` tokens are taken by {@link TokenBucket.take}.
 * 2. {@link TokenBucket.spend} may leave a debt. Until it is repaid, {@link TokenBucket.waitMs} is more than 0 and nothing can be taken.
 * 3. No call allocates.
 *
 * The libraries limiter 3.0 and rate-limiter-flexible 11.4 read their own clock and allow no debt, so this is ours.
 */

/** How many tokens may be taken at once after a long rest, and how many come back each second; both more than 0. */
export interface RateLimit {
  readonly capacity: number;
  readonly perSecond: number;
}

const NS_PER_S = 1e9;
const MS_PER_S = 1_000;

/** One bucket; full at first. */
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

  /** Tokens at that time, at most the capacity; less than 0: a debt. `perSecond` replaces the limit's rate since the last call. */
  left(nowNs: number, perSecond: number = this.#limit.perSecond): number {
    this.#left = Math.min(this.#limit.capacity, this.#left + (perSecond * (nowNs - this.#atNs)) / NS_PER_S);
    this.#atNs = nowNs;
    return this.#left;
  }

  /** How long until more than `above` tokens are left, whole ms; 0: now. `perSecond` as in {@link left}. */
  waitMs(nowNs: number, above = 0, perSecond: number = this.#limit.perSecond): number {
    const missing = above - this.left(nowNs, perSecond);
    return missing < 0 ? 0 : Math.floor((missing / perSecond) * MS_PER_S) + 1;
  }

  /** Takes tokens whether there are as many or not. Less than 0: puts tokens back, which never fill it above its capacity. */
  spend(tokens: number): void {
    this.#left -= tokens;
  }

  /** Takes one token. 0: taken; else how long until there will be one, ms. */
  take(nowNs: number): number {
    const left = this.left(nowNs);
    if (left < 1) return ((1 - left) / this.#limit.perSecond) * MS_PER_S;
    this.#left -= 1;
    return 0;
  }
}

/** A bucket for each key, all under one limit. The number of keys is bounded (S2): a new one replaces the one that took longest ago. */
export class KeyedTokenBuckets {
  readonly #limit: RateLimit;
  readonly #keysMax: number;
  /** In the order in which they last took. */
  readonly #buckets = new Map<string, TokenBucket>();
  #evictions = 0;

  constructor(limit: RateLimit, keysMax: number) {
    this.#limit = limit;
    this.#keysMax = keysMax;
  }

  /** Takes a token of the key's; false: it has none left. */
  take(key: string, nowNs: number): boolean {
    const bucket = this.#buckets.get(key) ?? new TokenBucket(this.#limit, nowNs);
    if (bucket.take(nowNs) > 0) return false;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#keysMax) this.#evictOldest(nowNs);
    return true;
  }

  /** Puts one token back. A key that is not remembered has all of its tokens. */
  giveBack(key: string): void {
    this.#buckets.get(key)?.spend(-1);
  }

  /** Keys that are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Keys that were replaced before their bucket was full again: they may have taken more than their limit. */
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
