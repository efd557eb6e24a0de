/** Decoders that are wrong on purpose are found out; those that come after them are still run. */
import { systemClock } from "@lifeline/measure";
import { beforeAll, describe, expect, it } from "vitest";
import { runCampaign } from "./campaign.ts";
import { inputOf } from "./decoder.ts";
import { renderResults } from "./render.ts";
import { DECODERS } from "./testing/broken-decoders.ts";
import type { DecoderResult } from "./worker.ts";

const SEED = 5;

describe("a campaign", () => {
  let results: readonly DecoderResult[] = [];
  beforeAll(async () => {
    const module = import.meta.resolve("./testing/broken-decoders.ts");
    const say = () => {};
    const limits = { hangCpuMs: 5_000, heapMaxMb: 64 };
    const campaign = { module, decoders: DECODERS, inputs: 1_000, seed: SEED, limits, clock: systemClock, say };
    results = await runCampaign(campaign);
  }, 600_000);
  const resultOf = (name: string) => results.find(({ decoder }) => decoder === name);

  it("tells of each decoder once, in order", () => {
    expect(results.map(({ decoder }) => decoder)).toEqual(DECODERS.map(({ name }) => name));
  });

  it.each(["sound", "sound-after-all"])("finds nothing in the one that is %s", (name) => {
    const result = resultOf(name);
    expect(result?.failure).toBeUndefined();
    expect((result?.decoded ?? 0) + (result?.refused ?? 0)).toBe(1_000);
    expect(result?.refused).toBeGreaterThan(0);
  });

  it.each([
    ["throws", "threw", "TypeError: at 0x42"],
    ["breaks-a-law", "threw", "BrokenLaw: nothing holds 0x42"],
  ])("finds what %s, and the least input that does", (name, kind, detail) => {
    expect(resultOf(name)?.failure).toMatchObject({ kind, inputHex: "42" });
    expect(resultOf(name)?.failure?.detail).toContain(detail);
  });

  it.each([
    ["hangs", "hung"],
    ["takes-all-memory", "memory"],
  ])("finds what %s, and which input it was", (name, kind) => {
    const failure = resultOf(name)?.failure;
    expect(failure).toMatchObject({ kind });
    const decoder = DECODERS.find((candidate) => candidate.name === name);
    const input = decoder === undefined ? new Uint8Array() : inputOf(decoder, SEED, failure?.index ?? -1);
    expect(failure?.inputHex).toBe(Buffer.from(input).toString("hex"));
    expect(failure?.inputHex).toContain("42");
  });

  it.each([
    ["takes-much-memory", "costly-heap", "500000 bytes took "],
    ["takes-much-time", "costly-time", "2000 bytes took "],
  ])("finds what %s for its bytes, and which input it was", (name, kind, detail) => {
    expect(resultOf(name)?.failure).toMatchObject({ kind, index: 3, detail: expect.stringContaining(detail) });
    expect(resultOf(name)?.growth).toMatchObject({ inputs: 4 });
  });

  it("finds a decoder that keeps its inputs", () => {
    expect(resultOf("keeps")?.failure).toMatchObject({ kind: "heap-grew" });
  });

  it("shows the cost of inputs out of proportion", () => {
    const table = renderResults(SEED, results);
    expect(table).toMatch(/^out of proportion +inputs +largest MiB +heap MiB +heap bytes\/byte +CPU ns\/byte$/m);
    expect(table).toMatch(/^takes-much-memory +4 +0\.48 +\d/m);
    expect(table).not.toContain(`${"00".repeat(5_000)}`);
  });

  it("prints the command that repeats a failure", () => {
    expect(renderResults(SEED, results)).toMatch(/npm run fuzz -- --only throws --seed 5 --inputs \d+\n/);
  });
});

describe("an input", () => {
  it("is the same for the same seed, and another for another", () => {
    const [decoder] = DECODERS;
    if (decoder === undefined) throw new TypeError("no decoder");
    expect(inputOf(decoder, 1, 7)).toEqual(inputOf(decoder, 1, 7));
    expect(inputOf(decoder, 1, 7)).not.toEqual(inputOf(decoder, 2, 7));
    expect(inputOf(decoder, 1, 7)).not.toEqual(inputOf(decoder, 1, 8));
  });
});
