/**
 * Gives back the memory that only the start needed: pages of the Node binary that are not used again, and what malloc keeps.
 *
 * 1. Only mappings of files that nobody can write to are given back, and only as MADV_PAGEOUT, which never loses a byte: what is needed
 *    after all is read from the file again.
 * 2. What cannot be given back stays: this is thrift, and nothing depends on it.
 */
import { readFileSync } from "node:fs";
import type { Clock, Timer } from "@lifeline/measure";
import type { NativeCalls } from "./native-calls.ts";

/** When, after the start, ms: the plan is there, each target has been probed, and code that is hot has been compiled. */
export const RELEASE_AFTER_MS = 20_000;

/** `MADV_PAGEOUT` (uapi/asm-generic/mman-common.h), since Linux 5.4. */
const MADV_PAGEOUT = 21;

/** A mapping: from its first address to the one after its last. */
export interface Mapping {
  readonly from: bigint;
  readonly to: bigint;
}

/** Releases once, {@link RELEASE_AFTER_MS} from now. */
export function releaseLater(clock: Clock, native: NativeCalls | undefined): Timer {
  return clock.after(RELEASE_AFTER_MS, () => releaseNow(native));
}

function releaseNow(native: NativeCalls | undefined): void {
  if (native === undefined) return;
  for (const { from, to } of readOnlyFiles(mapsText())) native.madvise(from, to - from, MADV_PAGEOUT);
  native.mallocTrim?.(0);
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
