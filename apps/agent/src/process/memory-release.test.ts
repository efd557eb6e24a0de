import { readFileSync, readlinkSync } from "node:fs";
import { manualClock } from "@lifeline/measure";
import { describe, expect, it } from "vitest";
import { pageOutFiles, RELEASE_AFTER_MS, RELEASE_AGAIN_MS, readOnlyFiles, startReleasing } from "./memory-release.ts";
import { type NativeCalls, openNativeCalls } from "./native-calls.ts";

const SMAPS = `00400000-00746000 r--p 00000000 fe:00 10010865                           /bin/node
Rss:                 120 kB
Anonymous:             0 kB
Swap:                  0 kB
0074a000-03044000 r-xp 0034a000 fe:00 10010865                           /bin/node
Anonymous:             0 kB
Swap:                  0 kB
06b51000-06c00000 rw-p 06750000 fe:00 10010865                           /bin/node
Anonymous:            64 kB
Swap:                  0 kB
06c00000-06c10000 r--p 06750000 fe:00 10010865                           /lib/a library.so
Anonymous:            16 kB
Swap:                  0 kB
06c10000-06c14000 r--p 06760000 fe:00 10010865                           /bin/node
Anonymous:             0 kB
Swap:                  8 kB
263a9000-26f91000 rw-p 00000000 00:00 0                                  [heap]
Anonymous:           900 kB
Swap:                  0 kB
7f1472e98000-7f1472efe000 r--s 00000000 fe:00 10010863                   /shared
Anonymous:             0 kB
Swap:                  0 kB
7f1473900000-7f1493900000 r-xp 00000000 00:00 0 
Anonymous:             0 kB
Swap:                  0 kB
7ffeaccc5000-7ffeaccc7000 r-xp 00000000 00:00 0                          [vdso]
Anonymous:             0 kB
Swap:                  0 kB
`;

/** uapi/asm-generic/mman-common.h */
const MADV_DONTNEED = 4;
const MADV_PAGEOUT = 21;

const program = () => readlinkSync("/proc/self/exe");
const ownSmaps = () => readFileSync("/proc/self/smaps", "utf8");

/** Native calls that only record their arguments. */
function recorder() {
  const advices: { readonly at: bigint; readonly advice: number }[] = [];
  let trims = 0;
  const native: NativeCalls = {
    prctl: () => 0,
    capset: () => 0,
    madvise: (at, _lengthBytes, advice) => advices.push({ at, advice }) * 0,
    mallocTrim: () => {
      trims += 1;
      return 1;
    },
  };
  return { native, advices, trims: () => trims };
}

describe("released memory", () => {
  it("is that of private, read-only file mappings, and each is marked when all its pages are the file's", () => {
    expect(readOnlyFiles(SMAPS)).toEqual([
      { from: 0x400000n, to: 0x746000n, file: "/bin/node", isPure: true },
      { from: 0x74a000n, to: 0x3044000n, file: "/bin/node", isPure: true },
      { from: 0x6c00000n, to: 0x6c10000n, file: "/lib/a library.so", isPure: false },
      { from: 0x6c10000n, to: 0x6c14000n, file: "/bin/node", isPure: false },
    ]);
    expect(readOnlyFiles("")).toEqual([]);
  });

  it("is released after the start, and again at intervals", () => {
    const clock = manualClock(0);
    const { native, advices, trims } = recorder();
    const releasing = startReleasing(clock, native);
    clock.advance(RELEASE_AFTER_MS - 1);
    expect([advices.length, trims()]).toEqual([0, 0]);
    clock.advance(1);
    // One mapping a turn.
    expect([new Set(advices.map(({ at }) => at)).size, trims()]).toEqual([1, 0]);
    clock.advance(RELEASE_AGAIN_MS / 2);
    const times = advices.length;
    expect(times).toBeGreaterThan(2);
    expect(trims()).toBe(1);
    clock.advance(RELEASE_AGAIN_MS);
    expect([advices.length > times, trims()]).toEqual([true, 2]);
    releasing.cancel();
    clock.advance(2 * RELEASE_AGAIN_MS);
    expect(trims()).toBe(2);
  });

  it.runIf(process.platform === "linux")(
    "is unmapped only where it is the program's mapping and the file's pages",
    () => {
      const clock = manualClock(0);
      const { native, advices } = recorder();
      startReleasing(clock, native);
      clock.advance(RELEASE_AFTER_MS + RELEASE_AGAIN_MS / 2);
      const mappings = new Map(readOnlyFiles(ownSmaps()).map((mapping) => [mapping.from, mapping]));
      const letGo = advices.filter(({ advice }) => advice === MADV_DONTNEED);
      expect(letGo.length).toBeGreaterThan(0);
      for (const { at } of letGo) expect(mappings.get(at)).toMatchObject({ file: program(), isPure: true });
      const libraries = [...mappings.values()].filter(({ file }) => file !== program());
      expect(libraries.length).toBeGreaterThan(0);
      expect(new Set(advices.map(({ advice }) => advice))).toEqual(new Set([MADV_DONTNEED, MADV_PAGEOUT]));
    },
  );

  it.runIf(process.platform === "linux")("is freed by this kernel, and read again when needed", () => {
    const native = openNativeCalls();
    if (native === undefined) expect.unreachable("koffi loads on Linux");
    const residentKb = () =>
      ownSmaps()
        .split(/\n(?=[0-9a-f]+-)/)
        .filter((mapping) => / r-.p .*/.exec(mapping)?.[0].endsWith(` ${program()}`))
        .reduce((sum, mapping) => sum + Number(/^Rss: +(\d+)/m.exec(mapping)?.[1]), 0);
    const before = residentKb();
    const codes: number[] = [];
    const recording: NativeCalls = {
      ...native,
      madvise: (...advice) => {
        const code = native.madvise(...advice);
        codes.push(code);
        return code;
      },
    };
    const clock = manualClock(0);
    startReleasing(clock, recording);
    clock.advance(RELEASE_AFTER_MS + RELEASE_AGAIN_MS / 2);
    // Less, not none: reading the figure itself needs pages of the program.
    expect(residentKb()).toBeLessThan(before);
    pageOutFiles(recording);
    expect(new Set(codes)).toEqual(new Set([0]));
  });
});
