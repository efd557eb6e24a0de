/** Faults of a disk, and what the spool promises under each. */
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { deflateRawSync, constants as zlib } from "node:zlib";
import { manualClock } from "@lifeline/measure";
import { afterEach, describe, expect, it } from "vitest";
import { obstruct, scratch } from "../testing/fixtures.ts";
import { acksPath } from "./acks.ts";
import { DISK_HANGS_MS, MEMORY_MAX_REPORTS, SEGMENTS_MAX, SPOOL_MAX_BYTES, SPOOL_MAX_RECORDS } from "./bounds.ts";
import { encodeFrame } from "./frame.ts";
import { RecordIndex } from "./record-index.ts";
import { Ring } from "./ring.ts";
import { segmentPath } from "./segment.ts";
import { DISK_RETRY_MS, openSpool, type Spool, type SpoolEvent, type SpoolOptions } from "./spool.ts";

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function directory(): string {
  const { path, remove } = scratch();
  closers.push(remove);
  return join(path, "spool");
}

const boot = (fill: number) => new Uint8Array(16).fill(fill);

async function open(path: string, overrides: Partial<SpoolOptions> = {}) {
  const events: SpoolEvent[] = [];
  const clock = manualClock(Date.UTC(2099, 0, 1));
  const onEvent = (event: SpoolEvent) => events.push(event);
  const spool = await openSpool({ directory: path, clock, bootId: boot(1), onEvent, ...overrides });
  closers.push(() => spool.close());
  return { spool, events, clock };
}

/** A directory in which an earlier start left these, each in a segment of its own. */
async function leftBehind(...texts: readonly string[]): Promise<string> {
  const path = directory();
  for (const [at, text] of texts.entries()) {
    const spool = await openSpool({ directory: path, clock: manualClock(0), bootId: boot(10 + at), onEvent: () => {} });
    await spool.append(Buffer.from(text));
    await spool.close();
  }
  return path;
}

async function contents(spool: Spool): Promise<string[]> {
  const found: string[] = [];
  for (let record = spool.nextAfter(-1); record !== undefined; record = spool.nextAfter(record.ordinal)) {
    const read = await spool.read(record);
    if (read.kind === "report") found.push(Buffer.from(read.payload).toString());
  }
  return found;
}

const kinds = (events: readonly SpoolEvent[]) => events.map(({ kind }) => kind);

describe("a segment that cannot be read at opening", () => {
  it("is read without a restart once the disk works, as a segment of an earlier start (U1)", async () => {
    const path = await leftBehind("one", "two");
    const restore = obstruct(segmentPath(path, 1));
    const { spool, clock } = await open(path);
    expect(await contents(spool)).toEqual(["two"]);
    restore();
    await spool.append(Buffer.from("new"));
    expect(await contents(spool)).toEqual(["two", "new"]);
    clock.advance(DISK_RETRY_MS);
    await spool.append(Buffer.from("newer"));
    expect(await contents(spool)).toEqual(["two", "new", "one", "newer"]);
    const recovered = spool.nextAfter(1);
    expect(recovered).toMatchObject({ sequence: 1, isRecovered: true, bootId: boot(10) });
    expect(spool.nextAfter(2)).toMatchObject({ isRecovered: false });
    expect(spool.stats()).toMatchObject({ heldReports: 4, heldOfThisBoot: 2, droppedReports: 0, unreadableReads: 1 });
  });

  it("costs one read at each retry, and does not hide later segments", async () => {
    const path = await leftBehind("one", "two", "three");
    const restores = [1, 2].map((number) => obstruct(segmentPath(path, number)));
    const { spool, clock } = await open(path);
    expect(spool.stats().unreadableReads).toBe(2);
    for (const reads of [3, 4]) {
      clock.advance(DISK_RETRY_MS);
      await spool.append(Buffer.from("x"));
      await spool.append(Buffer.from("y"));
      expect(spool.stats().unreadableReads).toBe(reads);
    }
    restores[1]?.();
    clock.advance(2 * DISK_RETRY_MS);
    await spool.append(Buffer.from("x"));
    clock.advance(DISK_RETRY_MS);
    await spool.append(Buffer.from("x"));
    expect(await contents(spool)).toContain("two");
    restores[0]?.();
  });

  it("is removed when it is too old, with an event (U2)", async () => {
    const path = await leftBehind("one");
    obstruct(segmentPath(path, 1));
    const { spool, events, clock } = await open(path, { maxAgeHours: 1 });
    clock.advance(3_600_001);
    await spool.append(Buffer.from("new"));
    expect(events).toEqual([{ kind: "given-up", segments: 1 }]);
    const { unreadableReads } = spool.stats();
    clock.advance(DISK_RETRY_MS);
    await spool.append(Buffer.from("newer"));
    expect(spool.stats().unreadableReads).toBe(unreadableReads);
  });

  it("may be the whole directory: its segments are read later, and no number is used twice (U1)", async () => {
    const path = await leftBehind("one", "two", "three");
    const restore = (() => {
      renameSync(path, `${path}.away`);
      writeFileSync(path, "in the way");
      return () => {
        rmSync(path);
        renameSync(`${path}.away`, path);
      };
    })();
    const { spool, events, clock } = await open(path);
    await spool.append(Buffer.from("new"));
    restore();
    clock.advance(DISK_RETRY_MS);
    expect(await spool.append(Buffer.from("newer"))).toMatchObject({ where: "disk" });
    await spool.append(Buffer.from("newest"));
    expect((await contents(spool)).sort()).toEqual(["new", "newer", "newest", "one", "three", "two"]);
    expect(kinds(events)).toEqual(["disk-refused", "disk-accepted"]);
  });
});

