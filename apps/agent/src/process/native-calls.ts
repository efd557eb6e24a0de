/** Calls of the C library that Node does not have, by FFI: undefined where they cannot be made. */
import { createRequire } from "node:module";

/** What the agent asks of the C library for itself. Each gives 0 when it was done. */
export interface NativeCalls {
  /** prctl(2), of the calling thread. */
  prctl(option: number, argument: number): number;
  /** capset(2), of the calling thread. */
  capset(header: Uint8Array, data: Uint8Array): number;
  /** madvise(2) on whole pages of this process. */
  madvise(address: bigint, lengthBytes: bigint, advice: number): number;
  /** malloc_trim(3): gives free memory back; 1 when there was some. Undefined: another C library than glibc. */
  readonly mallocTrim: ((padBytes: number) => number) | undefined;
}

let opened: { readonly calls: NativeCalls | undefined } | undefined;

/** Opens them once in a process; undefined where there are none: not 64-bit Linux, or koffi does not load. */
export function openNativeCalls(): NativeCalls | undefined {
  opened ??= { calls: tryBind() };
  return opened.calls;
}

function tryBind(): NativeCalls | undefined {
  if (process.platform !== "linux" || !["x64", "arm64"].includes(process.arch)) return undefined;
  try {
    return bind();
  } catch {
    // Why does not matter: whoever asks says what goes without.
    return undefined;
  }
}

function bind(): NativeCalls {
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  const libc = koffi.load(null);
  const prctl = libc.func(
    "int prctl(int option, unsigned long argument, unsigned long a3, unsigned long a4, unsigned long a5)",
  );
  const madvise = libc.func("int madvise(uintptr_t address, size_t lengthBytes, int advice)");
  const capset = libc.func("int capset(void *header, void *data)");
  return {
    prctl: (option, argument) => prctl(option, argument, 0, 0, 0),
    capset: (header, data) => capset(header, data),
    madvise: (address, lengthBytes, advice) => madvise(address, lengthBytes, advice),
    mallocTrim: mallocTrimOf(libc),
  };
}

function mallocTrimOf(libc: { func(definition: string): unknown }): NativeCalls["mallocTrim"] {
  try {
    return libc.func("int malloc_trim(size_t padBytes)") as NativeCalls["mallocTrim"];
  } catch {
    return undefined;
  }
}
