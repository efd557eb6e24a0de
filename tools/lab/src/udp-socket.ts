/**
 * Finds this process's descriptor of the UDP socket bound to a port, for socket options that Node does not offer.
 *
 * The reflector owns its socket and exposes only its address. The kernel's tables show the descriptor (proc(5):
 * /proc/net/udp, /proc/self/fd).
 */
import { readdir, readFile, readlink } from "node:fs/promises";
import { LabError } from "./lab-error.ts";

/**
 * Bytes of a socket table read at most: 8 MiB, about 60,000 sockets. A longer one is cut, and a socket beyond it is not
 * found.
 */
const TABLE_MAX_BYTES = 8 * 1024 * 1024;

/** Inodes of the sockets in a `/proc/net/udp` or `/proc/net/udp6` table that are bound to `port`; pure. */
export function inodesOfPort(table: string, port: number): string[] {
  const portHex = port.toString(16).toUpperCase().padStart(4, "0");
  return table
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      // sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …
      const fields = line.trim().split(/\s+/);
      const [local, inode] = [fields[1], fields[9]];
      return inode !== undefined && local?.endsWith(`:${portHex}`) ? [inode] : [];
    });
}

/** The descriptor of this process's UDP socket on `port`. Throws `fault-unavailable` when /proc does not show one. */
export async function udpSocketFd(port: number): Promise<number> {
  const tables = await Promise.all(["/proc/net/udp", "/proc/net/udp6"].map(readTable));
  const wanted = new Set(tables.flatMap((table) => inodesOfPort(table, port)).map((inode) => `socket:[${inode}]`));
  for (const fd of await readdir("/proc/self/fd").catch(() => [])) {
    // A descriptor may have been closed since the listing; then it is not the one.
    const target = await readlink(`/proc/self/fd/${fd}`).catch(() => "");
    if (wanted.has(target)) return Number(fd);
  }
  throw new LabError("fault-unavailable", `drop: /proc shows no UDP socket of this process on port ${port}`);
}

async function readTable(path: string): Promise<string> {
  // Absent where IPv6 is disabled, or off Linux: the same as empty.
  const table = await readFile(path, "latin1").catch(() => "");
  return table.slice(0, TABLE_MAX_BYTES);
}