describe("a directory that vanishes", () => {
  it("loses its reports, but none appended later: those are in memory, then in a new directory (U1)", async () => {
    const path = directory();
    const { spool, events, clock } = await open(path);
    await spool.append(Buffer.from("one"));
    rmSync(path, { recursive: true });
    expect(await spool.append(Buffer.from("two"))).toMatchObject({ where: "memory" });
    expect(events).toEqual([
      { kind: "dropped", reports: 1, why: "gone" },
      { kind: "disk-refused", code: "ENOENT" },
    ]);
    clock.advance(DISK_RETRY_MS);
    expect(await spool.append(Buffer.from("three"))).toMatchObject({ where: "disk" });
    expect(await contents((await open(path, { bootId: boot(2) })).spool)).toEqual(["two", "three"]);
    expect(spool.stats()).toMatchObject({ heldReports: 2, memoryReports: 0, droppedReports: 1 });
  });

  it("is noticed when another directory takes its place, whose reports are read and kept (U1)", async () => {
    const theirs = await leftBehind("theirs");
    const path = directory();
    const { spool, events, clock } = await open(path);
    await spool.append(Buffer.from("one"));
    renameSync(path, `${path}.away`);
    renameSync(theirs, path);
    expect(await spool.append(Buffer.from("two"))).toMatchObject({ where: "memory" });
    expect(events).toEqual([
      { kind: "dropped", reports: 1, why: "gone" },
      { kind: "disk-refused", code: "ESTALE" },
    ]);
    for (const text of ["three", "four"]) {
      clock.advance(DISK_RETRY_MS);
      expect(await spool.append(Buffer.from(text))).toMatchObject({ where: "disk" });
    }
    expect((await contents(spool)).sort()).toEqual(["four", "theirs", "three", "two"]);
    expect(spool.stats()).toMatchObject({ heldReports: 4, memoryReports: 0, droppedReports: 1 });
  });
});

describe("a disk that does not answer", () => {
  it("delays no report: it can be sent from memory, and is on disk once the write ends", async () => {
    const path = directory();
    const { spool, events, clock } = await open(path);
    const first = spool.append(Buffer.from("one"));
    const second = spool.append(Buffer.from("two"));
    clock.advance(DISK_HANGS_MS);
    const third = spool.append(Buffer.from("three"));
    // Within one turn of the event loop: the write cannot have ended.
    expect([0, 1, 2].map((ordinal) => spool.nextAfter(ordinal - 1)?.sequence)).toEqual([1, 2, 3]);
    expect(spool.stats()).toMatchObject({ memoryReports: 3 });
    expect(await Promise.all([first, second, third])).toMatchObject(Array(3).fill({ where: "memory" }));
    await spool.append(Buffer.from("four"));
    await spool.close();
    expect(spool.stats()).toMatchObject({ heldReports: 4, memoryReports: 0, droppedReports: 0 });
    expect(await contents(spool)).toEqual(["one", "two", "three", "four"]);
    expect(events[0]).toEqual({ kind: "disk-refused", code: "ETIMEDOUT" });
    expect(kinds(events)).toEqual(["disk-refused", "disk-accepted"]);
    expect(await contents((await open(path, { bootId: boot(2) })).spool)).toEqual(["one", "two", "three", "four"]);
  });

  it("does not bring back a report that was acknowledged while its write hung (U1)", async () => {
    const path = directory();
    const { spool, clock } = await open(path);
    const hanging = spool.append(Buffer.from("one"));
    clock.advance(DISK_HANGS_MS);
    const record = spool.nextAfter(-1);
    if (record !== undefined) spool.release(record);
    await hanging;
    await spool.close();
    expect(spool.stats()).toMatchObject({ heldReports: 0, memoryReports: 0 });
    expect(await contents((await open(path, { bootId: boot(2) })).spool)).toEqual([]);
  });
});

