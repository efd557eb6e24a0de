/**
 * Gives back the memory that only the start needed: pages of the Node binary that are not used again, and what malloc keeps.
 *
 * 1. Only mappings of files that nobody can write to are given back, and only as MADV_PAGEOUT, which never loses a byte: what is needed
 *    after all is read from the file again.
 * 2. What cannot be given back stays: this is thrift, and nothing depends on it.
 * 3. One mapping a turn of the event loop, each some 3 ms at most: no probe takes it for a stall (probe's LAG_TOLERANCE_NS is 50 ms).
 */
import { readFileSync } from "node:fs";
import type { Clock, Timer } from "@lifeline/measure";
import type { NativeCalls } from "./native-calls.ts";

/** When, after the start, ms: the plan is there, and each target has been probed. */
export const RELEASE_AFTER_MS = 20_000;

/** And again, ms: what V8's compilers used meanwhile, whose work is done once the code that is hot is compiled. */
export const RELEASE_AGAIN_MS = 600_000;

/** Between two mappings, ms: others have their turn. */
const TURN_MS = 1;

/** `MADV_PAGEOUT` (uapi/asm-generic/mman-common.h), since Linux 5.4. */
const MADV_PAGEOUT = 21;

/** A mapping: from its first address to the one after its last. */
export interface Mapping {
  readonly from: bigint;
  readonly to: bigint;
}

/** Releases {@link RELEASE_AFTER_MS} from now, and every {@link RELEASE_AGAIN_MS} from then on. Does nothing without native calls. */
export function startReleasing(clock: Clock, native: NativeCalls | undefined): Timer {
  if (native === undefined) return { cancel: () => undefined };
  let timer: Timer;
  const step = ([next, ...rest]: readonly Mapping[]) => {
    if (next === undefined) {
      native.mallocTrim?.(0);
      timer = clock.after(RELEASE_AGAIN_MS, begin);
      return;
    }
    native.madvise(next.from, next.to - next.from, MADV_PAGEOUT);
    timer = clock.after(TURN_MS, () => step(rest));
  };
  const begin = () => step(readOnlyFiles(mapsText()));
  timer = clock.after(RELEASE_AFTER_MS, begin);
  return { cancel: () => timer.cancel() };
}

/** A line of /proc/PID/maps (proc(5)): addresses, permissions, offset, device, inode; an inode of 0 is no file. */
const LINE = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ [1-9]\d* /;

/** The private mappings of files that are readable and not writable, in the text of a maps file. */
export function readOnlyFiles(maps: string): readonly Mapping[] {
  return maps.split("\n").flatMap((line) => {
    const [, from, to] = LINE.exec(line) ?? [];
    return from === undefined || to === undefined ? [] : [{ from: BigInt(`0x${from}`), to: BigInt(`0x${to}`) }];
  });
}

function mapsText(): string {
  try {
    return readFileSync("/proc/self/maps", "utf8");
  } catch {
    return "";
  }
}
