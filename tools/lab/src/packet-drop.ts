/**
 * Makes the kernel drop every packet to one socket silently, as a firewall that drops does.
 *
 * A classic BPF program of one instruction, "return 0 bytes", is attached to the socket (Linux
 * `Documentation/networking/filter.rst`). It affects only this socket and ends with it. A UDP socket needs no privilege
 * for it. For a TCP socket recent kernels (Linux commit 5d39580f68e6) require CAP_NET_ADMIN in the socket's namespace;
 * `full-listener.ts` has the same effect without it.
 */
import { LabError } from "./lab-error.ts";
import { loadLibc } from "./libc.ts";

/** Linux `include/uapi/asm-generic/socket.h`. */
const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const SO_DETACH_FILTER = 27;

/** `errno` 1: not permitted. */
const EPERM = 1;

/**
 * `struct sock_filter` {u16 code, u8 jt, u8 jf, u32 k} with code BPF_RET|BPF_K = 0x06 and k = 0: accept 0 bytes, so
 * drop.
 */
const DROP_PROGRAM = Uint16Array.of(0x06, 0, 0, 0);
const DROP_PROGRAM_INSTRUCTIONS = 1;

interface Kernel {
  /** Both return 0, or -1 with `errno()` set. */
  attach(fd: number): number;
  detach(fd: number): number;
  errno(): number;
}

let loaded: Promise<Kernel> | undefined;

/** Binds `setsockopt` on first use, so that a lab that never drops needs no FFI. */
function kernel(): Promise<Kernel> {
  loaded ??= bindKernel();
  return loaded;
}

async function bindKernel(): Promise<Kernel> {
  const { koffi, libc } = await loadLibc();
  const program = koffi.struct({ len: "uint16_t", filter: "void *" });
  const attach = libc.func("setsockopt", "int", ["int", "int", "int", koffi.pointer(program), "uint32_t"]);
  const detach = libc.func("setsockopt", "int", ["int", "int", "int", "int *", "uint32_t"]);
  const drop = { len: DROP_PROGRAM_INSTRUCTIONS, filter: DROP_PROGRAM };
  return {
    attach: (fd) => attach(fd, SOL_SOCKET, SO_ATTACH_FILTER, drop, koffi.sizeof(program)),
    // The option value is ignored, yet must be an int (net/core/sock.c, sk_setsockopt).
    detach: (fd) => detach(fd, SOL_SOCKET, SO_DETACH_FILTER, Int32Array.of(0), Int32Array.BYTES_PER_ELEMENT),
    errno: () => koffi.errno(),
  };
}

/**
 * Drops every packet to the socket `fd` from now on. Returns `not-permitted`, and changes nothing, without the
 * privilege. Throws `fault-unavailable` when the kernel refuses for another reason.
 */
export async function startDropping(fd: number): Promise<"dropping" | "not-permitted"> {
  const { attach, errno } = await kernel();
  if (attach(fd) === 0) return "dropping";
  if (errno() === EPERM) return "not-permitted";
  throw refused("SO_ATTACH_FILTER", errno());
}

/** Stops dropping packets. Throws `fault-unavailable` when the kernel refuses (no filter is attached). */
export async function stopDropping(fd: number): Promise<void> {
  const { detach, errno } = await kernel();
  if (detach(fd) !== 0) throw refused("SO_DETACH_FILTER", errno());
}

function refused(option: string, errno: number): LabError {
  return new LabError("fault-unavailable", `drop: the kernel refused ${option} (errno ${errno})`);
}