describe("reports in memory", () => {
  it("are bounded in number, however small they are (S2)", async () => {
    const path = directory();
    writeFileSync(path, "in the way");
    const { spool, events } = await open(path);
    for (let at = 0; at <= MEMORY_MAX_REPORTS; at++) await spool.append(new Uint8Array());
    expect(spool.stats()).toMatchObject({ memoryReports: MEMORY_MAX_REPORTS, droppedReports: 1 });
    expect(events.at(-1)).toEqual({ kind: "dropped", reports: 1, why: "memory-full" });
    expect(spool.nextAfter(-1)?.sequence).toBe(2);
    // It reads and writes thousands of files, which takes long on a busy disk.
  }, 60_000);

  it("are written to the disk at closing, if it works by then (U1)", async () => {
    const path = directory();
    writeFileSync(path, "in the way");
    const { spool } = await open(path);
    await spool.append(Buffer.from("one"));
    rmSync(path);
    await spool.close();
    expect(await contents((await open(path, { bootId: boot(2) })).spool)).toEqual(["one"]);
  });
});

describe("packing", () => {
  const report = Buffer.from("registry.k8s.io ".repeat(1_000));

  it("lets disk and memory hold more, and returns what was appended", async () => {
    const path = directory();
    const { spool } = await open(path);
    await spool.append(report);
    expect(spool.stats().heldBytes).toBeLessThan(200);
    expect(await contents(spool)).toEqual([report.toString()]);
    writeFileSync(`${path}-none`, "in the way");
    const { spool: other } = await open(`${path}-none`);
    await other.append(report);
    expect(other.stats()).toMatchObject({ memoryReports: 1 });
    expect(other.stats().heldBytes).toBeLessThan(200);
    expect(await contents(other)).toEqual([report.toString()]);
  });

  it("drops and counts a record with a right checksum that is not a packed report", async () => {
    const path = directory();
    mkdirSync(path);
    writeFileSync(segmentPath(path, 1), encodeFrame(boot(9), 1, Buffer.from([0xff, 0xff]), true));
    const { spool, events } = await open(path);
    expect(await contents(spool)).toEqual([]);
    expect(spool.stats()).toMatchObject({ heldReports: 0, droppedReports: 1, corruptRecords: 1 });
    expect(events).toEqual([{ kind: "dropped", reports: 1, why: "damaged" }]);
  });

  it("reads reports that were spooled without packing", async () => {
    const path = directory();
    mkdirSync(path);
    writeFileSync(segmentPath(path, 1), encodeFrame(boot(9), 1, report));
    expect(await contents((await open(path)).spool)).toEqual([report.toString()]);
  });
});

