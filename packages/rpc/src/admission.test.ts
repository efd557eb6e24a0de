import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from "node:http2";
import { deflateSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { ServerCredentials } from "@grpc/grpc-js";
import { manualClock, systemClock } from "@lifeline/measure";
import { queryPb, reportPb } from "@lifeline/wire";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type Admit, admitAll, REQUEST_TIMEOUT_MS } from "./admission.ts";
import { MessageGatherer } from "./received-bytes.ts";
import { RpcError, RpcStatus } from "./rpc-error.ts";
import { addService, createRpcServer, listen, type ServiceImplementation, shutDown } from "./rpc-server.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const LIST_NODES = "/lifeline.v1.QueryService/ListNodes";
const STREAM = "/lifeline.v1.ReportService/Stream";

async function serving(admit: Admit<unknown>, withPrincipal: (principal: unknown) => void = () => {}) {
  const clock = manualClock(0);
  const timers = new Set<object>();
  const after = (ms: number, wake: () => void) => {
    const timer = clock.after(ms, wake);
    timers.add(timer);
    const cancel = () => {
      timers.delete(timer);
      timer.cancel();
    };
    return { cancel };
  };
  const server = createRpcServer("unauthenticated", { after });
  const defects: unknown[] = [];
  const onDefect = (_: string, error: unknown) => defects.push(error);
  const none = async () => ({});
  const listNodes: ServiceImplementation<typeof queryPb.QueryService>["listNodes"] = async (_, { principal }) => {
    withPrincipal(principal);
    return {};
  };
  const queries = { listVerdicts: none, listNodes, getNode: none, listIncidents: none, listHistory: none };
  addService(server, queryPb.QueryService, queries, onDefect, admit);
  const stream: ServiceImplementation<typeof reportPb.ReportService>["stream"] = async (requests) => {
    for await (const _ of requests);
  };
  addService(server, reportPb.ReportService, { stream }, onDefect, admit);
  const port = await listen(server, "127.0.0.1:0", ServerCredentials.createInsecure());
  closers.push(() => shutDown(server, 0, (ms, wake) => systemClock.after(ms, wake)));
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  closers.push(() => session.destroy());
  return { session, clock, timers, defects };
}

function call(session: ClientHttp2Session, path: string, more: Record<string, string> = {}): ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    ...more,
  });
  return stream.on("error", () => {}).resume();
}

/** A gRPC frame (grpc/grpc doc/PROTOCOL-HTTP2.md, length-prefixed message). */
function frame(message: Uint8Array, isCompressed = false): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(isCompressed ? 1 : 0);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

const headersOf = async (stream: ClientHttp2Stream) => (await once(stream, "response"))[0] as IncomingHttpHeaders;
const statusOf = async (stream: ClientHttp2Stream) => Number((await headersOf(stream))["grpc-status"]);

/** Not a message: a server that decodes it answers INTERNAL. */
const UNREADABLE = frame(Buffer.from("ffff", "hex"));

