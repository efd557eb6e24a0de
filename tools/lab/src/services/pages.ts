/** What the lab's HTTP servers answer in each mode, over HTTP/1.1 and HTTP/2 alike. */
import { createServer as createHttp1Server, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttp2Server, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { TLSSocket } from "node:tls";
import { apiPage, LAB_LABEL } from "../api-endpoint.ts";
import type { TlsMode } from "./modes.ts";

/** One answer. */
export interface LabPage {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly location?: string;
  /** Of a gRPC proxy. */
  readonly grpcStatus?: string;
  readonly retryAfterS?: number;
  /** The challenge of a registry. */
  readonly authenticate?: string;
}

/** Where the captive portal sends everybody: a name outside the lab's zone. */
export const PORTAL_URL = "https://portal.lab.test/login";

/** Where a registry's objects are: the blob host that the requirements name for ghcr.io. */
export const BLOB_URL = "https://pkg-containers.githubusercontent.com/ghcr1/blobs/lab";

/** Where a registry's tokens are given: a name that no requirement names. */
export const TOKEN_URL = "https://tokens.example/token";

/** What a registry answers at its base (OCI distribution specification, end-1), and with an image (OCI image). */
const REGISTRY_PAGE: LabPage = { status: 200, type: "application/json", body: "{}" };
const IMAGE_PAGE: LabPage = { ...REGISTRY_PAGE, type: "application/vnd.oci.image.index.v1+json" };

const RETRY_AFTER_S = 3_600;

/** Serves files of images at paths where Omni answers 410. */
const FACTORY_HOST = "factory.talos.dev";

/** Streams one connection may hold open at once: RFC 9113 §6.5.2 advises no fewer than 100. */
const STREAMS_MAX = 100;

/** Time a request may take to arrive, ms. */
const REQUEST_TIMEOUT_MS = 10_000;

const html = (status: number, text: string): LabPage => ({
  status,
  type: "text/html; charset=utf-8",
  body: `<!doctype html><html lang="en"><meta charset="utf-8"><title>Lifeline lab</title><h1>${text}</h1></html>\n`,
});

/** The answer of `mode` of the server `host` to `method` at `path` (without query). Pure. */
export function labPage(mode: TlsMode, method: string, path: string, host: string): LabPage {
  switch (mode) {
    case "html-200":
      return html(200, "Lab: a reverse proxy that knows no gRPC.");
    case "html-415":
      return html(415, "Lab: a reverse proxy that takes no such content.");
    case "html-502":
      return html(502, "Lab: a reverse proxy whose server is gone.");
    case "grpc-unavailable":
      return { status: 200, type: "application/grpc", body: "", grpcStatus: "14" };
    case "http-503":
      return html(503, "Lab: a server that takes no more.");
    case "redirect":
      return { ...html(302, "Lab: a captive portal."), location: PORTAL_URL };
    case "block-page":
      return html(403, "Lab: a page that says this site is blocked.");
    case "captive-page":
      return html(200, "Lab: a captive portal. Log in.");
    case "http-404":
      return html(404, "Lab: there is no registry here.");
    case "http-429":
      return { ...html(429, "Lab: too many requests."), retryAfterS: RETRY_AFTER_S };
    case "token-elsewhere":
      return { ...REGISTRY_PAGE, status: 401, authenticate: `Bearer realm="${TOKEN_URL}",service="lab"` };
    case "moved":
      return path === "/v2/" ? REGISTRY_PAGE : { ...IMAGE_PAGE, status: 307, location: BLOB_URL };
    default: {
      if (path.startsWith("/v2/")) return path === "/v2/" ? REGISTRY_PAGE : IMAGE_PAGE;
      if (host === FACTORY_HOST && path.startsWith("/image/")) return { status: 200, type: "text/plain", body: "lab" };
      const { status, text, form } = apiPage(method, path);
      return form === "labelled" ? html(status, "Lab: a stand-in.") : { status, type: "text/plain", body: text };
    }
  }
}

/** Answers over whatever TLS has agreed on. */
export interface PageServer {
  serve(socket: TLSSocket): void;
}

/** Creates the servers of one mode; they listen nowhere themselves. */
export function createPageServer(mode: TlsMode): PageServer {
  const answer = (
    request: IncomingMessage | Http2ServerRequest,
    response: ServerResponse | Http2ServerResponse,
  ): void => {
    if ("stream" in request) request.stream.on("error", () => undefined);
    request.resume();
    const method = request.method ?? "";
    const host = String(request.headers[":authority"] ?? request.headers.host ?? "");
    const page = labPage(mode, method, (request.url ?? "/").split("?", 1)[0] ?? "/", host);
    response.statusCode = page.status;
    response.setHeader("content-type", page.type);
    response.setHeader("content-length", Buffer.byteLength(page.body));
    response.setHeader("x-lifeline", LAB_LABEL);
    if (page.grpcStatus !== undefined) response.setHeader("grpc-status", page.grpcStatus);
    if (page.location !== undefined) response.setHeader("location", page.location);
    if (page.authenticate !== undefined) response.setHeader("www-authenticate", page.authenticate);
    if (page.retryAfterS !== undefined) response.setHeader("retry-after", page.retryAfterS);
    response.end(method === "HEAD" ? "" : page.body);
  };
  const http2 = createHttp2Server({ settings: { maxConcurrentStreams: STREAMS_MAX } }, answer);
  http2.on("sessionError", () => undefined);
  const http1 = createHttp1Server({ requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS }, answer);
  http1.on("clientError", (_error, socket) => socket.destroy());
  return { serve: (socket) => void (socket.alpnProtocol === "h2" ? http2 : http1).emit("connection", socket) };
}
