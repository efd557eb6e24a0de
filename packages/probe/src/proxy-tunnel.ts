/**
 * CONNECT through an HTTP proxy (RFC 9110 §9.3.6): one request, over a connection to the proxy, for a tunnel to the
 * target.
 *
 * 1. The proxy's answer is bounded by {@link HEADERS_MAX_BYTES}. Bytes after it are the target's and go back into the
 *    socket.
 * 2. Credentials are sent to the proxy and stored nowhere (S1).
 */
import type { Socket } from "node:net";
import { codeOf } from "./errno.ts";
import { HEADERS_MAX_BYTES, USER_AGENT } from "./exchange.ts";

/** User name and password. A secret (S1). */
export interface ProxyCredentials {
  readonly username: string;
  readonly password: string;
}

/** What the proxy answered. */
export type Tunnelled =
  | {
      readonly kind: "status";
      /** 200: the socket now leads to the target. */
      readonly status: number;
      /** The kinds of authentication that it accepts, such as Basic or NTLM, as it names them. */
      readonly authentication: readonly string[];
    }
  /** An errno, or {@link HEAD_MALFORMED}, {@link HEAD_OVERFLOW} or {@link SPEAKS_TLS}. */
  | { readonly kind: "error"; readonly code: string };

/** The proxy's answer is no HTTP/1 response. */
const HEAD_MALFORMED = "PROXY_HEAD_MALFORMED";

/** The head of the proxy's answer is longer than {@link HEADERS_MAX_BYTES}. */
const HEAD_OVERFLOW = "PROXY_HEAD_OVERFLOW";

/** The answer is a TLS record: the proxy wants TLS. */
const SPEAKS_TLS = "PROXY_SPEAKS_TLS";

/** First bytes of a TLS alert (RFC 8446 §5.1): its type, and the major version of every TLS. */
const TLS_ALERT = Buffer.of(21, 3);

const STATUS_LINE = /^HTTP\/1\.[01] ([1-9]\d\d)(?: .*)?$/;

/** The empty line that ends a head. */
const HEAD_END_BYTES = 4;

/** Statuses below are interim: the final answer follows (RFC 9110 §15.2). */
const INTERIM_BELOW = 200;

/**
 * The request for `authority` (host:port), with Basic credentials (RFC 7617 §2). Undefined when the authority holds a
 * character that a header cannot hold, so that it cannot add a header.
 */
export function encodeConnect(authority: string, credentials: ProxyCredentials | undefined): string | undefined {
  if (!/^[\x21-\x7e]+$/.test(authority)) return undefined;
  const authorization = credentials === undefined ? "" : `Proxy-Authorization: ${basicOf(credentials)}\r\n`;
  return `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\nUser-Agent: ${USER_AGENT}\r\n${authorization}\r\n`;
}

function basicOf({ username, password }: ProxyCredentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

/** Sends `request` and resolves with the proxy's answer or the error. The caller closes the socket. */
export function requestTunnel(socket: Socket, request: string): Promise<Tunnelled> {
  return new Promise((resolve) => {
    let received: Buffer = Buffer.alloc(0);
    const finish = (tunnelled: Tunnelled) => {
      // A 'readable' listener leaves the stream neither flowing nor paused, so the next reader finds it as new.
      socket.off("readable", read);
      socket.off("close", closed);
      resolve(tunnelled);
    };
    const read = () => {
      const chunk: Buffer | null = socket.read();
      if (chunk !== null) received = Buffer.concat([received, chunk]);
      const head = readHead(received);
      if (head === undefined) return;
      if (head.rest.byteLength > 0) socket.unshift(head.rest);
      finish(head.answer);
    };
    const closed = () => finish({ kind: "error", code: "ECONNRESET" });
    socket.on("readable", read);
    // A proxy that closes its end also destroys the socket, so no more can be read.
    socket.once("close", closed);
    // Stays for the socket's life: a later error must not be thrown.
    socket.on("error", (error) => finish({ kind: "error", code: codeOf(error) }));
    socket.write(request);
  });
}

/** The answer in a head, and the bytes that follow it. */
interface Head {
  readonly answer: Tunnelled;
  readonly rest: Buffer;
}

/** The first answer that is not interim; undefined: it is not complete. All heads together are bounded. */
function readHead(received: Buffer): Head | undefined {
  let rest = received;
  if (received.subarray(0, TLS_ALERT.length).equals(TLS_ALERT)) return failed(SPEAKS_TLS);
  for (;;) {
    const end = rest.indexOf("\r\n\r\n");
    const lineEnd = rest.indexOf("\r\n");
    const status = Number(STATUS_LINE.exec(rest.toString("latin1", 0, Math.max(0, lineEnd)))?.[1]);
    // A complete first line that is wrong ends the wait: a peer that speaks another protocol may send no more.
    if (lineEnd >= 0 && Number.isNaN(status)) return failed(HEAD_MALFORMED);
    const headsBytes = received.byteLength - rest.byteLength + (end < 0 ? rest.byteLength : end + HEAD_END_BYTES);
    if (headsBytes > HEADERS_MAX_BYTES) return failed(HEAD_OVERFLOW);
    if (end < 0) return undefined;
    const authentication = authenticationOf(rest.toString("latin1", lineEnd, end));
    rest = rest.subarray(end + HEAD_END_BYTES);
    if (status >= INTERIM_BELOW) return { answer: { kind: "status", status, authentication }, rest };
  }
}

/** Most kinds of authentication that are kept, and most characters of one (S2). */
const KINDS_MAX = 4;
const KIND_MAX_CHARS = 32;

/**
 * The kinds in the Proxy-Authenticate headers of a head (RFC 9110 §11.7.1), each once. Parameters are `name=value` and
 * stand after a kind or a comma. Quoted values, which may hold commas, are removed first.
 */
function authenticationOf(head: string): readonly string[] {
  const headers = head.matchAll(/^proxy-authenticate:(.*)$/gim);
  const challenges = [...headers].flatMap(([, value = ""]) => value.replace(/"[^"]*"/g, "").split(","));
  const kinds = challenges.flatMap((challenge) => /^\s*([\w!#$%&'*+.^`|~-]+)(?=\s|$)/.exec(challenge)?.[1] ?? []);
  return [...new Set(kinds)].slice(0, KINDS_MAX).map((kind) => kind.slice(0, KIND_MAX_CHARS));
}

function failed(code: string): Head {
  return { answer: { kind: "error", code }, rest: Buffer.alloc(0) };
}
