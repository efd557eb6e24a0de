/** For tests: a socket for which the kernel answers nothing. Not part of the package. */
import assert from "node:assert/strict";
import { createRequire } from "node:module";

/** `SOL_SOCKET` and `SO_ATTACH_FILTER` (uapi/asm-generic/socket.h). */
const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;

/** `BPF_RET | BPF_K` with k = 0 (uapi/linux/filter.h): accept no byte of any packet. */
const BPF_RET_K = 0x06;

/** `struct sock_filter` is 8 bytes, `struct sock_fprog` 16 on 64-bit hosts. */
const FILTER_BYTES = 8;
const PROGRAM_BYTES = 16;

/** `SO_DETACH_FILTER` (uapi/asm-generic/socket.h). */
const SO_DETACH_FILTER = 27;

/** Ends what {@link dropEverything} did. */
export function dropNothing(fd: number): void {
  const none = Buffer.alloc(4);
  assert.equal(setOption(fd, SO_DETACH_FILTER, none), 0, "there was no filter");
}

function setOption(fd: number, name: number, value: Buffer): number {
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  const setsockopt = koffi
    .load(null)
    .func("int setsockopt(int fd, int level, int name, void *value, uint32_t lengthBytes)");
  return setsockopt(fd, SOL_SOCKET, name, value, value.byteLength);
}

/** Makes the kernel drop every packet for the socket, SYNs included, as a firewall would. Needs no privilege. */
export function dropEverything(fd: number): void {
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  const filter = Buffer.alloc(FILTER_BYTES);
  filter.writeUInt16LE(BPF_RET_K, 0);
  const program = Buffer.alloc(PROGRAM_BYTES);
  program.writeUInt16LE(1, 0);
  program.writeBigUInt64LE(koffi.address(filter), 8);
  assert.equal(setOption(fd, SO_ATTACH_FILTER, program), 0, "the filter was refused");
}
