import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { manualClock } from "@lifeline/measure";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { obstruct, scratch, until } from "../testing/fixtures.ts";
import { encodeFrame } from "./frame.ts";
import { segmentPath } from "./segment.ts";
import { DISK_RETRY_MS, openSpool, type Spool, type SpoolEvent, type SpoolOptions } from "./spool.ts";

const removers: (() => void)[] = [];
afterEach(() => {
  for (const remove of removers.splice(0)) remove();
});

function directory(): string {
  const { path, remove } = scratch();
  removers.push(remove);
  return join(path, "spool");
}

/** Wall time of the files' making must not lie beyond the clock's. */
const WALL_MS = Date.UTC(2099, 0, 1);
const clock = manualClock(0);
/** So many bytes that no packing makes fewer, another for each seed. */
const unlike = (seed: number, bytes: number) =>
  createHash("shake256", { outputLength: bytes }).update(`${seed}`).digest();
const boot = (fill: number) => new Uint8Array(16).fill(fill);

async function open(path: string, overrides: Partial<SpoolOptions> = {}) {
  const events: SpoolEvent[] = [];
  const spool = await openSpool({
    directory: path,
    clock,
    bootId: boot(1),
    onEvent: (event) => events.push(event),
    ...overrides,
  });
  return { spool, events };
}

/** What the spool would send, in order. */
async function contents(spool: Spool): Promise<string[]> {
  const found: string[] = [];
  let ordinal = -1;
  for (;;) {
    const record = spool.nextAfter(ordinal);
    if (record === undefined) return found;
    ordinal = record.ordinal;
    const read = await spool.read(record);
    if (read.kind === "report") {
      found.push(`${record.bootId[0]}:${record.sequence}:${Buffer.from(read.payload).toString()}`);
    }
  }
}

async function release(spool: Spool, count: number): Promise<void> {
  for (let at = 0; at < count; at++) {
    const record = spool.nextAfter(-1);
    if (record !== undefined) spool.release(record);
  }
  await spool.close();
}

