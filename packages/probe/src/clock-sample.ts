/** One comparison of this host's clock with a time server's. */
export interface ClockSample {
  /** How far this host's clock is behind the server's, ms; negative: ahead. It errs by half of `rttMs` at most. */
  readonly offsetMs: number;
  /** Round-trip time of the exchange, ms. */
  readonly rttMs: number;
}
