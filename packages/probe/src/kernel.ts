/**
 * What the kernel itself measured, read by FFI: handshake times and arrival stamps, which a stall of this process does
 * not change.
 *
 * 1. All of it may be missing (not Linux, no koffi, a closed sandbox). Callers then use the monotonic clock, and the
 *    sample says so. Nothing throws after opening.
 * 2. It needs no privilege, and touches only sockets of this process.
 * 3. One idle socket is kept for the life of the process, so that arrival stamps are on before any attempt begins. The
 *    kernel turns them on for the whole host with the first socket that requests them, and off with the last, by
 *    rewriting its own code (Linux net/core/dev.c, net_enable_timestamp). That is too expensive at every probe.
 */
import { createRequire } from "node:module";
import { type IpFamily, NS_PER_US } from "@lifeline/measure";

/** The part of TCP_INFO that is used. */
export interface TcpInfo {
  /**
   * The kernel's smoothed round trip, ns, in steps of 1 µs; right after connecting it is the handshake's. 0: none yet.
   */
  readonly rttNs: number;
  /** Segments sent again in the connection's life; right after connecting these are SYNs. */
  readonly totalRetransmits: number;
}

/** The kernel's stamps. */
export interface KernelClock {
  /** TCP_INFO of a socket; undefined when the kernel refuses. */
  tcpInfo(fd: number): TcpInfo | undefined;
  /** Makes the kernel stamp the datagrams that arrive at `fd` from now on. */
  stampArrivals(fd: number): void;
  /**
   * Forbids fragments of packets from `fd`, a UDP socket, here and on the path, and ignores the cached path MTU. False:
   * not possible.
   */
  forbidFragments(fd: number, family: IpFamily): boolean;
  /**
   * Nanoseconds since the last datagram that was read from `fd` arrived at this host; undefined when it has no stamp.
   */
  sinceArrivalNs(fd: number): number | undefined;
}

/**
 * Linux `include/uapi/linux/tcp.h`: eight bytes, then 32-bit fields; `tcpi_rtt` (µs) is the 16th, `tcpi_total_retrans`
 * the 24th.
 */
const TCP_INFO_BYTES = 104;
const TCP_INFO_RTT_OFFSET = 68;
const TCP_INFO_TOTAL_RETRANS_OFFSET = 100;
/** `IPPROTO_TCP` (RFC 9293) and `TCP_INFO` (uapi/linux/tcp.h). */
const IPPROTO_TCP = 6;
const TCP_INFO = 11;
/**
 * `SIOCGSTAMPNS_OLD` (uapi/asm-generic/sockios.h): the arrival of the last datagram read, as a timespec of two 64-bit
 * words.
 */
const SIOCGSTAMPNS = 0x8907n;
/** `CLOCK_REALTIME` (uapi/linux/time.h), the clock SIOCGSTAMPNS stamps with. */
const CLOCK_REALTIME = 0;
const TIMESPEC_BYTES = 16;
const NS_PER_SECOND = 1_000_000_000n;
/**
 * `AF_INET`, `SOCK_DGRAM` and `SOCK_CLOEXEC` (uapi/linux/socket.h, linux/net.h; the last is O_CLOEXEC, octal 2000000).
 */
const AF_INET = 2;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;

/**
 * `IP_MTU_DISCOVER` and `IPV6_MTU_DISCOVER`, and `IP_PMTUDISC_PROBE`, the same for both (uapi/linux/in.h, in6.h;
 * ip(7)).
 */
const MTU_DISCOVER = { 4: { level: 0, name: 10 }, 6: { level: 41, name: 23 } } as const;
const PMTUDISC_PROBE = 3;

/**
 * Least age of a stamp that is believed, ns. For a datagram that was not stamped, the kernel returns the time of the
 * call (net/core/sock.c, sock_gettstamp), so its age is that of one system call. A real stamp is older: it is from
 * before epoll and libuv.
 */
const STAMP_AGE_MIN_NS = 4_000;

let opened: { readonly clock: KernelClock | undefined } | undefined;

/**
 * The kernel's stamps, or undefined where there are none: not 64-bit Linux, or koffi does not load. Opened once in a
 * process, because of the socket that it keeps.
 */
export function openKernelClock(): KernelClock | undefined {
  opened ??= { clock: tryKernelClock() };
  return opened.clock;
}

function tryKernelClock(): KernelClock | undefined {
  if (process.platform !== "linux" || !["x64", "arm64"].includes(process.arch)) return undefined;
  try {
    return bindKernelClock();
  } catch {
    // Each sample names the source of its round trip, so the loss of precision is visible.
    return undefined;
  }
}

function bindKernelClock(): KernelClock {
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  // The symbols of the process itself, so that it works with glibc and with musl.
  const libc = koffi.load(null);
  const getsockopt = libc.func("int getsockopt(int fd, int level, int name, void *value, void *lengthBytes)");
  const ioctl = libc.func("int ioctl(int fd, unsigned long request, void *argument)");
  const clockGettime = libc.func("int clock_gettime(int clock, void *timespec)");

  const openSocket = libc.func("int socket(int family, int type, int protocol)");

  const setsockopt = libc.func("int setsockopt(int fd, int level, int name, void *value, uint32_t lengthBytes)");

  const probing = Buffer.from([PMTUDISC_PROBE, 0, 0, 0]);
  const info = Buffer.alloc(TCP_INFO_BYTES);
  const lengthBytes = Buffer.alloc(4);
  const stamp = Buffer.alloc(TIMESPEC_BYTES);
  const now = Buffer.alloc(TIMESPEC_BYTES);

  const stamping: number = openSocket(AF_INET, SOCK_DGRAM_CLOEXEC, 0);
  // The first call turns stamping on and fails with ENOENT. If the socket could not be opened it fails with EBADF,
  // which is harmless.
  ioctl(stamping, SIOCGSTAMPNS, stamp);

  const sinceStampNs = (fd: number) => {
    if (ioctl(fd, SIOCGSTAMPNS, stamp) !== 0 || clockGettime(CLOCK_REALTIME, now) !== 0) return undefined;
    // Both are readings of the kernel's wall clock. After a step between them the age is wrong, so callers check that
    // it is plausible.
    const ageNs = Number(timespecNs(now) - timespecNs(stamp));
    return ageNs < STAMP_AGE_MIN_NS ? undefined : ageNs;
  };

  return {
    tcpInfo(fd) {
      lengthBytes.writeUInt32LE(TCP_INFO_BYTES);
      if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, lengthBytes) !== 0) return undefined;
      if (lengthBytes.readUInt32LE() < TCP_INFO_BYTES) return undefined;
      return {
        rttNs: info.readUInt32LE(TCP_INFO_RTT_OFFSET) * NS_PER_US,
        totalRetransmits: info.readUInt32LE(TCP_INFO_TOTAL_RETRANS_OFFSET),
      };
    },
    stampArrivals(fd) {
      ioctl(fd, SIOCGSTAMPNS, stamp);
    },
    forbidFragments(fd, family) {
      const { level, name } = MTU_DISCOVER[family];
      return setsockopt(fd, level, name, probing, probing.byteLength) === 0;
    },
    sinceArrivalNs: sinceStampNs,
  };
}

function timespecNs(timespec: Buffer): bigint {
  return timespec.readBigInt64LE(0) * NS_PER_SECOND + timespec.readBigInt64LE(8);
}