describe("the spool", () => {
  it("returns what was appended, oldest first", async () => {
    const { spool } = await open(directory());
    for (const text of ["one", "two", "three"]) await spool.append(Buffer.from(text));
    expect(await contents(spool)).toEqual(["1:1:one", "1:2:two", "1:3:three"]);
    expect(spool.stats()).toMatchObject({ heldReports: 3, heldOfThisBoot: 3, memoryReports: 0, droppedReports: 0 });
  });

  it("finds the reports of earlier starts under their own keys (U1)", async () => {
    const path = directory();
    const { spool } = await open(path);
    await spool.append(Buffer.from("old"));
    const { spool: next } = await open(path, { bootId: boot(2) });
    await next.append(Buffer.from("new"));
    expect(await contents(next)).toEqual(["1:1:old", "2:1:new"]);
    expect(next.stats()).toMatchObject({ heldReports: 2, heldOfThisBoot: 1 });
  });

  it("keeps acknowledgements over a restart, and removes a segment when all its reports are acknowledged", async () => {
    const path = directory();
    const { spool } = await open(path);
    for (const text of ["one", "two"]) await spool.append(Buffer.from(text));
    await release(spool, 1);
    const { spool: next } = await open(path, { bootId: boot(2) });
    expect(await contents(next)).toEqual(["1:2:two"]);
    await release(next, 1);
    expect(readdirSync(path)).toEqual([]);
  });

  it("does not read zeros left by a power cut as acknowledgements (U1)", async () => {
    const path = directory();
    const { spool } = await open(path);
    await spool.append(Buffer.from("one"));
    await spool.close();
    writeFileSync(segmentPath(path, 1).replace(".spool", ".acks"), Buffer.alloc(64));
    expect(await contents((await open(path)).spool)).toEqual(["1:1:one"]);
  });

  it("truncates a torn tail at opening", async () => {
    const path = directory();
    const { spool } = await open(path);
    await spool.append(Buffer.from("one"));
    const { size } = statSync(segmentPath(path, 1));
    appendFileSync(segmentPath(path, 1), encodeFrame(boot(1), 2, Buffer.from("two")).subarray(0, 20));
    const { spool: next } = await open(path);
    expect(await contents(next)).toEqual(["1:1:one"]);
    expect(statSync(segmentPath(path, 1)).size).toBe(size);
    expect(next.stats().corruptRecords).toBe(0);
  });

  it("skips a damaged record at opening and counts it", async () => {
    const path = directory();
    const { spool } = await open(path);
    for (const text of ["one", "two", "three"]) await spool.append(Buffer.from(text));
    const bytes = readFileSync(segmentPath(path, 1));
    bytes[bytes.indexOf("two")] = 0;
    writeFileSync(segmentPath(path, 1), bytes);
    const { spool: next } = await open(path);
    expect(await contents(next)).toEqual(["1:1:one", "1:3:three"]);
    expect(next.stats().corruptRecords).toBe(1);
  });

  it("drops and counts a record that is found damaged when it is read to be sent", async () => {
    const path = directory();
    const { spool } = await open(path);
    for (const text of ["one", "two"]) await spool.append(Buffer.from(text));
    const bytes = readFileSync(segmentPath(path, 1));
    bytes[bytes.indexOf("one")] = 0;
    writeFileSync(segmentPath(path, 1), bytes);
    expect(await contents(spool)).toEqual(["1:2:two"]);
    expect(spool.stats()).toMatchObject({ heldReports: 1, droppedReports: 1, corruptRecords: 1 });
  });

  it("keeps a record that cannot be read now, counts the failure, and reports it once (U1)", async () => {
    const path = directory();
    const { spool, events } = await open(path);
    for (const text of ["one", "two"]) await spool.append(Buffer.from(text));
    const restore = obstruct(segmentPath(path, 1));
    expect(await contents(spool)).toEqual([]);
    expect(spool.stats()).toMatchObject({ heldReports: 2, droppedReports: 0, corruptRecords: 0, unreadableReads: 2 });
    restore();
    expect(await contents(spool)).toEqual(["1:1:one", "1:2:two"]);
    expect(events).toEqual([{ kind: "disk-unreadable", code: "EISDIR" }, { kind: "disk-readable" }]);
  });

  it("drops and counts a record whose file is missing, but not as damaged", async () => {
    const path = directory();
    const { spool, events } = await open(path);
    await spool.append(Buffer.from("one"));
    rmSync(segmentPath(path, 1));
    expect(await contents(spool)).toEqual([]);
    expect(spool.stats()).toMatchObject({ heldReports: 0, droppedReports: 1, corruptRecords: 0, unreadableReads: 0 });
    expect(events).toEqual([{ kind: "dropped", reports: 1, why: "gone" }]);
  });

  it("keeps a segment that cannot be read at opening, and counts it: the next start reads it (U1)", async () => {
    const path = directory();
    const { spool } = await open(path);
    await spool.append(Buffer.from("one"));
    await spool.close();
    const restore = obstruct(segmentPath(path, 1));
    const { spool: next } = await open(path);
    expect(next.stats()).toMatchObject({ heldReports: 0, corruptRecords: 0, unreadableReads: 1 });
    await next.close();
    restore();
    expect(await contents((await open(path)).spool)).toEqual(["1:1:one"]);
  });

  it("drops the oldest first when it is full, and counts what it drops (U2)", async () => {
    const path = directory();
    const { spool, events } = await open(path, { maxBytes: 16_000 });
    for (let at = 1; at <= 40; at++) await spool.append(unlike(at, 900));
    const { heldBytes, heldReports, droppedReports } = spool.stats();
    expect(heldBytes).toBeLessThanOrEqual(16_000);
    expect(heldReports + droppedReports).toBe(40);
    expect(spool.nextAfter(-1)?.sequence).toBe(droppedReports + 1);
    expect(events[0]).toEqual({ kind: "dropped", reports: 1, why: "full" });
    const onDisk = readdirSync(path).reduce((sum, name) => sum + statSync(join(path, name)).size, 0);
    expect(onDisk).toBeLessThanOrEqual(16_000);
  });

  it("drops what is too old: of this start, and of earlier ones after they had time to be sent (U2)", async () => {
    const path = directory();
    const { spool } = await open(path, { maxAgeHours: 1 });
    await spool.append(Buffer.from("old"));
    clock.advance(3_600_001);
    await spool.append(Buffer.from("new"));
    expect(await contents(spool)).toEqual(["1:2:new"]);
    await spool.close();
    utimesSync(segmentPath(path, 2), new Date(WALL_MS), new Date(WALL_MS));
    const late = manualClock(WALL_MS + 3_600_001);
    const { spool: next } = await open(path, { maxAgeHours: 1, clock: late });
    expect(next.stats()).toMatchObject({ heldReports: 1, droppedReports: 0 });
    late.advance(1_800_001);
    await next.append(Buffer.from("newest"));
    expect(await contents(next)).toEqual(["1:1:newest"]);
    expect(next.stats()).toMatchObject({ heldReports: 1, droppedReports: 1 });
  });

  it.each([
    ["ten years ahead", 3_650],
    ["ten years back", -3_650],
  ])("loses nothing to a wall clock that was set %s between two starts", async (_, days) => {
    const path = directory();
    const { spool } = await open(path, { clock: manualClock(WALL_MS) });
    await spool.append(Buffer.from("true"));
    await spool.close();
    utimesSync(segmentPath(path, 1), new Date(WALL_MS), new Date(WALL_MS));
    const { spool: next } = await open(path, { clock: manualClock(WALL_MS + days * 24 * 3_600_000) });
    expect(await contents(next)).toEqual(["1:1:true"]);
    expect(next.stats()).toMatchObject({ heldReports: 1, droppedReports: 0 });
  });

  it("keeps reports in bounded memory while the disk cannot be written, reports it once, and moves them when it can (U2)", async () => {
    const path = directory();
    writeFileSync(path, "a file where the directory should be");
    const { spool, events } = await open(path, { memoryMaxBytes: 8 });
    for (const text of ["one", "two", "six"]) await spool.append(Buffer.from(text));
    expect(await contents(spool)).toEqual(["1:2:two", "1:3:six"]);
    expect(spool.stats()).toMatchObject({ memoryReports: 2, droppedReports: 1 });
    rmSync(path);
    mkdirSync(path);
    clock.advance(DISK_RETRY_MS);
    await spool.append(Buffer.from("ten"));
    expect(spool.stats()).toMatchObject({ memoryReports: 0, heldReports: 3 });
    expect(events.map(({ kind }) => kind)).toEqual(["disk-refused", "dropped", "disk-accepted"]);
    expect(await contents((await open(path)).spool)).toEqual(["1:2:two", "1:3:six", "1:4:ten"]);
  });

  it("uses memory when the disk fails while it runs", async () => {
    const path = directory();
    const { spool, events } = await open(path, { maxBytes: 1_600 });
    await spool.append(unlike(1, 60));
    rmSync(path, { recursive: true });
    writeFileSync(path, "in the way");
    await spool.append(Buffer.from("two"));
    expect(spool.stats().memoryReports).toBe(1);
    expect(events.map(({ kind }) => kind)).toContain("disk-refused");
  });

  it("loses no appended report when its process is killed (U1)", async () => {
    const path = directory();
    const writer = fileURLToPath(new URL("../testing/spool-writer.ts", import.meta.url));
    const child = spawn(process.execPath, ["--conditions=lifeline:source", writer, path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    await until("50 reports were spooled", () => said.split("\n").length > 50);
    child.kill("SIGKILL");
    await once(child, "close");
    const taken = said.split("\n").length - 1;
    const { spool } = await open(path);
    const found = await contents(spool);
    expect(found.length).toBeGreaterThanOrEqual(taken);
    expect(found).toEqual(found.map((_, at) => `7:${at + 1}:report ${at + 1}`));
  });
});

describe("the spool, against a model", () => {
  const command = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant("append" as const), bytes: fc.integer({ min: 1, max: 300 }) }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("release" as const), at: fc.nat(50) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("reopen" as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("tear" as const), bytes: fc.integer({ min: 1, max: 30 }) }) },
  );

  /** The spool beside what it should hold. */
  async function play(path: string) {
    let bootNumber = 1;
    let sequence = 0;
    let model: string[] = [];
    // Segments of 1,000 bytes, and no drops.
    const openNow = async () => (await open(path, { bootId: boot(bootNumber), maxBytes: 16_000 })).spool;
    let spool = await openNow();
    const reopen = async () => {
      bootNumber += 1;
      sequence = 0;
      spool = await openNow();
    };
    return {
      spool: () => spool,
      model: () => model,
      async append({ bytes }: { bytes: number }) {
        sequence += 1;
        const text = unlike(sequence, bytes).toString("base64");
        await spool.append(Buffer.from(text));
        model.push(`${bootNumber}:${sequence}:${text}`);
      },
      release({ at }: { at: number }) {
        let record = spool.nextAfter(-1);
        for (let step = 0; step < at % Math.max(1, model.length); step++)
          record = spool.nextAfter(record?.ordinal ?? -1);
        if (record === undefined) return;
        spool.release(record);
        const key = `${record.bootId[0]}:${record.sequence}:`;
        model = model.filter((entry) => !entry.startsWith(key));
      },
      async reopen() {
        await spool.close();
        await reopen();
      },
      async tear({ bytes }: { bytes: number }) {
        await spool.close();
        const last = readdirSync(path)
          .filter((name) => name.endsWith(".spool"))
          .sort()
          .at(-1);
        const torn = encodeFrame(boot(9), 9, Buffer.alloc(9)).subarray(0, bytes);
        if (last !== undefined) appendFileSync(join(path, last), torn);
        await reopen();
      },
    };
  }

  it("holds, in order, exactly what was appended and not released, over restarts and torn tails", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 40 }), async (commands) => {
        const game = await play(directory());
        for (const next of commands) await game[next.kind](next as never);
        expect(await contents(game.spool())).toEqual(game.model());
        expect(game.spool().stats()).toMatchObject({
          heldReports: game.model().length,
          droppedReports: 0,
          corruptRecords: 0,
        });
        await game.spool().close();
      }),
      { numRuns: 40 },
    );
  });
});
