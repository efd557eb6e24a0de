import { type ClientHttp2Session, connect, constants, type OutgoingHttpHeaders } from "node:http2";
import { connect as connectTcp } from "node:net";
import { type Metadata, ServerCredentials } from "@grpc/grpc-js";
import { systemClock } from "@lifeline/measure";
import { afterEach, describe, expect, it } from "vitest";
import { HEADERS_MAX_BYTES } from "./request-headers.ts";
import { createRpcServer, listen, shutDown } from "./rpc-server.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A server of one method, and the metadata that its interceptors are given. */
async function serving() {
  const overflows: string[] = [];
  const server = createRpcServer("unauthenticated", systemClock, (what) => overflows.push(what));
  const given: Metadata[] = [];
  // Without addService: grpc-js also parses the metadata of a call that admission refuses.
  server.register("/test.Service/Call", () => {}, Buffer.from, Buffer.from, "bidi");
  const handlers = Reflect.get(server, "interceptors") as unknown[];
  handlers.unshift((_: unknown, call: object) => {
    given.push(Reflect.get(call, "metadata") as Metadata);
    return call;
  });
  const port = await listen(server, "127.0.0.1:0", ServerCredentials.createInsecure());
  closers.push(() => shutDown(server, 0, (ms, wake) => systemClock.after(ms, wake)));
  const session = connect(`http://127.0.0.1:${port}`, { maxSendHeaderBlockLength: 1_000_000 });
  session.on("error", () => {});
  closers.push(() => session.destroy());
  return { session, given, overflows };
}

/** How a call with these headers and gRPC's own ends: its gRPC status, or the code of its reset. */
async function ending(session: ClientHttp2Session, more: OutgoingHttpHeaders): Promise<string> {
  const own = { ":method": "POST", ":path": "/test.Service/Call", "content-type": "application/grpc", te: "trailers" };
  const stream = session.request({ ...own, ...more });
  stream.on("error", () => {});
  const status = new Promise<string>((resolve) => {
    stream.once("response", (headers) => resolve(`status ${headers["grpc-status"]}`));
    stream.once("close", () => resolve(`reset ${stream.rstCode}`));
  });
  const ended = await status;
  stream.close(constants.NGHTTP2_CANCEL);
  return ended;
}

const RESET = `reset ${constants.NGHTTP2_ENHANCE_YOUR_CALM}`;

describe("a call's headers", () => {
  it.each([
    ["one large field", { "x-large": "a".repeat(HEADERS_MAX_BYTES) }],
    ["one field many times", { "x-many": Array.from({ length: 90 }, () => "a".repeat(100)) }],
    ["binary metadata", { "x-many-bin": Array.from({ length: 90 }, () => ",".repeat(100)) }],
    ["many cookies", { cookie: Array.from({ length: 90 }, () => "a".repeat(100)) }],
  ])("reset their stream when they are too large: %s", async (_, headers) => {
    const { session, given, overflows } = await serving();
    expect(await ending(session, headers)).toBe(RESET);
    expect({ given, overflows }).toEqual({ given: [], overflows: ["large-headers"] });
  });

  it("are not decoded as binary metadata", async () => {
    const { session, given } = await serving();
    await ending(session, { "x-bin": ",".repeat(1_000), "x-text": "kept" });
    expect(given.map((metadata) => metadata.getMap())).toEqual([expect.objectContaining({ "x-text": "kept" })]);
    expect(given[0]?.get("x-bin")).toEqual([]);
  });
});

/** An HTTP/2 frame (RFC 9113 §4.1). */
function http2Frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** The header block of a POST, of RFC 7541's static table and literals without indexing. */
function headerBlock(path: string, contentType: string): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
  return Buffer.concat([Buffer.from([0x83, 0x86, 0x04]), text(path), Buffer.from([0x0f, 0x10]), text(contentType)]);
}

describe("a stream that is reset in the write that opens it", () => {
  it.each([
    ["an unknown method", "/x/y", "application/grpc", 8],
    ["a content type that is not gRPC's", "/lifeline.v1.EnrolService/Enrol", "text/plain", 8],
    ["an unknown method, by INTERNAL_ERROR", "/x/y", "application/grpc", 2],
  ])("does not end the process when it calls %s", async (_, path, contentType, code) => {
    const server = createRpcServer();
    const port = await listen(server, "127.0.0.1:0", ServerCredentials.createInsecure());
    closers.push(() => shutDown(server, 0, (ms, wake) => systemClock.after(ms, wake)));
    const socket = connectTcp(port, "127.0.0.1");
    closers.push(() => socket.destroy());
    const cancel = Buffer.from([0, 0, 0, code]);
    socket.write(
      Buffer.concat([
        Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        http2Frame(4, 0, 0),
        http2Frame(1, 4, 1, headerBlock(path, contentType)),
        http2Frame(3, 0, 1, cancel),
        http2Frame(6, 0, 0, Buffer.alloc(8, 7)),
      ]),
    );
    // The server answers the PING after it has handled the frames before. An exception there would fail this test.
    let received = Buffer.alloc(0);
    await new Promise<void>((resolve) => {
      socket.on("data", (chunk) => {
        received = Buffer.concat([received, chunk]);
        if (received.includes(Buffer.alloc(8, 7))) resolve();
      });
    });
    await new Promise((resolve) => setImmediate(resolve));
  });
});
