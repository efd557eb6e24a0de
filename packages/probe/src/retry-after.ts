/** How long an endpoint asks to be left alone (RFC 9110 §10.2.3). */

/** Longest pause that is obeyed, ms: an hour. A longer one would leave the row without a fresh look for too long. */
export const RETRY_AFTER_MAX_MS = 3_600_000;

/** The pause after an answer without a readable Retry-After, ms. */
const RETRY_AFTER_DEFAULT_MS = 60_000;

/** Begins with the day's name and ends with the zone, in each form of RFC 9110 §5.6.7 that servers still send. */
const HTTP_DATE = /^[A-Za-z]{3,9}, [\w: -]{11,32} GMT$/;

/** What an answer says of the time. */
export interface RetryHeaders {
  /** Retry-After: seconds, or an HTTP date. */
  readonly retryAfter: string | undefined;
  /** Date: the server's clock, by which its Retry-After is read. */
  readonly date: string | undefined;
}

/** The pause, ms, from 0 to {@link RETRY_AFTER_MAX_MS}. `wallMs` stands for the server's clock if it gives none. */
export function retryAfterMs({ retryAfter, date }: RetryHeaders, wallMs: number): number {
  return Math.max(0, Math.min(RETRY_AFTER_MAX_MS, Math.round(askedMs(retryAfter?.trim() ?? "", date, wallMs))));
}

function askedMs(retryAfter: string, date: string | undefined, wallMs: number): number {
  if (/^\d{1,12}$/.test(retryAfter)) return Number(retryAfter) * 1_000;
  const untilMs = HTTP_DATE.test(retryAfter) ? Date.parse(retryAfter) : Number.NaN;
  if (Number.isNaN(untilMs)) return RETRY_AFTER_DEFAULT_MS;
  const serverMs = Date.parse(date ?? "");
  return untilMs - (Number.isNaN(serverMs) ? wallMs : serverMs);
}
