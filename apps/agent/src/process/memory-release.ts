/**
 * Gives back the memory that only the start needed: pages of the Node binary that are not used again, and what malloc keeps.
 *
 * 1. Nothing that is given back can be lost: MADV_PAGEOUT writes what it must before it takes a page; MADV_DONTNEED, which does not, is
 *    asked for the program's own mappings alone, and only while they have no page, in memory or swapped out, that is not the file's.
 * 2. Who may do what (madvise(2)): MADV_PAGEOUT takes a file's pages out of memory, and is heard of the file's owner or root alone;
 *    MADV_DONTNEED lets go of them for this process, whoever it is, and the kernel takes them when it wants to.
 * 3. What cannot be given back stays: this is thrift, and nothing depends on it.
 * 4. One mapping a turn of the event loop, each some 3 ms at most, after one of 25 ms at most that reads what is mapped: no probe takes it for a
 *    stall (probe's LAG_TOLERANCE_NS is 50 ms).
 */
import { readFileSync, readlinkSync } from "node:fs";
import type { Clock, Timer } from "@lifeline/measure";
import type { NativeCalls } from "./native-calls.ts";

/** When, after the start, ms: the plan is there, and each target has been probed. */
export const RELEASE_AFTER_MS = 20_000;

/** And again, ms: what V8's compilers used meanwhile, whose work is done once the code that is hot is compiled. */
export const RELEASE_AGAIN_MS = 600_000;

/** Between two mappings, ms: others have their turn. */
const TURN_MS = 1;

/** uapi/asm-generic/mman-common.h; the second since Linux 5.4. */
const MADV_DONTNEED = 4;
const MADV_PAGEOUT = 21;

/** A mapping that is readable and not writable, and private: from its first address to the one after its last. */
export interface Mapping {
  readonly from: bigint;
  readonly to: bigint;
  readonly file: string;
  /** None of its pages is other than the file's, such as a relocated one is. */
  readonly isPure: boolean;
}

/** Takes the files' pages out of memory at once: worth it as root, before another user can ask no more. Tens of ms. */
export function pageOutFiles(native: NativeCalls): void {
  for (const mapping of readOnlyFiles(smapsText())) advise(native, mapping, MADV_PAGEOUT);
}

/** Releases {@link RELEASE_AFTER_MS} from now, and every {@link RELEASE_AGAIN_MS} from then on. Does nothing without native calls. */
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
    // Of the program alone: a library that is being loaded meanwhile is mapped anew, and what it writes then stands where this reads.
    if (next.isPure && next.file === program) advise(native, next, MADV_DONTNEED);
    timer = clock.after(TURN_MS, () => step(rest, program));
  };
  const begin = () => step(readOnlyFiles(smapsText()), programFile());
  timer = clock.after(RELEASE_AFTER_MS, begin);
  return { cancel: () => timer.cancel() };
}

/** The first line of a mapping (proc_pid_maps(5)): addresses, permissions, offset, device, inode, file; an inode of 0 is no file. */
const FIRST_LINE = /^([0-9a-f]+)-([0-9a-f]+) r-.p \S+ \S+ [1-9]\d* +(.*)$/;

/** Of the lines that follow (proc_pid_smaps(5)), those that count pages that are no file's: in memory, and swapped out. The last comes last. */
const OWN_PAGES = /^(Anonymous|Swap): +(\d+) kB$/;

/** The private mappings of files that are readable and not writable, in the text of an smaps file. */
export function readOnlyFiles(smaps: string): readonly Mapping[] {
  const found: Mapping[] = [];
  let mapping: Mapping | undefined;
  for (const line of smaps.split("\n")) {
    // Names of counts begin with a capital letter: some 25 lines of each mapping.
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
