/**
 * Releases memory that only the start needed: pages of the Node binary that are not used again, and free memory that
 * malloc keeps.
 *
 * 1. No data can be lost. MADV_PAGEOUT writes a changed page before it takes it. MADV_DONTNEED does not, so it is used
 *    only for the program's own mappings, and only while every page of them, in memory or swapped out, is the file's.
 * 2. Rights (madvise(2)): MADV_PAGEOUT takes a file's pages out of memory, for the file's owner or root only.
 *    MADV_DONTNEED unmaps them for this process, for any user, and the kernel reclaims them later.
 * 3. Memory that cannot be released stays. Nothing depends on this.
 * 4. Each turn of the event loop releases one mapping, in about 3 ms. The turn before, which reads the mappings, takes
 *    25 ms at most. No probe takes either for a stall (probe's LAG_TOLERANCE_NS is 50 ms).
 */
import { readFileSync, readlinkSync } from "node:fs";
import type { Clock, Timer } from "@lifeline/measure";
import type { NativeCalls } from "./native-calls.ts";

/** Time from the start to the first release, ms: by then the plan is there, and each target has been probed. */
export const RELEASE_AFTER_MS = 20_000;

/** Time between later releases, ms: V8's compilers use memory until hot code is compiled. */
export const RELEASE_AGAIN_MS = 600_000;

/** Time between two mappings, ms, so that other work can run. */
const TURN_MS = 1;

/** uapi/asm-generic/mman-common.h; the second since Linux 5.4. */
const MADV_DONTNEED = 4;
const MADV_PAGEOUT = 21;

/** A mapping that is readable and not writable, and private: from its first address to the one after its last. */
export interface Mapping {
  readonly from: bigint;
  readonly to: bigint;
  readonly file: string;
  /** True when every page is the file's; a relocated page is not. */
  readonly isPure: boolean;
}

/** Takes the files' pages out of memory now, in tens of ms. To be called as root: another user may not. */
export function pageOutFiles(native: NativeCalls): void {
  for (const mapping of readOnlyFiles(smapsText())) advise(native, mapping, MADV_PAGEOUT);
}

/**
 * Releases {@link RELEASE_AFTER_MS} from now, and every {@link RELEASE_AGAIN_MS} from then on. Does nothing without
 * native calls.
 */
export function startReleasing(clock: Clock, native: NativeCalls | undefined): Timer {
  if (native === undefined) return { cancel: () => undefined };
  let timer: Timer;
  const step = ([next, ...rest]: readonly Mapping[], program: string | undefined) => {
    if (next === undefined) {
      native.mallocTrim?.(0);
      timer = clock.after(RELEASE_AGAIN_MS, begin);
      return;
    }
    advise(native, next, MADV_PAGEOUT);
    // The program's mappings only: a library that is loaded meanwhile is mapped again and may have written where this
    // reads.
    if (next.isPure && next.file === program) advise(native, next, MADV_DONTNEED);
    timer = clock.after(TURN_MS, () => step(rest, program));
  };
  const begin = () => step(readOnlyFiles(smapsText()), programFile());
  timer = clock.after(RELEASE_AFTER_MS, begin);
  return { cancel: () => timer.cancel() };
}

/**
 * The first line of a mapping (proc_pid_maps(5)): addresses, permissions, offset, device, inode, file; an inode of 0 is
 * no file.
 */
const FIRST_LINE = /^([0-9a-f]+)-([0-9a-f]+) r-.p \S+ \S+ [1-9]\d* +(.*)$/;

/**
 * The lines that count pages which are not the file's, in memory and swapped out (proc_pid_smaps(5)). Swap comes last.
 */
const OWN_PAGES = /^(Anonymous|Swap): +(\d+) kB$/;

/** The private mappings of files that are readable and not writable, in the text of an smaps file. */
export function readOnlyFiles(smaps: string): readonly Mapping[] {
  const found: Mapping[] = [];
  let mapping: Mapping | undefined;
  for (const line of smaps.split("\n")) {
    // A count's name begins with a capital letter; a mapping has some 25 of these lines.
    if (line < "A" || line >= "a") {
      const [, from, to, file] = FIRST_LINE.exec(line) ?? [];
      mapping =
        file === undefined ? undefined : { from: BigInt(`0x${from}`), to: BigInt(`0x${to}`), file, isPure: true };
    } else if (mapping !== undefined) {
      const [, name, kb] = OWN_PAGES.exec(line) ?? [];
      if (name !== undefined && kb !== "0") mapping = { ...mapping, isPure: false };
      if (name === "Swap") found.push(mapping);
    }
  }
  return found;
}

function advise(native: NativeCalls, { from, to }: Mapping, advice: number): void {
  native.madvise(from, to - from, advice);
}

function smapsText(): string {
  try {
    return readFileSync("/proc/self/smaps", "utf8");
  } catch {
    return "";
  }
}

/** The file of this program, as its mappings name it. */
function programFile(): string | undefined {
  try {
    return readlinkSync("/proc/self/exe");
  } catch {
    return undefined;
  }
}
