/**
 * What the kernel itself measured, read by FFI: handshake times and arrival stamps that do not feel this process's event loop.
 *
 * 1. Everything here may be missing (not Linux, no koffi, a sealed sandbox): callers fall back to the monotonic clock and the
 *    sample says so. Nothing here throws after opening.
 * 2. Only reads, on sockets of this process, without privilege.
 * 3. One idle socket is kept for the life of the process, so that arrival stamps are on before any attempt begins: the kernel
 *    turns them on for the whole host with the first socket that asks and off with the last, by rewriting its own code
 *    (Linux net/core/dev.c, net_enable_timestamp), which is too dear to do at every probe.
 */
import { createRequire } from "node:module";
import { type IpFamily, NS_PER_US } from "@lifeline/measure";

/** TCP_INFO's part that is used here. */
export interface TcpInfo {
  /** The kernel's smoothed round trip, ns, in steps of 1 µs; right after connecting it is the handshake's. 0: none yet. */
  readonly rttNs: number;
  /** Segments sent again in the connection's life; right after connecting these are SYNs. */
  readonly totalRetransmits: number;
}

/** The kernel's stamps. */
export interface KernelClock {
  /** TCP_INFO of a socket; undefined when the kernel refuses. */
  tcpInfo(fd: number): TcpInfo | undefined;
  /** Asks the kernel to stamp the datagrams that arrive at `fd` from now on. */
  stampArrivals(fd: number): void;
  /** Lets no packet of `fd`, a UDP socket, be fragmented here or on the way, whatever is believed of the path; false: it cannot. */
  forbidFragments(fd: number, family: IpFamily): boolean;
  /** Nanoseconds since the last datagram read from `fd` had arrived at this host; undefined when there is no stamp. */
  sinceArrivalNs(fd: number): number | undefined;
}

/** Linux `include/uapi/linux/tcp.h`: eight bytes, then 32-bit fields; `tcpi_rtt` (µs) is the 16th, `tcpi_total_retrans` the 24th. */
const TCP_INFO_BYTES = 104;
const TCP_INFO_RTT_OFFSET = 68;
const TCP_INFO_TOTAL_RETRANS_OFFSET = 100;
/** `IPPROTO_TCP` (RFC 9293) and `TCP_INFO` (uapi/linux/tcp.h). */
const IPPROTO_TCP = 6;
const TCP_INFO = 11;
/** `SIOCGSTAMPNS_OLD` (uapi/asm-generic/sockios.h): the arrival of the last datagram read, as a timespec of two 64-bit words. */
const SIOCGSTAMPNS = 0x8907n;
/** `CLOCK_REALTIME` (uapi/linux/time.h), the clock SIOCGSTAMPNS stamps with. */
const CLOCK_REALTIME = 0;
const TIMESPEC_BYTES = 16;
const NS_PER_SECOND = 1_000_000_000n;
/** `AF_INET`, `SOCK_DGRAM` and `SOCK_CLOEXEC` (uapi/linux/socket.h, linux/net.h; the last is O_CLOEXEC, octal 2000000). */
const AF_INET = 2;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;

/** `IP_MTU_DISCOVER` and `IPV6_MTU_DISCOVER`, and `IP_PMTUDISC_PROBE`, the same for both (uapi/linux/in.h, in6.h; ip(7)). */
const MTU_DISCOVER = { 4: { level: 0, name: 10 }, 6: { level: 41, name: 23 } } as const;
const PMTUDISC_PROBE = 3;

/**
 * Youngest stamp that is believed, in ns. For a datagram that was not stamped the kernel makes one up at the question
 * (net/core/sock.c, sock_gettstamp), which is then as old as one call takes; a real one has come through epoll and libuv.
 */
const STAMP_AGE_MIN_NS = 4_000;

let opened: { readonly clock: KernelClock | undefined } | undefined;

/**
 * The kernel's stamps, or undefined where there are none: not 64-bit Linux, or koffi does not load. Opened once in a process,
 * for the socket it keeps.
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
    // The reason does not matter to a measurement: every sample names the source of its round trip.
    return undefined;
  }
}

function bindKernelClock(): KernelClock {
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  // The process's own symbols: the libc it runs on, whichever that is (glibc or musl).
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

  const keeper: number = openSocket(AF_INET, SOCK_DGRAM_CLOEXEC, 0);
  // The first question turns stamping on for a socket, and is answered ENOENT. On a failed socket it is EBADF, and harmless.
  ioctl(keeper, SIOCGSTAMPNS, stamp);

  const sinceStampNs = (fd: number) => {
    if (ioctl(fd, SIOCGSTAMPNS, stamp) !== 0 || clockGettime(CLOCK_REALTIME, now) !== 0) return undefined;
    // Two readings of the kernel's wall clock. A step between them gives nonsense, which callers bound.
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
