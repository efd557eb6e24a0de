/** Calls of the C library that Node does not offer, by FFI. Undefined where they cannot be made. */
import { createRequire } from "node:module";

/** Calls of the C library. Each returns 0 on success. */
export interface NativeCalls {
  /** prctl(2), of the calling thread. */
  prctl(option: number, argument: number): number;
  /** capset(2), of the calling thread. */
  capset(header: Uint8Array, data: Uint8Array): number;
  /** madvise(2) on whole pages of this process. */
  madvise(address: bigint, lengthBytes: bigint, advice: number): number;
  /** malloc_trim(3): releases free memory; returns 1 when there was some. Undefined: the C library is not glibc. */
  readonly mallocTrim: ((padBytes: number) => number) | undefined;
}

let opened: { readonly calls: NativeCalls | undefined } | undefined;

/** Opens them once in a process. Undefined on a system other than 64-bit Linux, or when koffi does not load. */
export function openNativeCalls(): NativeCalls | undefined {
  opened ??= { calls: tryBind() };
  return opened.calls;
}

function tryBind(): NativeCalls | undefined {
  if (process.platform !== "linux" || !["x64", "arm64"].includes(process.arch)) return undefined;
  try {
    return bind();
  } catch {
    // The cause does not matter: the caller logs what it cannot do.
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
