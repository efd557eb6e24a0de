/**
 * Stand-in for Omni's API endpoint: TLS 1.3, HTTP/2, and HTTP/1.1 for clients that request it.
 *
 * It answers every request that a probe may send to the real endpoint without an account. Every page with a body states
 * that this is not Omni.
 */
import {
  constants,
  createSecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type OutgoingHttpHeaders,
} from "node:http2";
import type { Socket } from "node:net";
import type { StandInCertificate } from "./stand-in-certificate.ts";

/** Every answer of the stand-in contains this word, so it cannot be mistaken for Omni. */
export const LAB_LABEL = "lab";

/** Time a client may take for its TLS handshake, ms; ten times a slow one. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** Streams one connection may hold open at once: RFC 9113 §6.5.2 advises no fewer than 100. */
const STREAMS_MAX = 100;

const SAYS = "This is the Lifeline lab stand-in, not Omni.";

interface Page {
  readonly status: number;
  readonly text: string;
  /** `plain` pages are exactly their text, as the real endpoint answers them. */
  readonly form: "plain" | "labelled";
}

/** The page at `path` (without query); pure. */
export function apiPage(method: string, path: string): Page {
  if (method !== "GET" && method !== "HEAD") {
    return { status: 405, text: `${method} is not answered here; expected GET or HEAD.`, form: "labelled" };
  }
  // siderolabs/omni answers /healthz with 200 and an empty body, and 410 where install media used to be.
  if (path === "/healthz") return { status: 200, text: "", form: "plain" };
  if (path === "/image" || path.startsWith("/image/")) {
    return { status: 410, text: "Install media are not served here; use the image factory.", form: "labelled" };
  }
  if (path === "/") return { status: 200, text: "Paths answered: /healthz, /image/…", form: "labelled" };
  return { status: 404, text: "No such path. Paths answered: /healthz, /image/…", form: "labelled" };
}

/** Creates the server; it takes connections accepted elsewhere and listens nowhere itself. */
export function createApiEndpoint(certificate: StandInCertificate): (connection: Socket) => void {
  const server = createSecureServer({
    cert: certificate.chainPem,
    key: certificate.keyPem,
    minVersion: "TLSv1.3",
    allowHTTP1: true,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    settings: { maxConcurrentStreams: STREAMS_MAX },
  });
  server.on("request", answer);
  // A client's broken session ends that connection and nothing else; Node does the same for a failed handshake.
  server.on("sessionError", () => undefined);
  return (connection) => void server.emit("connection", connection);
}

function answer(request: Http2ServerRequest, response: Http2ServerResponse): void {
  const path = request.url.split("?", 1)[0] ?? "/";
  const page = apiPage(request.method, path);
  const { type, body } = render(page, request.headers.accept ?? "");
  // `stream` is absent on HTTP/1.1, where an error of the request is the connection's.
  request.stream?.on("error", () => undefined);
  request.resume();
  const headers: OutgoingHttpHeaders = {
    [constants.HTTP2_HEADER_CONTENT_TYPE]: type,
    [constants.HTTP2_HEADER_CONTENT_LENGTH]: Buffer.byteLength(body),
    [constants.HTTP2_HEADER_SERVER]: "lifeline-lab",
    "x-lifeline": LAB_LABEL,
    ...(page.status === 405 ? { allow: "GET, HEAD" } : {}),
  };
  response.writeHead(page.status, headers);
  response.end(request.method === "HEAD" ? "" : body);
}

function render(page: Page, accept: string): { type: string; body: string } {
  if (page.form === "plain") return { type: "text/plain; charset=utf-8", body: page.text };
  if (accept.includes("application/json")) {
    return {
      type: "application/json",
      body: `${JSON.stringify({ label: LAB_LABEL, standIn: SAYS, status: page.status, message: page.text })}\n`,
    };
  }
  return {
    type: "text/html; charset=utf-8",
    body:
      `<!doctype html><html lang="en"><meta charset="utf-8"><title>Lifeline lab</title>` +
      `<h1>${SAYS}</h1><p>${escapeHtml(page.text)}</p></html>\n`,
  };
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
