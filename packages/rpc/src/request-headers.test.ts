import { type ClientHttp2Session, connect, constants, type OutgoingHttpHeaders } from "node:http2";
import { type Metadata, ServerCredentials } from "@grpc/grpc-js";
import { systemClock } from "@lifeline/measure";
import { afterEach, describe, expect, it } from "vitest";
import { HEADERS_MAX_BYTES } from "./request-headers.ts";
import { createRpcServer, listen, shutDown } from "./rpc-server.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A server of one method that keeps what metadata it was given. */
async function serving() {
  const overflows: string[] = [];
  const server = createRpcServer("unauthenticated", systemClock, (what) => overflows.push(what));
  const given: Metadata[] = [];
  // Past addService: what admission refuses has had its metadata made all the same.
  server.register("/test.Service/Ask", () => {}, Buffer.from, Buffer.from, "bidi");
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

/** How a call with these headers beside gRPC's own ends: its gRPC status, or the code of its reset. */
async function ending(session: ClientHttp2Session, more: OutgoingHttpHeaders): Promise<string> {
  const own = { ":method": "POST", ":path": "/test.Service/Ask", "content-type": "application/grpc", te: "trailers" };
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

  it("have no binary metadata made of them", async () => {
    const { session, given } = await serving();
    await ending(session, { "x-bin": ",".repeat(1_000), "x-text": "kept" });
    expect(given.map((metadata) => metadata.getMap())).toEqual([expect.objectContaining({ "x-text": "kept" })]);
    expect(given[0]?.get("x-bin")).toEqual([]);
  });
});
