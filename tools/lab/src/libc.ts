/** The C library of this process, through koffi, loaded at its first use. */
import { LabError, reasonText } from "./lab-error.ts";

/**
 * koffi, and the C library to take functions from. Rejects with `fault-unavailable` off Linux or without koffi's
 * binary.
 */
export async function loadLibc() {
  if (process.platform !== "linux") {
    throw new LabError("fault-unavailable", `drop: needs Linux; this is ${process.platform}`);
  }
  try {
    const { default: koffi } = await import("koffi");
    // The process's own symbols: the same for glibc and musl, whatever their file is called.
    return { koffi, libc: koffi.load(null) };
  } catch (error) {
    throw new LabError("fault-unavailable", `drop: the C library cannot be called: ${reasonText(error)}`, {
      cause: error,
    });
  }
}
