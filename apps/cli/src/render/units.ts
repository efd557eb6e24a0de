/** Figures as people read them: three significant digits, the unit beside them, an em dash where there is none. */
import { NS_PER_MS } from "@lifeline/measure";

/** Stands where nothing is known; never a zero (M4). */
export const NONE = "—";

const MS_PER_S = 1_000;
const MS_PER_MIN = 60 * MS_PER_S;
const MS_PER_H = 60 * MS_PER_MIN;
const MS_PER_DAY = 24 * MS_PER_H;

/** `0.42 ms`, `12.3 ms`, `345 ms`, `1.23 s`; an em dash for null. */
export function durationText(ns: number | null): string {
  if (ns === null) return NONE;
  const ms = ns / NS_PER_MS;
  return ms < MS_PER_S ? `${threeDigits(ms)} ms` : `${threeDigits(ms / MS_PER_S)} s`;
}

/** Several durations of one unit: `0.42/0.61/12.3 ms`; an em dash when none is known. */
export function durationsText(allNs: readonly (number | null)[]): string {
  if (allNs.every((ns) => ns === null)) return NONE;
  return `${allNs.map((ns) => (ns === null ? NONE : threeDigits(ns / NS_PER_MS))).join("/")} ms`;
}

/** `0 % (0–28 %)`: a ratio of 0–1 and its interval; an em dash when there is no ratio. */
export function lossText(ratio: number | null, [low, high]: readonly [number, number]): string {
  return ratio === null ? NONE : `${percent(ratio)} % (${percent(low)}–${percent(high)} %)`;
}

/** `0.014 %`: a ratio of 0–1; an em dash for null. */
export function ratioText(ratio: number | null): string {
  return ratio === null ? NONE : `${percent(ratio)} %`;
}

/** `3/120`: packets lost of those sent one way; an em dash when none was sent, because then loss is unknown (M4). */
export function lostText(lost: number, sent: number): string {
  return sent === 0 ? NONE : `${lost}/${sent}`;
}

/** Whole percents from 10 %, two digits below. Only an exact 0 reads 0, and only an exact 1 reads 100. */
function percent(ratio: number): string {
  const hundredths = ratio * 100;
  if (hundredths <= 0 || hundredths >= 100) return hundredths <= 0 ? "0" : "100";
  if (hundredths >= 10) return String(Math.min(99, Math.round(hundredths)));
  return hundredths < 0.01 ? "<0.01" : String(Number(hundredths.toPrecision(2)));
}

/** How long ago, in the largest whole unit: `12 s`, `5 min`, `3 h`, `4 d`. A time yet to come reads `0 s`. */
export function ageText(ms: number): string {
  const past = Math.max(0, ms);
  if (past < MS_PER_MIN) return `${Math.floor(past / MS_PER_S)} s`;
  if (past < MS_PER_H) return `${Math.floor(past / MS_PER_MIN)} min`;
  if (past < 2 * MS_PER_DAY) return `${Math.floor(past / MS_PER_H)} h`;
  return `${Math.floor(past / MS_PER_DAY)} d`;
}

/** `2026-03-01T12:00:00Z`, of ms since the epoch: in a table the milliseconds say nothing. An em dash for null. */
export function secondsText(ms: number | null): string {
  return ms === null ? NONE : new Date(ms).toISOString().replace(/\.\d{3}Z$/, "Z");
}

/** Nanoseconds as milliseconds for machines, to the microsecond; null stays null. */
export function toMs(ns: number | null): number | null {
  return ns === null ? null : Math.round(ns / 1_000) / 1_000;
}

/** Two decimals below 10, one below 100, none above. */
function threeDigits(value: number): string {
  if (value < 9.995) return value.toFixed(2);
  return value < 99.95 ? value.toFixed(1) : value.toFixed(0);
}

/** Failed attempts of those that ended, such as `3/60`; a dash where none ended. */
export function failText(failed: number, ended: number): string {
  return ended === 0 ? NONE : `${failed}/${ended}`;
}
