/**
 * A tunnel through a SOCKS5 proxy (RFC 1928), with user name and password where it asks for them (RFC 1929). The proxy
 * resolves the target's name, as with Go's net/http for socks5:// and socks5h:// alike.
 */
import type { Socket } from "node:net";
import { literalFamily } from "@lifeline/measure";
import ipaddr from "ipaddr.js";
import { codeOf } from "./errno.ts";
import type { ProxyCredentials } from "./proxy-tunnel.ts";

/** What the proxy answered. */
export type SocksEnd =
  /** The socket now leads to the target. */
  | { readonly kind: "open" }
  /** It wants credentials: none were given, or they are wrong. */
  | { readonly kind: "auth" }
  /** It does not open the connection. `code`: the name of its reply. */
  | { readonly kind: "refused"; readonly code: string }
  /** An errno, or {@link MALFORMED}. */
  | { readonly kind: "error"; readonly code: string };

/** The proxy's answer is not SOCKS5. */
const MALFORMED = "SOCKS_MALFORMED";

const VERSION = 5;
const NO_AUTHENTICATION = 0;
const USER_PASSWORD = 2;
const NO_METHOD = 0xff;
/** Version of the user name and password exchange (RFC 1929 §2). */
const AUTH_VERSION = 1;
const CONNECT = 1;
const RESERVED = 0;
/** Address types (RFC 1928 §5), with the bytes of a bound address. */
const IPV4 = 1;
const NAME = 3;
const IPV6 = 4;
const ADDRESS_BYTES: Readonly<Record<number, number>> = { [IPV4]: 4, [IPV6]: 16 };
const PORT_BYTES = 2;

/** Replies other than success (RFC 1928 §6). */
const REPLIES = [
  "SUCCEEDED",
  "GENERAL_FAILURE",
  "NOT_ALLOWED",
  "NETWORK_UNREACHABLE",
  "HOST_UNREACHABLE",
  "CONNECTION_REFUSED",
  "TTL_EXPIRED",
  "COMMAND_NOT_SUPPORTED",
  "ADDRESS_NOT_SUPPORTED",
] as const;

/** Opens the tunnel to `host`:`port` over a connection to the proxy. The caller closes the socket. Never rejects. */
export async function openSocks(
  socket: Socket,
  host: string,
  port: number,
  credentials: ProxyCredentials | undefined,
): Promise<SocksEnd> {
  const reader = new ByteReader(socket);
  try {
    return await negotiate(socket, reader, connectRequest(host, port), credentials);
  } catch (error) {
    return { kind: "error", code: codeOf(error) };
  } finally {
    reader.release();
  }
}

async function negotiate(
  socket: Socket,
  reader: ByteReader,
  request: Uint8Array,
  credentials: ProxyCredentials | undefined,
): Promise<SocksEnd> {
  const methods = credentials === undefined ? [NO_AUTHENTICATION] : [NO_AUTHENTICATION, USER_PASSWORD];
  socket.write(Uint8Array.of(VERSION, methods.length, ...methods));
  const [version, method] = await reader.take(2);
  if (version !== VERSION) return { kind: "error", code: MALFORMED };
  if (method === NO_METHOD) return { kind: "auth" };
  if (method === USER_PASSWORD && credentials !== undefined) {
    socket.write(loginRequest(credentials));
    const [, status] = await reader.take(2);
    if (status !== 0) return { kind: "auth" };
  } else if (method !== NO_AUTHENTICATION) return { kind: "error", code: MALFORMED };
  socket.write(request);
  return readReply(reader);
}

/** RFC 1929 §2: each text has a length of one byte. */
function loginRequest({ username, password }: ProxyCredentials): Uint8Array {
  const [user, secret] = [Buffer.from(username).subarray(0, 255), Buffer.from(password).subarray(0, 255)];
  return Buffer.concat([Uint8Array.of(AUTH_VERSION, user.byteLength), user, Uint8Array.of(secret.byteLength), secret]);
}

function connectRequest(host: string, port: number): Uint8Array {
  const family = literalFamily(host);
  const name = Buffer.from(host.replace(/\.$/, ""), "latin1");
  const address =
    family === undefined
      ? [NAME, name.byteLength, ...name]
      : [family === 4 ? IPV4 : IPV6, ...ipaddr.parse(host).toByteArray()];
  return Uint8Array.of(VERSION, CONNECT, RESERVED, ...address, port >> 8, port & 0xff);
}

async function readReply(reader: ByteReader): Promise<SocksEnd> {
  const [version, reply = 0, , type = 0] = await reader.take(4);
  if (version !== VERSION) return { kind: "error", code: MALFORMED };
  const addressBytes = type === NAME ? ((await reader.take(1))[0] ?? 0) : ADDRESS_BYTES[type];
  if (reply !== 0) return { kind: "refused", code: `SOCKS_${REPLIES[reply] ?? reply}` };
  if (addressBytes === undefined) return { kind: "error", code: MALFORMED };
  await reader.take(addressBytes + PORT_BYTES);
  return { kind: "open" };
}

/** Reads a socket in pieces of a given size. What is not read stays in the socket. */
class ByteReader {
  readonly #socket: Socket;
  #failure: Error | undefined;
  #wake: () => void = () => {};
  readonly #readable = () => this.#wake();
  readonly #closed = () => this.#fail(Object.assign(new Error("closed"), { code: "ECONNRESET" }));

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("readable", this.#readable);
    socket.once("end", this.#closed);
    socket.once("close", this.#closed);
    // Stays for the socket's life: a later error must not be thrown.
    socket.on("error", (error) => this.#fail(error));
  }

  /** The next `count` bytes. Rejects when the socket ends before. */
  async take(count: number): Promise<Buffer> {
    for (;;) {
      const chunk: Buffer | null = this.#socket.read(count);
      if (chunk !== null && chunk.byteLength === count) return chunk;
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Leaves the socket to the next reader. */
  release(): void {
    this.#socket.off("readable", this.#readable);
    this.#socket.off("end", this.#closed);
    this.#socket.off("close", this.#closed);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }
}
