import { manualClock } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { RELEASE_AFTER_MS, RELEASE_AGAIN_MS, readOnlyFiles, startReleasing } from "./memory-release.ts";
import { type NativeCalls, openNativeCalls } from "./native-calls.ts";

const MAPS = `00400000-00746000 r--p 00000000 fe:00 10010865                           /bin/node
0074a000-03044000 r-xp 0034a000 fe:00 10010865                           /bin/node
06b51000-06c00000 rw-p 06750000 fe:00 10010865                           /bin/node
263a9000-26f91000 rw-p 00000000 00:00 0                                  [heap]
7f1472e98000-7f1472efe000 r--s 00000000 fe:00 10010863                   /shared
7f1473900000-7f1493900000 r-xp 00000000 00:00 0
7ffeaccc5000-7ffeaccc7000 r-xp 00000000 00:00 0                          [vdso]
`;

describe("what is given back", () => {
  it("is private mappings of files that nobody can write to", () => {
    expect(readOnlyFiles(MAPS)).toEqual([
      { from: 0x400000n, to: 0x746000n },
      { from: 0x74a000n, to: 0x3044000n },
    ]);
    expect(readOnlyFiles("")).toEqual([]);
  });

  it("is given back after the start and now and then, and never as what would lose a byte", () => {
    const clock = manualClock(0);
    const advices: number[] = [];
    let trims = 0;
    const native: NativeCalls = {
      prctl: () => 0,
      capset: () => 0,
      madvise: (_address, _lengthBytes, advice) => advices.push(advice) * 0,
      mallocTrim: () => {
        trims += 1;
        return 1;
      },
    };
    const releasing = startReleasing(clock, native);
    clock.advance(RELEASE_AFTER_MS - 1);
    expect([advices.length, trims]).toEqual([0, 0]);
    clock.advance(1);
    // One mapping a turn.
    expect([advices.length, trims]).toEqual([1, 0]);
    clock.advance(RELEASE_AGAIN_MS / 2);
    const mappings = advices.length;
    expect(mappings).toBeGreaterThan(1);
    // MADV_PAGEOUT; MADV_DONTNEED is 4, and would.
    expect(new Set(advices)).toEqual(new Set([21]));
    expect(trims).toBe(1);
    clock.advance(RELEASE_AGAIN_MS);
    expect([advices.length > mappings, trims]).toEqual([true, 2]);
    releasing.cancel();
    clock.advance(2 * RELEASE_AGAIN_MS);
    expect(trims).toBe(2);
  });

  it.runIf(process.platform === "linux")("is taken by this kernel, and read again when it is needed", () => {
    const native = openNativeCalls();
    expect(native).toBeDefined();
    const clock = manualClock(0);
    const codes: number[] = [];
    startReleasing(clock, {
      ...(native as NativeCalls),
      madvise: (...mapping) => {
        const code = native?.madvise(...mapping) ?? -1;
        codes.push(code);
        return code;
      },
    });
    clock.advance(RELEASE_AFTER_MS + RELEASE_AGAIN_MS / 2);
    expect(codes).toContain(0);
  });
});
