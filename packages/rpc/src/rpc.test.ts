import { getEventListeners } from "node:events";
import { connect as http2Connect } from "node:http2";
import { connect } from "node:net";
import { create } from "@bufbuild/protobuf";
import { credentials, ServerCredentials } from "@grpc/grpc-js";
import { systemClock } from "@lifeline/measure";
import { queryPb, reportPb } from "@lifeline/wire";
import { afterEach, describe, expect, it } from "vitest";
import { type Admit, admitAll } from "./admission.ts";
import { createRpcClient } from "./rpc-client.ts";
import { RpcError, RpcStatus } from "./rpc-error.ts";
import {
  addService,
  type CallContext,
  type Clientele,
  createRpcServer,
  listen,
  type ServiceImplementation,
  shutDown,
} from "./rpc-server.ts";

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

type Stream = ServiceImplementation<typeof reportPb.ReportService>["stream"];

async function start(
  stream: Stream,
  query: Partial<ServiceImplementation<typeof queryPb.QueryService>> = {},
  clientele: Clientele = "local",
  admit: Admit<unknown> = admitAll,
) {
  const defects: unknown[] = [];
  const server = createRpcServer(clientele);
  const missing = async () => {
    throw new RpcError(RpcStatus.UNIMPLEMENTED, "not in this test");
  };
  addService(server, reportPb.ReportService, { stream }, (_, error) => defects.push(error), admit);
  addService(
    server,
    queryPb.QueryService,
    {
      listVerdicts: missing,
      listNodes: missing,
      getNode: missing,
      listIncidents: missing,
      listHistory: missing,
      ...query,
    },
    (_, error) => defects.push(error),
    admit,
  );
  const port = await listen(server, "127.0.0.1:0", ServerCredentials.createInsecure());
  closers.push(() => shutDown(server, 100, (ms, wake) => systemClock.after(ms, wake)));
  const address = `127.0.0.1:${port}`;
  const reports = createRpcClient(reportPb.ReportService, address, credentials.createInsecure());
  const queries = createRpcClient(queryPb.QueryService, address, credentials.createInsecure());
  closers.push(
    () => reports.close(),
    () => queries.close(),
  );
  return { reports, queries, defects, port };
}

const report = (sequence: bigint) => ({
  message: { case: "report" as const, value: { bootId: new Uint8Array(16), sequence, report: new Uint8Array(8) } },
});
const echo: Stream = async (requests, respond) => {
  for await (const { message } of requests) {
    if (message.case === "report")
      await respond({ message: { case: "ack", value: { reports: [{ sequence: message.value.sequence }] } } });
  }
};

async function sequences(responses: AsyncIterable<reportPb.StreamResponse>): Promise<bigint[]> {
  const seen: bigint[] = [];
  for await (const { message } of responses)
    if (message.case === "ack") seen.push(...message.value.reports.map((key) => key.sequence));
  return seen;
}

describe("a bidirectional call", () => {
  it("carries every message both ways, in order, and ends when both sides have ended", async () => {
    const { reports } = await start(echo);
    const call = reports.duplex("stream");
    const answers = sequences(call.responses);
    for (let at = 1n; at <= 500n; at++) await call.send(report(at));
    call.finish();
    expect(await answers).toEqual(Array.from({ length: 500 }, (_, at) => BigInt(at + 1)));
  });

  it("makes the sender wait while the server does not read", async () => {
    let release = () => {};
    const { reports } = await start(async (requests, respond) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      await echo(requests, respond, {} as CallContext);
    });
    const call = reports.duplex("stream");
    const answers = sequences(call.responses);
    const big = {
      message: {
        case: "report" as const,
        value: { bootId: new Uint8Array(16), sequence: 1n, report: new Uint8Array(256 * 1024) },
      },
    };
    let sent = 0;
    const sending = (async () => {
      for (; sent < 64; sent++) await call.send(big);
    })();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(sent).toBeLessThan(64);
    release();
    await sending;
    call.finish();
    expect(await answers).toHaveLength(64);
  });

  it("lets any number of senders wait for room with one listener", async () => {
    const warnings: Error[] = [];
    const note = (warning: Error) => warnings.push(warning);
    process.on("warning", note);
    closers.push(() => void process.off("warning", note));
    const { reports } = await start(echo);
    const call = reports.duplex("stream");
    const answers = sequences(call.responses);
    await Promise.all(Array.from({ length: 50 }, (_, at) => call.send(report(BigInt(at)))));
    call.finish();
    expect(await answers).toHaveLength(50);
    expect(warnings).toEqual([]);
  });

  it("rejects with the code of the server's status", async () => {
    const { reports } = await start(async () => {
      throw new RpcError(RpcStatus.PERMISSION_DENIED, "node_id: not yours");
    });
    const call = reports.duplex("stream");
    await expect(sequences(call.responses)).rejects.toMatchObject({
      code: RpcStatus.PERMISSION_DENIED,
      message: "node_id: not yours",
    });
    await expect(call.send(report(1n))).rejects.toBeInstanceOf(RpcError);
  });

  it("reports a defect to onDefect; the caller receives only its code", async () => {
    const { reports, defects } = await start(async () => {
      throw new TypeError("secret detail");
    });
    await expect(sequences(reports.duplex("stream").responses)).rejects.toMatchObject({
      code: RpcStatus.INTERNAL,
      message: "internal error",
    });
    expect(defects).toHaveLength(1);
  });

  it("rejects with the status of an error that was thrown while requests are read", async () => {
    const { reports, defects } = await start(async (requests) => {
      for await (const { message } of requests) {
        if (message.case === "report") throw new RpcError(RpcStatus.RESOURCE_EXHAUSTED, "enough");
      }
    });
    const call = reports.duplex("stream");
    const answers = sequences(call.responses);
    await call.send(report(1n));
    await expect(answers).rejects.toMatchObject({ code: RpcStatus.RESOURCE_EXHAUSTED, message: "enough" });
    expect(defects).toEqual([]);
  });

  it("aborts the server's side when the client cancels", async () => {
    let ended: () => void = () => {};
    const aborted = new Promise<void>((resolve) => {
      ended = resolve;
    });
    const { reports } = await start(async (requests, _, { signal }) => {
      signal.addEventListener("abort", () => ended());
      for await (const request of requests) void (request satisfies reportPb.StreamRequest);
      await new Promise(() => {});
    });
    const call = reports.duplex("stream");
    const answers = sequences(call.responses).catch((error: RpcError) => error.code);
    await call.send(report(1n));
    await new Promise((resolve) => setTimeout(resolve, 50));
    call.cancel();
    await aborted;
    expect(await answers).toBe(RpcStatus.CANCELLED);
  });

  it("fails with UNAVAILABLE when the port is closed", async () => {
    const client = createRpcClient(reportPb.ReportService, "127.0.0.1:1", credentials.createInsecure());
    closers.push(() => client.close());
    await expect(sequences(client.duplex("stream").responses)).rejects.toMatchObject({ code: RpcStatus.UNAVAILABLE });
  });

  it("refuses a message above the limit, and the server goes on", async () => {
    const { reports, port } = await start(echo);
    const call = reports.duplex("stream");
    const answers = sequences(call.responses);
    const huge = {
      message: {
        case: "report" as const,
        value: { bootId: new Uint8Array(16), sequence: 1n, report: new Uint8Array(5 * 1024 * 1024) },
      },
    };
    call.send(huge).catch(() => {});
    await expect(answers).rejects.toMatchObject({ code: RpcStatus.RESOURCE_EXHAUSTED });
    await new Promise<void>((resolve, reject) => connect(port, "127.0.0.1", resolve).once("error", reject).unref());
  });
});

