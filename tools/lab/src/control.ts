/**
 * The lab's control endpoint: HTTP on a Unix socket, so that only those who may open the file may break things.
 *
 * `GET /state` answers the state; each command is a `POST` of a JSON object and answers the state after the change. The
 * stand-in has one, `/fault` with {"listener", "fault"}.
 * A refusal is `{"error": {"code", "message"}}` with 400, 404, 405, 409, 413 or 503.
 */
import { chmod, lstat, unlink } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { LabError, type LabErrorCode, reasonText } from "./lab-error.ts";
import { readFaultRequest, shown } from "./listener-fault.ts";
import type { StandIn } from "./stand-in-state.ts";

/** An open control endpoint. */
export interface Control {
  readonly path: string;
  /** Closes the socket and removes its file. Idempotent; never throws. */
  close(): Promise<void>;
}

/** What a control endpoint controls. */
export interface Controlled {
  state(): unknown;
  /** By path: how to carry out a request. Throws {@link LabError} on what it refuses. */
  readonly commands: Readonly<Record<string, Command>>;
}

/** One command of a control endpoint. */
export interface Command {
  /** The format of a request, for the error message about any other. */
  readonly expected: string;
  run(request: unknown): Promise<void>;
}

/** What the control endpoint of a stand-in controls. */
export function controlOf(standIn: StandIn): Controlled {
  return {
    state: () => standIn.state(),
    commands: {
      "/fault": {
        expected: '{"listener": …, "fault": …}',
        async run(request) {
          const { listener, fault } = readFaultRequest(request);
          await standIn.fault(listener, fault);
        },
      },
    },
  };
}

/** Bytes of a request body; a fault request is under 100, a mode request with a dozen names under 3,500. */
export const REQUEST_MAX_BYTES = 4_096;

/** Bytes of a Unix socket's path without its terminating NUL: sun_path[108], unix(7). */
export const SOCKET_PATH_MAX_BYTES = 107;

/** Connections at once; people and scripts use one or two. Those beyond are closed. */
const CONNECTIONS_MAX = 16;

/** Time a request may take to arrive, ms. */
const REQUEST_TIMEOUT_MS = 5_000;

/** Owner only: a process that can write to the socket can cut every listener. */
const SOCKET_MODE = 0o600;

const STATUS_OF: Record<LabErrorCode, number> = {
  "bad-input": 400,
  "fault-unavailable": 409,
  "command-failed": 409,
  "malformed-capture": 409,
  "listen-failed": 409,
  busy: 503,
  closed: 503,
  "control-unreachable": 503,
};

/**
 * Opens the endpoint at `path`; a socket file left by a dead process is replaced. Throws `bad-input` or
 * `listen-failed`.
 */
export async function openControl(path: string, controlled: Controlled): Promise<Control> {
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
    (request, response) => respond(request, response, controlled),
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

async function respond(request: IncomingMessage, response: ServerResponse, controlled: Controlled): Promise<void> {
  const { status, body, allow } = await route(request, controlled).catch(refusal);
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

async function route(request: IncomingMessage, { state, commands }: Controlled): Promise<Answer> {
  const { method = "", url = "" } = request;
  if (url === "/state") return method === "GET" ? { status: 200, body: state() } : notAllowed(method, url, "GET");
  const command = Object.hasOwn(commands, url) ? commands[url] : undefined;
  if (command === undefined) {
    const paths = ["/state", ...Object.keys(commands)].join(" or ");
    return failure(404, "bad-input", `${shown(url)}: no such path; expected ${paths}`);
  }
  if (method !== "POST") return notAllowed(method, url, "POST");
  const text = await readBody(request);
  if (text === undefined) return failure(413, "bad-input", `request: longer than ${REQUEST_MAX_BYTES} bytes`);
  await command.run(parseJson(text, command.expected));
  return { status: 200, body: state() };
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

function parseJson(text: string, expected: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new LabError("bad-input", `request: ${shown(text)} is not JSON; expected ${expected}`, { cause: error });
  }
}

/** Removes a socket that no process answers on. Refuses, and removes nothing, when anything else is at the path. */
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
