/** Moments as people type them: a date and time of RFC 3339, or how long ago. */
import { InvalidArgumentError } from "commander";
import { readAgeMs } from "./duration.ts";

/** A moment: fixed, or so long before now. Times in ms, since the epoch where fixed. */
export type Moment = { readonly kind: "at"; readonly ms: number } | { readonly kind: "ago"; readonly ms: number };

const RFC_3339 = /^(\d{4})-(\d{2})-(\d{2})T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/i;

/** Reads an option's value. Throws commander's error. */
export function readMoment(text: string): Moment {
  const agoMs = readAgeMs(text);
  if (agoMs !== undefined) return { kind: "ago", ms: agoMs };
  const [, year, month, day] = RFC_3339.exec(text) ?? [];
  const ms = day === undefined ? Number.NaN : Date.parse(text);
  // Date takes the 30th of February for the 2nd of March.
  const isDay = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day))).getUTCDate() === Number(day);
  if (ms >= 0 && isDay) return { kind: "at", ms };
  throw new InvalidArgumentError("want a time of RFC 3339 such as 2026-03-01T12:00:00Z, or an age such as 6h or 7d");
}

/** The moment in ms since the epoch. */
export function momentMs(moment: Moment, nowMs: number): number {
  return moment.kind === "at" ? moment.ms : Math.max(0, nowMs - moment.ms);
}