describe("a directory at opening", () => {
  it("gives a report once when a write that seemed to fail left it twice (U1)", async () => {
    const path = directory();
    mkdirSync(path);
    for (const number of [1, 2]) writeFileSync(segmentPath(path, number), encodeFrame(boot(9), 1, Buffer.from("one")));
    appendFileSync(segmentPath(path, 2), encodeFrame(boot(9), 2, Buffer.from("two")));
    const { spool } = await open(path);
    expect(await contents(spool)).toEqual(["one", "two"]);
    expect(spool.stats().heldReports).toBe(2);
  });

  it("drops a file of acknowledgements without its segment", async () => {
    const path = await leftBehind("one");
    const stray = join(path, "segment-000000000007.acks");
    writeFileSync(stray, Buffer.alloc(8));
    await open(path);
    expect(existsSync(stray)).toBe(false);
  });

  it("counts a damaged last report, and does not take it for a torn tail", async () => {
    const path = directory();
    const { spool: before } = await open(path);
    for (const text of ["one", "two"]) await before.append(Buffer.from(text));
    const bytes = readFileSync(segmentPath(path, 1));
    bytes[bytes.indexOf("two")] = 0;
    writeFileSync(segmentPath(path, 1), bytes);
    const { spool } = await open(path, { bootId: boot(2) });
    expect(await contents(spool)).toEqual(["one"]);
    expect(spool.stats().corruptRecords).toBe(1);
  });

  it("is read up to a number of segments, however little each holds (S2)", async () => {
    const path = directory();
    mkdirSync(path);
    for (let number = 1; number <= SEGMENTS_MAX; number++) {
      writeFileSync(segmentPath(path, number), encodeFrame(boot(9), number, Buffer.from("one")));
    }
    const { spool, events } = await open(path);
    expect(events).toEqual([{ kind: "dropped", reports: 1, why: "full" }]);
    expect(spool.nextAfter(-1)?.sequence).toBe(2);
  });

  it("has no more read of a file than a segment can hold (S2)", async () => {
    const path = await leftBehind("one");
    truncateSync(segmentPath(path, 1), 3 * 1024 ** 3);
    const { spool } = await open(path);
    expect(await contents(spool)).toEqual(["one"]);
    expect(spool.stats().heldBytes).toBeLessThan(100);
    expect(readFileSync(segmentPath(path, 1))).toHaveLength(encodeFrame(boot(1), 1, Buffer.from("one")).length);
    expect(readdirSync(path)).toEqual(["segment-000000000001.spool"]);
  });

  it("is read up to a number of reports at any time, however many segments there are (S2)", async () => {
    const index = new RecordIndex(boot(1));
    const ring = new Ring({
      directory: directory(),
      clock: manualClock(0),
      index,
      maxBytes: SPOOL_MAX_BYTES,
      maxAgeNs: 1e18,
      onDrop: () => {},
      newNumber: async () => 1,
      onReplaced: () => {},
      onDamage: () => {},
    });
    const frame = { payload: new Uint8Array(), isDeflated: false, frameBytes: 36 };
    const known = new Set<string>();
    for (let number = 1; number <= 40; number++) {
      const found = Array.from({ length: 2_048 }, (_, at) => {
        return { offset: at * 36, frame: { ...frame, bootId: boot(number), sequence: at + 1 } };
      });
      const loaded = { found, ackedOffsets: new Set<number>(), corruptFrames: 0, diskBytes: 1, writtenAtMs: 0 };
      await ring.take(number, loaded, known, false);
      expect(index.size).toBeLessThan(SPOOL_MAX_RECORDS);
    }
    expect(index.nextAfter(-1)?.bootId).toEqual(boot(10));
  });

  it("counts a report that would inflate to a gigabyte as damaged, without inflating it (S2)", async () => {
    const path = directory();
    mkdirSync(path);
    // A mebibyte of zeros, a thousand times: what builds it takes no memory either.
    const piece = deflateRawSync(Buffer.alloc(1024 ** 2), { finishFlush: zlib.Z_FULL_FLUSH });
    const bomb = Buffer.concat([...new Array<Buffer>(1_024).fill(piece), deflateRawSync(Buffer.alloc(0))]);
    writeFileSync(segmentPath(path, 1), encodeFrame(boot(9), 1, bomb, true));
    const { spool } = await open(path);
    const beforeKb = process.resourceUsage().maxRSS;
    expect(await contents(spool)).toEqual([]);
    expect(spool.stats()).toMatchObject({ droppedReports: 1, corruptRecords: 1 });
    expect((process.resourceUsage().maxRSS - beforeKb) / 1_000).toBeLessThan(100);
  });

  it("may hold links and pipes: a link's target is left alone, and a pipe without a writer does not block", async () => {
    const path = await leftBehind("one");
    const precious = join(path, "precious");
    writeFileSync(precious, "precious");
    symlinkSync(precious, segmentPath(path, 2));
    symlinkSync(precious, acksPath(path, 1));
    execFileSync("mkfifo", [segmentPath(path, 3)]);
    const { spool } = await open(path);
    expect(await contents(spool)).toEqual(["one"]);
    expect(spool.stats().unreadableReads).toBe(2);
    const record = spool.nextAfter(-1);
    if (record !== undefined) spool.release(record);
    await spool.append(Buffer.from("two"));
    await spool.close();
    expect(readFileSync(precious, "utf8")).toBe("precious");
  });
});
