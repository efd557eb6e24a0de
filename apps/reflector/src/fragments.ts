/** Replies that are never fragmented, by FFI: a large one then tests the way back as its request tested the way there. */
import type { Socket } from "node:dgram";
import { createRequire } from "node:module";

/**
 * `IPPROTO_IP` with `IP_MTU_DISCOVER` (uapi/linux/in.h), `IPPROTO_IPV6` with `IPV6_MTU_DISCOVER` (uapi/linux/in6.h), and the value
 * `IP_PMTUDISC_PROBE`: don't fragment, and do not believe ICMP about the path (ip(7)).
 */
const MTU_DISCOVER = { 4: { level: 0, name: 10 }, 6: { level: 41, name: 23 } } as const;
const PMTUDISC_PROBE = Buffer.from([3, 0, 0, 0]);

/** Forbids fragments of what `socket` sends; a socket of IPv6 serves IPv4 as well. False where that cannot be had. */
export function forbidFragments(socket: Socket, family: 4 | 6): boolean {
  const fd = descriptorOf(socket);
  if (process.platform !== "linux" || fd === undefined) return false;
  try {
    const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
    const setsockopt = koffi
      .load(null)
      .func("int setsockopt(int fd, int level, int name, void *value, uint32_t lengthBytes)");
    const set = (of: 4 | 6) => {
      const { level, name } = MTU_DISCOVER[of];
      return setsockopt(fd, level, name, PMTUDISC_PROBE, PMTUDISC_PROBE.byteLength) === 0;
    };
    return family === 4 ? set(4) : set(6) && set(4);
  } catch {
    // Without koffi nothing else differs, and the caller says so.
    return false;
  }
}

/** Node keeps the descriptor under a symbol (lib/internal/dgram.js, kStateSymbol). */
function descriptorOf(socket: Socket): number | undefined {
  const key = Object.getOwnPropertySymbols(socket).find((symbol) => symbol.description === "state symbol");
  const state: unknown = key === undefined ? undefined : Reflect.get(socket, key);
  const handle: unknown = typeof state === "object" && state !== null ? Reflect.get(state, "handle") : undefined;
  const fd: unknown = typeof handle === "object" && handle !== null ? Reflect.get(handle, "fd") : undefined;
  return typeof fd === "number" && fd >= 0 ? fd : undefined;
}