describe("a call", () => {
  it.each([LIST_NODES, STREAM])("of %s that is not admitted is refused before its request is read", async (path) => {
    const { session } = await serving(() => {
      throw new RpcError(RpcStatus.PERMISSION_DENIED, "unknown");
    });
    const stream = call(session, path);
    // The request never ends, and the server must not read it.
    stream.write(UNREADABLE);
    const headers = await headersOf(stream);
    expect(headers["grpc-status"]).toBe(String(RpcStatus.PERMISSION_DENIED));
    expect(headers["grpc-message"]).toBe("unknown");
  });

  it("that is refused leaves no stream open, although its request has not ended", async () => {
    const { session } = await serving(() => {
      throw new RpcError(RpcStatus.PERMISSION_DENIED, "unknown");
    });
    const stream = call(session, STREAM);
    const closed = once(stream, "close");
    stream.write(frame(new Uint8Array(8)));
    await closed;
    expect(stream.rstCode).toBe(0);
  });

  it("gathers each message in a buffer of its own", async () => {
    const gathered = vi.spyOn(MessageGatherer.prototype, "write");
    closers.push(() => gathered.mockRestore());
    const { session } = await serving(admitAll);
    const stream = call(session, LIST_NODES);
    stream.end(frame(Buffer.alloc(0)));
    await once(stream, "end");
    expect(gathered).toHaveBeenCalledWith(frame(Buffer.alloc(0)));
  });

  it("of a method that was added without addService is refused", async () => {
    const server = createRpcServer();
    const raw = (bytes: Buffer) => bytes;
    const Get = {
      path: "/a.Service/Get",
      requestStream: false,
      responseStream: false,
      requestSerialize: raw,
      requestDeserialize: raw,
      responseSerialize: raw,
      responseDeserialize: raw,
    };
    server.addService({ Get }, { Get: () => expect.unreachable() });
    const port = await listen(server, "127.0.0.1:0", ServerCredentials.createInsecure());
    closers.push(() => shutDown(server, 0, (ms, wake) => systemClock.after(ms, wake)));
    const session = connect(`http://127.0.0.1:${port}`);
    closers.push(() => session.destroy());
    expect(await statusOf(call(session, Get.path))).toBe(RpcStatus.PERMISSION_DENIED);
  });

  it("whose admission throws a defect is answered INTERNAL, without the defect's text", async () => {
    const { session, defects } = await serving(() => {
      throw new TypeError("secret");
    });
    const headers = await headersOf(call(session, LIST_NODES));
    expect(headers["grpc-status"]).toBe(String(RpcStatus.INTERNAL));
    expect(headers["grpc-message"]).not.toContain("secret");
    expect(defects).toEqual([new TypeError("secret")]);
  });

  it("is not read until it is admitted", async () => {
    let decide: ((principal: string) => void) | undefined;
    const principals: unknown[] = [];
    const { session } = await serving(
      () => new Promise((resolve) => (decide = resolve)),
      (principal) => principals.push(principal),
    );
    const stream = call(session, LIST_NODES);
    stream.end(frame(new Uint8Array()));
    const answered = once(stream, "response");
    await vi.waitFor(() => expect(decide).toBeDefined());
    expect(principals).toEqual([]);
    decide?.("ada");
    await answered;
    expect(principals).toEqual(["ada"]);
  });

  it.each([
    ["gzip", LIST_NODES],
    ["deflate", STREAM],
    ["br", LIST_NODES],
  ])("with grpc-encoding %s is refused; the answer names identity as accepted", async (encoding, path) => {
    const { session } = await serving(admitAll);
    const stream = call(session, path, { "grpc-encoding": encoding });
    stream.write(frame(deflateSync(Buffer.alloc(1_000_000)), true));
    const headers = await headersOf(stream);
    expect(headers["grpc-status"]).toBe(String(RpcStatus.UNIMPLEMENTED));
    expect(headers["grpc-accept-encoding"]).toBe("identity");
  });

  it("with grpc-encoding identity is served; the answer names no other encoding", async () => {
    const { session } = await serving(admitAll);
    const stream = call(session, LIST_NODES, { "grpc-encoding": "identity" });
    stream.end(frame(toBinary(queryPb.ListNodesRequestSchema, create(queryPb.ListNodesRequestSchema))));
    expect((await headersOf(stream))["grpc-accept-encoding"]).toBe("identity");
  });

  it("of a unary method ends when its request is incomplete at the timeout; a stream does not", async () => {
    let admitted = 0;
    const { session, clock } = await serving(() => admitted++);
    const unary = call(session, LIST_NODES);
    const stream = call(session, STREAM);
    let hasEnded = false;
    stream.on("response", () => (hasEnded = true));
    unary.write(frame(new Uint8Array(8)).subarray(0, 7));
    stream.write(frame(new Uint8Array()));
    const status = statusOf(unary);
    await vi.waitFor(() => expect(admitted).toBe(2));
    clock.advance(REQUEST_TIMEOUT_MS);
    expect(await status).toBe(RpcStatus.DEADLINE_EXCEEDED);
    expect(hasEnded).toBe(false);
  });

  it("of a unary method keeps no timer once its request is complete or cancelled", async () => {
    const { session, timers } = await serving(admitAll);
    const answered = call(session, LIST_NODES);
    const ended = once(answered, "end");
    answered.end(frame(new Uint8Array()));
    await ended;
    await vi.waitFor(() => expect(timers.size).toBe(0));
    const givenUp = call(session, LIST_NODES);
    givenUp.write(frame(new Uint8Array()));
    await vi.waitFor(() => expect(timers.size).toBe(1));
    givenUp.close();
    await vi.waitFor(() => expect(timers.size).toBe(0));
  });
});
