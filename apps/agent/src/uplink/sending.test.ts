import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ManualClock, manualClock } from "@lifeline/measure";
import { afterEach, describe, expect, it } from "vitest";
import { SEGMENT_MAX_RECORDS } from "../spool/bounds.ts";
import { encodeFrame } from "../spool/frame.ts";
import { segmentPath } from "../spool/segment.ts";
import { DISK_RETRY_MS, openSpool, type Spool } from "../spool/spool.ts";
import { obstruct, scratch } from "../testing/fixtures.ts";
import { BACKLOG_PACE_MS, type InFlight, POSTPONED_MAX_REPORTS, READ_RETRY_MS, Sending } from "./sending.ts";

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A directory in which an earlier start left so many reports. */
function leftBehind(reports: number): string {
  const { path, remove } = scratch();
  closers.push(remove);
  const directory = join(path, "spool");
  mkdirSync(directory);
  for (let first = 0; first < reports; first += SEGMENT_MAX_RECORDS) {
    const count = Math.min(SEGMENT_MAX_RECORDS, reports - first);
    const frames = Array.from({ length: count }, (_, at) => encodeFrame(boot(2), first + at + 1, Buffer.from("old")));
    writeFileSync(segmentPath(directory, 1 + first / SEGMENT_MAX_RECORDS), Buffer.concat(frames));
  }
  return directory;
}

const boot = (fill: number) => new Uint8Array(16).fill(fill);

async function open(directory: string, clock: ManualClock): Promise<Spool> {
  const spool = await openSpool({ directory, clock, bootId: boot(1), onEvent: () => {} });
  closers.push(() => spool.close());
  return spool;
}

/** 72 h of a report every ten seconds. */
const THREE_DAYS_REPORTS = 25_920;
const STEP_MS = 10;
/**
 * 1,024 windows a second and what 96 targets may seal beside them: 12.3 reports of 96 windows a second, in whole steps.
 */
const QUOTA_ACK_EVERY_MS = 80;
const LIVE_EVERY_MS = 10_000;

/**
 * A stream whose collector acknowledges, oldest first, one report every so many ms; a live report is made every ten
 * seconds.
 */
async function play(spool: Spool, clock: ManualClock, ackEveryMs: number, untilMs: number) {
  const sending = new Sending(spool, clock);
  const inFlight = new Map<string, InFlight>();
  const fullest = { all: 0, backlog: 0 };
  let reportsBeforeLive = 0;
  let msBeforeLive = 0;
  let sent = 0;
  let newest: { readonly sequence: number; readonly sent: number; readonly atMs: number } | undefined;
  for (let nowMs = 0; nowMs < untilMs && spool.stats().heldReports > 0; nowMs += STEP_MS) {
    if (nowMs % LIVE_EVERY_MS === 0) {
      newest = { sequence: (await spool.append(Buffer.from("live"))).sequence, sent, atMs: nowMs };
    }
    for (let step = sending.next(inFlight); step.kind === "send"; step = sending.next(inFlight)) {
      const { record, isBacklog } = step;
      expect(inFlight.has(`${record.ordinal}`)).toBe(false);
      inFlight.set(`${record.ordinal}`, { record, isBacklog });
      if (!isBacklog && record.sequence === newest?.sequence) {
        reportsBeforeLive = Math.max(reportsBeforeLive, sent - newest.sent);
        msBeforeLive = Math.max(msBeforeLive, nowMs - newest.atMs);
      }
      sent += 1;
    }
    const backlog = [...inFlight.values()].filter((one) => one.isBacklog).length;
    fullest.all = Math.max(fullest.all, inFlight.size);
    fullest.backlog = Math.max(fullest.backlog, backlog);
    if (nowMs % ackEveryMs === 0) acknowledgeOldest(spool, inFlight);
    clock.advance(STEP_MS);
  }
  return { reportsBeforeLive, msBeforeLive, sent, fullest };
}

function acknowledgeOldest(spool: Spool, inFlight: Map<string, InFlight>): void {
  const [oldest] = inFlight;
  if (oldest === undefined) return;
  inFlight.delete(oldest[0]);
  spool.release(oldest[1].record);
}

/** Everything that may be sent now, in order, without an acknowledgement. */
function burst(sending: Sending, inFlight: Map<string, InFlight>): string[] {
  const given: string[] = [];
  for (let step = sending.next(inFlight); step.kind === "send"; step = sending.next(inFlight)) {
    inFlight.set(`${step.record.ordinal}`, step);
    given.push(step.isBacklog ? "backlog" : `live ${step.record.sequence}`);
  }
  return given;
}

