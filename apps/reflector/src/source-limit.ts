/**
 * How many requests a second one source may have answered.
 *
 * 1. The table is bounded by {@link SOURCES_MAX}: a new source takes the place of the one whose second began longest ago, and
 *    that is counted (S2). A flood of forged sources costs a fixed amount of memory.
 * 2. Time is the caller's (M2).
 */

/** Sources remembered at once. A fleet of ten thousand nodes, each once a second and few behind one address, fits. */
export const SOURCES_MAX = 16_384;

const NS_PER_SECOND = 1_000_000_000;

/** Counts requests by source, a second at a time. */
export interface SourceLimit {
  /** Whether a request from `source` at `nowNs` is within the limit; counts it if so. */
  admit(source: string, nowNs: number): boolean;
  /** Sources forgotten before their second was over. */
  evictions(): number;
}

/** Creates a limit of `maxPerSecond` requests for each source. */
export function createSourceLimit(maxPerSecond: number, maxSources: number = SOURCES_MAX): SourceLimit {
  // In the order in which their seconds began, for a source that begins a new second is put back last.
  const seconds = new Map<string, { readonly sinceNs: number; admitted: number }>();
  let evictions = 0;

  const begin = (source: string, nowNs: number) => {
    seconds.delete(source);
    const oldest = seconds.entries().next();
    if (seconds.size >= maxSources && !oldest.done) {
      const [key, { sinceNs }] = oldest.value;
      seconds.delete(key);
      if (nowNs - sinceNs < NS_PER_SECOND) evictions += 1;
    }
    const second = { sinceNs: nowNs, admitted: 0 };
    seconds.set(source, second);
    return second;
  };

  return {
    admit(source, nowNs) {
      const known = seconds.get(source);
      const second = known !== undefined && nowNs - known.sinceNs < NS_PER_SECOND ? known : begin(source, nowNs);
      if (second.admitted >= maxPerSecond) return false;
      second.admitted += 1;
      return true;
    },
    evictions: () => evictions,
  };
}