describe("a connection whose client does not read its answers", () => {
  it("has one answer kept for each of its streams at most (S2)", async () => {
    const megabyte = "x".repeat(1024 * 1024);
    let answered = 0;
    const { port } = await start(
      echo,
      {
        async listNodes() {
          answered++;
          return create(queryPb.ListNodesResponseSchema, { nodes: [{ hostname: megabyte }] });
        },
      },
      "authenticated",
    );
    // The window is zero: the server may send no byte of any answer.
    const session = http2Connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 0 } });
    session.on("error", () => {});
    closers.push(() => session.destroy());
    for (let sent = 0; sent < 60; sent++) {
      const call = session.request({
        ":method": "POST",
        ":path": "/lifeline.v1.QueryService/ListNodes",
        "content-type": "application/grpc",
        te: "trailers",
      });
      call.on("error", () => {});
      call.end(Buffer.alloc(5));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    // The other calls wait in the client for a stream.
    expect(answered).toBe(4);
  });
});

describe("a unary call", () => {
  it("carries a typed request and response", async () => {
    const { queries } = await start(echo, {
      listNodes: async ({ pageSize }) => ({ generatedUnixMs: BigInt(pageSize), nodes: [{ nodeId: "n1" }] }),
    });
    const response = await queries.unary("listNodes", { pageSize: 7 }, { timeoutMs: 2_000 });
    expect(response).toEqual(
      create(queryPb.ListNodesResponseSchema, { generatedUnixMs: 7n, nodes: [{ nodeId: "n1" }] }),
    );
  });

  it.each([
    ["nothing", undefined, undefined],
    ["a token", "s3cret.with-dots_and~tildes", "s3cret.with-dots_and~tildes"],
    ["text that is not a token", "two words", undefined],
  ])("passes the caller's bearer token: %s", async (_, bearerToken, expected) => {
    const tokens: unknown[] = [];
    const { queries } = await start(echo, {
      listNodes: async (_request, context) => {
        tokens.push(context.bearerToken);
        return create(queryPb.ListNodesResponseSchema);
      },
    });
    await queries.unary("listNodes", {}, { timeoutMs: 5_000, ...(bearerToken === undefined ? {} : { bearerToken }) });
    expect(tokens).toEqual([expected]);
  });

  it("ends when its signal aborts, before or after its start, and leaves no listener", async () => {
    const { queries } = await start(echo, { listNodes: () => new Promise(() => {}) });
    const abort = new AbortController();
    const call = queries.unary("listNodes", {}, { timeoutMs: 5_000, signal: abort.signal });
    abort.abort();
    await expect(call).rejects.toMatchObject({ code: RpcStatus.CANCELLED });
    await expect(queries.unary("listNodes", {}, { timeoutMs: 5_000, signal: abort.signal })).rejects.toMatchObject({
      code: RpcStatus.CANCELLED,
    });
    const { queries: quick } = await start(echo, { listNodes: async () => ({}) });
    const kept = new AbortController();
    await quick.unary("listNodes", {}, { timeoutMs: 5_000, signal: kept.signal });
    await new Promise((resolve) => setImmediate(resolve));
    expect(getEventListeners(kept.signal, "abort")).toEqual([]);
  });

  it("ends at its deadline", async () => {
    const { queries } = await start(echo, { listNodes: () => new Promise(() => {}) });
    await expect(queries.unary("listNodes", {}, { timeoutMs: 50 })).rejects.toMatchObject({
      code: RpcStatus.DEADLINE_EXCEEDED,
    });
  });
});