describe("a backlog of three days", () => {
  it("drains in 35 minutes at the collector's quota for 96 targets: a tenth of it in a tenth of the time", async () => {
    const clock = manualClock(0);
    const spool = await open(leftBehind(THREE_DAYS_REPORTS / 10), clock);
    expect(spool.stats().heldReports).toBe(THREE_DAYS_REPORTS / 10);
    const { reportsBeforeLive, msBeforeLive } = await play(spool, clock, QUOTA_ACK_EVERY_MS, (35 * 60_000) / 10);
    expect(spool.stats()).toMatchObject({ heldReports: 0, droppedReports: 0 });
    expect(reportsBeforeLive).toBeLessThanOrEqual(1);
    expect(msBeforeLive).toBe(0);
  }, 60_000);

  it("is paced at 50 reports a second, which drains in nine minutes, where the collector is faster", async () => {
    const clock = manualClock(0);
    const spool = await open(leftBehind(THREE_DAYS_REPORTS), clock);
    expect(spool.stats().heldReports).toBe(THREE_DAYS_REPORTS);
    const { reportsBeforeLive, msBeforeLive } = await play(spool, clock, STEP_MS, 540_000);
    expect(spool.stats()).toMatchObject({ heldReports: 0, droppedReports: 0 });
    expect(reportsBeforeLive).toBeLessThanOrEqual(1);
    expect(msBeforeLive).toBe(0);
  }, 60_000);

  it("delays no live report at a collector that settles two a second", async () => {
    const clock = manualClock(0);
    const spool = await open(leftBehind(THREE_DAYS_REPORTS), clock);
    const { reportsBeforeLive, msBeforeLive, fullest } = await play(spool, clock, 500, 120_000);
    expect(fullest.backlog).toBe(32);
    expect(reportsBeforeLive).toBeLessThanOrEqual(1);
    expect(msBeforeLive).toBe(0);
  }, 60_000);

  it("takes at most every other place in a full window", async () => {
    const clock = manualClock(0);
    const spool = await open(leftBehind(200), clock);
    const sending = new Sending(spool, clock);
    const inFlight = new Map<string, InFlight>();
    for (let at = 0; at < 80; at++) await spool.append(Buffer.from("live"));
    for (let round = 0; round < 64; round++) {
      burst(sending, inFlight);
      clock.advance(20);
    }
    expect(inFlight.size).toBe(64);
    const given: string[] = [];
    for (let round = 0; round < 8; round++) {
      acknowledgeOldest(spool, inFlight);
      given.push(...burst(sending, inFlight));
      clock.advance(1_000);
    }
    expect(given).toHaveLength(8);
    expect(given.filter((one) => one !== "backlog").length).toBeGreaterThanOrEqual(4);
  });
});

describe("a report that cannot be read", () => {
  it("delays no live report, even when the whole backlog cannot be read", async () => {
    const clock = manualClock(0);
    const spool = await open(leftBehind(2 * POSTPONED_MAX_REPORTS), clock);
    const sending = new Sending(spool, clock);
    const tried: string[] = [];
    const tryFor = (ms: number) => {
      for (let nowMs = 0; nowMs < ms; nowMs += BACKLOG_PACE_MS) {
        const step = sending.next(new Map());
        if (step.kind === "send") {
          tried.push(step.isBacklog ? "backlog" : `live ${step.record.sequence}`);
          if (step.isBacklog) sending.postpone(step.record, true);
        }
        clock.advance(BACKLOG_PACE_MS);
      }
    };
    tryFor(2 * POSTPONED_MAX_REPORTS * BACKLOG_PACE_MS);
    await spool.append(Buffer.from("live"));
    const before = tried.length;
    tryFor(5 * READ_RETRY_MS);
    expect(tried.slice(before, before + 2)).toContain("live 1");
    expect(tried.length).toBeGreaterThan(before + POSTPONED_MAX_REPORTS);
  });

  it("is tried again each second, the longest waiting first; no other is tried once many of its kind wait", async () => {
    const clock = manualClock(0);
    const spool = await open(leftBehind(2 * POSTPONED_MAX_REPORTS), clock);
    const sending = new Sending(spool, clock);
    const tried: number[] = [];
    for (let nowMs = 0; nowMs < 3_000; nowMs += 20) {
      const step = sending.next(new Map());
      if (step.kind === "send") {
        tried.push(step.record.sequence);
        sending.postpone(step.record, step.isBacklog);
      }
      clock.advance(20);
    }
    expect(Math.max(...tried)).toBe(POSTPONED_MAX_REPORTS);
    expect(tried.slice(POSTPONED_MAX_REPORTS, POSTPONED_MAX_REPORTS + 3)).toEqual([1, 2, 3]);
  });

  it("is backlog when it becomes readable while a stream runs: paced, and after live reports", async () => {
    const clock = manualClock(0);
    const directory = leftBehind(200);
    const restore = obstruct(segmentPath(directory, 1));
    const spool = await open(directory, clock);
    const sending = new Sending(spool, clock);
    restore();
    clock.advance(DISK_RETRY_MS);
    await spool.append(Buffer.from("live"));
    await spool.append(Buffer.from("live"));
    expect(spool.stats().heldReports).toBe(202);
    expect(burst(sending, new Map())).toEqual(["live 1", "backlog", "live 2"]);
  });
});
