/**
 * A TCP listener that silently drops every SYN, and needs no privilege for it.
 *
 * Its queue of accepted connections has room for one. This process connects once itself and never accepts. Linux drops
 * a SYN silently while that queue is full (net/ipv4/tcp_input.c, tcp_conn_request), and keeps the port bound.
 */
import { connect, isIPv6, type Socket } from "node:net";
import { endpointName } from "@lifeline/measure";
import { LabError, reasonText } from "./lab-error.ts";
import { loadLibc } from "./libc.ts";

/** A listener that accepts no connection. */
export interface FullListener {
  /** Frees the port. Idempotent. */
  close(): void;
}

/** Linux `include/linux/socket.h`, `include/uapi/asm-generic/socket.h`, `include/linux/net.h` (amd64 and arm64). */
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;

/** The queue is full when it holds more than this many (`sk_acceptq_is_full`): so one connection fills it. */
const BACKLOG = 0;

/**
 * `sockaddr_in`, ip(7): family, port, address at 4. `sockaddr_in6`, ipv6(7): family, port, flow, address at 8, scope.
 */
const SOCKADDR_IN = { bytes: 16, addressAt: 4 } as const;
const SOCKADDR_IN6 = { bytes: 28, addressAt: 8 } as const;

/** Binds `host`:`port` (IP literal) and fills it. Rejects with `fault-unavailable`; then the port is free again. */
export async function openFullListener(host: string, port: number): Promise<FullListener> {
  const { close } = await bindListener(host, port);
  try {
    const filler = await fill(host, port);
    return {
      close() {
        close();
        filler.destroy();
      },
    };
  } catch (error) {
    close();
    throw unavailable("connect", host, port, reasonText(error));
  }
}

async function bindListener(host: string, port: number): Promise<{ close(): void }> {
  const { koffi, libc } = await loadLibc();
  const calls = {
    socket: libc.func("int socket(int, int, int)"),
    setsockopt: libc.func("int setsockopt(int, int, int, int *, uint32_t)"),
    inet_pton: libc.func("int inet_pton(int, const char *, void *)"),
    bind: libc.func("int bind(int, void *, uint32_t)"),
    listen: libc.func("int listen(int, int)"),
    close: libc.func("int close(int)"),
  };
  const [family, layout] = isIPv6(host) ? [AF_INET6, SOCKADDR_IN6] : [AF_INET, SOCKADDR_IN];
  const address = new Uint8Array(layout.bytes);
  new Uint16Array(address.buffer, 0, 1).set([family]);
  new DataView(address.buffer).setUint16(2, port);
  calls.inet_pton(family, host, address.subarray(layout.addressAt));

  const fd: number = calls.socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw unavailable("socket", host, port, `errno ${koffi.errno()}`);
  let open = true;
  const close = () => {
    if (open) calls.close(fd);
    open = false;
  };
  calls.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, Int32Array.of(1), Int32Array.BYTES_PER_ELEMENT);
  for (const [name, call] of [
    ["bind", () => calls.bind(fd, address, layout.bytes)],
    ["listen", () => calls.listen(fd, BACKLOG)],
  ] as const) {
    if (call() === 0) continue;
    const errno = koffi.errno();
    close();
    throw unavailable(name, host, port, `errno ${errno}`);
  }
  return { close };
}

function fill(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const filler = connect({ host, port });
    filler.once("connect", () => resolve(filler));
    // Rejects before the connection stands; after that, closing the listener resets it, as meant.
    filler.on("error", reject);
  });
}

function unavailable(call: string, host: string, port: number, why: string): LabError {
  return new LabError("fault-unavailable", `drop: ${call} ${endpointName(host, port)}: ${why}`);
}
