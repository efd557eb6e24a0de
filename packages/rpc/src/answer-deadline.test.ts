import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import { ServerCredentials } from "@grpc/grpc-js";
import { manualClock, systemClock } from "@lifeline/measure";
import { queryPb, reportPb } from "@lifeline/wire";
import { afterEach, describe, expect, it, vi } from "vitest";
import { admitAll } from "./admission.ts";
import { ANSWER_TIMEOUT_MS } from "./answer-deadline.ts";
import { addService, createRpcServer, listen, type ServiceImplementation, shutDown } from "./rpc-server.ts";

/** What an empty message takes of a stream's window, bytes (grpc/grpc doc/PROTOCOL-HTTP2.md). */
const EMPTY_BYTES = 5;

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/**
 * A server that answers each query, and sends `messages` messages on each stream. The client's first HTTP/2 window is
 * `window` bytes.
 */
async function serving({ messages = 3, window = 0 } = {}) {
  const clock = manualClock(0);
  let unread = 0;
  let aborted = 0;
  let answered = 0;
  const server = createRpcServer("unauthenticated", clock, () => unread++);
  const onDefect = (_: string, error: unknown) => {
    throw error;
  };
  const none = async () => {
    answered += 1;
    return {};
  };
  const queries = { listVerdicts: none, listNodes: none, getNode: none, listIncidents: none, listHistory: none };
  addService(server, queryPb.QueryService, queries, onDefect, admitAll);
  const stream: ServiceImplementation<typeof reportPb.ReportService>["stream"] = async (_, respond, { signal }) => {
    signal.addEventListener("abort", () => aborted++);
    for (let sent = 0; sent < messages; sent += 1) await respond({});
    answered += 1;
    await once(signal, "abort");
  };
  addService(server, reportPb.ReportService, { stream }, onDefect, admitAll);
  const port = await listen(server, "127.0.0.1:0", ServerCredentials.createInsecure());
  closers.push(() => shutDown(server, 0, (ms, wake) => systemClock.after(ms, wake)));
  const session = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: window } });
  session.on("error", () => {});
  closers.push(() => session.destroy());
  return { session, clock, seen: () => ({ unread, aborted, answered }) };
}

function call(session: ClientHttp2Session, path: string): ClientHttp2Stream {
  const headers = { ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" };
  return session
    .request(headers)
    .on("error", () => {})
    .resume();
}

const LIST_NODES = "/lifeline.v1.QueryService/ListNodes";
const STREAM = "/lifeline.v1.ReportService/Stream";

describe("an answer that the client does not read", () => {
  it.each([LIST_NODES, STREAM])(
    "of %s ends its call at the timeout, with the messages queued behind it",
    async (path) => {
      const { session, clock, seen } = await serving();
      const stream = call(session, path);
      const [begun, closed] = [once(stream, "response"), once(stream, "close")];
      if (path === LIST_NODES) stream.end(Buffer.alloc(EMPTY_BYTES));
      await vi.waitFor(() => expect(seen().answered).toBe(1));
      await begun;
      clock.advance(ANSWER_TIMEOUT_MS - 1);
      expect(seen()).toMatchObject({ unread: 0, aborted: 0 });
      clock.advance(1);
      await closed;
      expect(stream.rstCode).toBe(constants.NGHTTP2_CANCEL);
      expect(seen().unread).toBe(1);
      if (path === STREAM) await vi.waitFor(() => expect(seen().aborted).toBe(1));
    },
  );

  it("restarts the timeout with each message that the client reads", async () => {
    const { session, clock, seen } = await serving();
    const stream = call(session, STREAM);
    await once(stream, "response");
    await vi.waitFor(() => expect(seen().answered).toBe(1));
    for (const messages of [1, 2, 3]) {
      clock.advance(ANSWER_TIMEOUT_MS - 1);
      const taken = once(stream, "data");
      session.settings({ initialWindowSize: messages * EMPTY_BYTES });
      await taken;
      // The server has the settings once it answers a later ping.
      await new Promise((settle) => session.ping((_error, durationMs) => settle(durationMs)));
    }
    clock.advance(10 * ANSWER_TIMEOUT_MS);
    expect(seen()).toEqual({ unread: 0, aborted: 0, answered: 1 });
  });

  it("has no timer once it was read: a stream may stay silent for any time", async () => {
    const { session, clock, seen } = await serving({ window: 65_535 });
    const stream = call(session, STREAM);
    await once(stream, "data");
    const second = call(session, LIST_NODES);
    const ended = once(second, "close");
    second.end(Buffer.alloc(EMPTY_BYTES));
    await ended;
    await vi.waitFor(() => expect(seen().answered).toBe(2));
    await new Promise((settle) => session.ping((_error, durationMs) => settle(durationMs)));
    clock.advance(10 * ANSWER_TIMEOUT_MS);
    expect(seen()).toMatchObject({ unread: 0, aborted: 0 });
    expect(stream.closed).toBe(false);
  });
});
