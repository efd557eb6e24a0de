/** What a flood sends on one connection. */
import { randomBytes } from "node:crypto";
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2, constants } from "node:http2";
import type { Socket } from "node:net";
import { systemClock } from "@lifeline/measure";
import type { FloodRequest, FloodTraffic } from "./flood.ts";
import { batchOf, CONNECTION_PREFACE } from "./http2-frames.ts";
import { field, framed, numberField } from "./message-bytes.ts";

/** Whether each call is followed by another, and the counts to add to. */
export interface TrafficParts {
  readonly again: boolean;
  readonly account: { calls: number; statuses: Record<string, number> };
}

/** Sends until the socket is closed. */
export function sendTraffic(socket: Socket, traffic: FloodTraffic, parts: TrafficParts): void {
  if (traffic.kind === "frames") sendFrames(socket, traffic);
  else if (traffic.kind === "reports") sendReports(socket, traffic, parts);
  else new Caller(socket, traffic, parts).begin();
}

function sendReports(
  socket: Socket,
  { nodeId, report, reads = true }: Extract<FloodTraffic, { kind: "reports" }>,
  { account }: TrafficParts,
): void {
  const settings = reads ? {} : { initialWindowSize: 0 };
  const session = connectHttp2("http://collector", { createConnection: () => socket, settings });
  session.on("error", () => {});
  const path = "/lifeline.v1.ReportService/Stream";
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => {});
  if (reads) stream.resume();
  const bootId = field(2, randomBytes(16));
  stream.write(framed(field(1, Buffer.concat([field(1, nodeId), bootId, numberField(5, 2), numberField(6, 4)]))));
  const envelope = (sequence: number) =>
    framed(
      field(
        2,
        Buffer.concat([
          field(1, bootId.subarray(2)),
          numberField(2, sequence),
          field(3, Buffer.from(report, "base64")),
        ]),
      ),
    );
  const go = () => {
    do account.calls += 1;
    while (!stream.destroyed && stream.write(envelope(account.calls)));
  };
  stream.on("drain", go);
  go();
}

function sendFrames(socket: Socket, { flood, reads = true }: Extract<FloodTraffic, { kind: "frames" }>): void {
  if (reads) socket.resume();
  else socket.pause();
  socket.write(CONNECTION_PREFACE);
  let nth = 0;
  const go = () => {
    while (!socket.destroyed && socket.write(batchOf(flood, nth))) nth += 1;
    nth += 1;
  };
  socket.on("drain", go);
  go();
}

class Caller {
  readonly #socket: Socket;
  readonly #session: ClientHttp2Session;
  readonly #traffic: Extract<FloodTraffic, { kind: "calls" }>;
  readonly #parts: TrafficParts;

  constructor(socket: Socket, traffic: Extract<FloodTraffic, { kind: "calls" }>, parts: TrafficParts) {
    this.#socket = socket;
    this.#traffic = traffic;
    this.#parts = parts;
    const settings = traffic.reads === false ? { initialWindowSize: 0 } : {};
    this.#session = connectHttp2("http://collector", { createConnection: () => socket, settings });
    this.#session.on("error", () => {});
  }

  begin(): void {
    for (let at = 0; at < this.#traffic.streams; at += 1) this.#call();
  }

  #call(): void {
    const { requests, pauseMs = 0 } = this.#traffic;
    // Counted over all connections, so that each request has its turn where a connection makes few.
    const request = requests[this.#parts.account.calls % requests.length];
    if (request === undefined || this.#session.destroyed || this.#session.closed) return;
    const headers = { ":method": "POST", ":path": request.path, "content-type": "application/grpc", te: "trailers" };
    const stream = this.#session.request({ ...headers, ...request.headers }, { endStream: false });
    this.#parts.account.calls += 1;
    stream.on("error", () => {});
    this.#countEnd(stream);
    write(stream, request);
    if (this.#parts.again) stream.once("close", () => systemClock.after(pauseMs, () => this.#call()));
  }

  /** Counts a call once: when its status arrives, or when it ends without one. */
  #countEnd(stream: ClientHttp2Stream): void {
    let isCounted = false;
    const count = (status: string) => {
      if (isCounted) return;
      isCounted = true;
      const { statuses } = this.#parts.account;
      statuses[status] = (statuses[status] ?? 0) + 1;
    };
    const note = (headers: Record<string, unknown>) => {
      if (headers["grpc-status"] === undefined) return;
      count(String(headers["grpc-status"]));
      // A caller that never finishes its request holds the stream after the answer as well.
      if (this.#parts.again) stream.close(constants.NGHTTP2_CANCEL);
    };
    stream.on("response", note);
    stream.on("trailers", note);
    if (this.#traffic.reads !== false) stream.resume();
    stream.once("close", () => {
      // What a stream without an end is reset with depends on how its connection ended.
      if (this.#socket.destroyed) count("cut");
      else count(stream.rstCode === 0 ? "none" : `reset ${stream.rstCode}`);
    });
  }
}

function write(stream: ClientHttp2Stream, { body, more, ends = false }: FloodRequest): void {
  if (body !== undefined) stream.write(Buffer.from(body, "base64"));
  if (ends) stream.end();
  if (more === undefined) return;
  const bytes = Buffer.from(more.bytes, "base64");
  const { everyMs } = more;
  const isOpen = () => !stream.destroyed && stream.writable;
  if (everyMs === undefined) {
    const go = () => {
      while (isOpen() && stream.write(bytes));
    };
    stream.on("drain", go);
    go();
    return;
  }
  const trickle = () => {
    if (!isOpen()) return;
    stream.write(bytes);
    systemClock.after(everyMs, trickle);
  };
  systemClock.after(everyMs, trickle);
}
