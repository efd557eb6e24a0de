/**
 * The stand-in's control endpoint: HTTP on a Unix socket, so that only those who may open the file may break things.
 *
 * `GET /state` answers the state; `POST /fault` with {"listener", "fault"} answers the state after the change.
 * A refusal is `{"error": {"code", "message"}}` with 400, 404, 405, 409, 413 or 503.
 */
import { chmod, lstat, unlink } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { readFaultRequest, shown } from "./fault.ts";
import { LabError, type LabErrorCode, reasonText } from "./lab-error.ts";
import type { StandIn } from "./stand-in-state.ts";

/** An open control endpoint. */
export interface Control {
  readonly path: string;
  /** Closes the socket and removes its file. Idempotent; never throws. */
  close(): Promise<void>;
}

/** Bytes of a request body; a fault request is under 100. */
export const REQUEST_MAX_BYTES = 4_096;

/** Bytes of a Unix socket's path without its terminating NUL: sun_path[108], unix(7). */
export const SOCKET_PATH_MAX_BYTES = 107;

/** Connections at once; people and scripts use one or two. Those beyond are closed. */
const CONNECTIONS_MAX = 16;

/** Time a request may take to arrive, ms. */
const REQUEST_TIMEOUT_MS = 5_000;

/** Owner only: whoever may write here may cut every listener. */
const SOCKET_MODE = 0o600;

const STATUS_OF: Record<LabErrorCode, number> = {
  "bad-input": 400,
  "fault-unavailable": 409,
  "listen-failed": 409,
  busy: 503,
  closed: 503,
  "control-unreachable": 503,
};

/** Opens the endpoint at `path`; a socket file left by a dead process is replaced. Throws `bad-input` or `listen-failed`. */
export async function openControl(path: string, standIn: StandIn): Promise<Control> {
  const pathBytes = Buffer.byteLength(path);
  if (pathBytes === 0 || pathBytes > SOCKET_PATH_MAX_BYTES) {
    throw new LabError(
      "bad-input",
      `control: ${shown(path)} is ${pathBytes} bytes long; expected a path of 1 to ${SOCKET_PATH_MAX_BYTES} bytes`,
    );
  }
  await clearStale(path);
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => respond(request, response, standIn),
  );
  server.maxConnections = CONNECTIONS_MAX;
  await listen(server, path);
  await chmod(path, SOCKET_MODE);
  return { path, close: () => close(server) };
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly allow?: string;
}

async function respond(request: IncomingMessage, response: ServerResponse, standIn: StandIn): Promise<void> {
  const { status, body, allow } = await route(request, standIn).catch(refusal);
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    // One request a connection: a body that was refused half-read must not be taken for the next request.
    connection: "close",
    ...(allow === undefined ? {} : { allow }),
  });
  response.end(text);
}

async function route(request: IncomingMessage, standIn: StandIn): Promise<Answer> {
  const { method = "", url = "" } = request;
  switch (url) {
    case "/state":
      if (method !== "GET") return notAllowed(method, url, "GET");
      return { status: 200, body: standIn.state() };
    case "/fault": {
      if (method !== "POST") return notAllowed(method, url, "POST");
      const text = await readBody(request);
      if (text === undefined) {
        return failure(413, "bad-input", `request: longer than ${REQUEST_MAX_BYTES} bytes`);
      }
      const { listener, fault } = readFaultRequest(parseJson(text));
      await standIn.fault(listener, fault);
      return { status: 200, body: standIn.state() };
    }
    default:
      return failure(404, "bad-input", `${shown(url)}: no such path; expected /state or /fault`);
  }
}

function notAllowed(method: string, url: string, allow: string): Answer {
  return { ...failure(405, "bad-input", `${method} ${url}: method not allowed; expected ${allow}`), allow };
}

function failure(status: number, code: LabErrorCode, message: string): Answer {
  return { status, body: { error: { code, message } } };
}

function refusal(error: unknown): Answer {
  if (error instanceof LabError) return failure(STATUS_OF[error.code], error.code, error.message);
  throw error;
}

/** The body as text; `undefined` when it is longer than {@link REQUEST_MAX_BYTES}. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > REQUEST_MAX_BYTES) return undefined;
      chunks.push(chunk);
    }
  } catch (error) {
    throw new LabError("bad-input", `request: ended early: ${reasonText(error)}`, { cause: error });
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new LabError("bad-input", `request: ${shown(text)} is not JSON; expected {"listener": …, "fault": …}`, {
      cause: error,
    });
  }
}

/** Removes a socket nobody answers on. Anything else at the path is somebody's: it is left, and refused. */
async function clearStale(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw new LabError("bad-input", `control: ${shown(path)} exists and is not a socket`);
  if (await answers(path))
    throw new LabError("listen-failed", `control: ${shown(path)} is in use by a running process`);
  await unlink(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("error", () => resolve(false));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) =>
      reject(new LabError("listen-failed", `control: ${shown(path)}: ${reasonText(error)}`, { cause: error })),
    );
    server.listen(path, resolve);
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    // Node removes the socket's file with the server.
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
