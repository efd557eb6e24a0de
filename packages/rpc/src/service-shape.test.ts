/** Messages that are too much, between real clients and servers: they end their call, and nothing else. */
import { connect as http2Connect } from "node:http2";
import { Client, credentials, type MethodDefinition, Server, ServerCredentials } from "@grpc/grpc-js";
import { systemClock } from "@lifeline/measure";
import { queryPb, reportPb, witnessPb } from "@lifeline/wire";
import { afterEach, describe, expect, it } from "vitest";
import { admitAll } from "./admission.ts";
import { createRpcClient } from "./rpc-client.ts";
import { RpcStatus } from "./rpc-error.ts";
import { addService, createRpcServer, listen, shutDown } from "./rpc-server.ts";
import { CHANNEL_LIMITS, methodDefinition } from "./service-shape.ts";

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** So many empty fields of that number: two bytes each, and an object each where they are messages. */
const empties = (number: number, count: number) => Buffer.alloc(2 * count, Uint8Array.of(number * 8 + 2, 0));

/** A field of bytes within a message. */
function within(number: number, body: Buffer): Buffer {
  const length: number[] = [];
  for (let rest = body.length; ; rest = Math.floor(rest / 128)) {
    length.push(rest < 128 ? rest : (rest % 128) + 128);
    if (rest < 128) return Buffer.concat([Uint8Array.from([number * 8 + 2, ...length]), body]);
  }
}

const MILLION = 1_000_000;
const PLAN_OF_EMPTY_TARGETS = within(1, empties(3, 2 * MILLION));
const ACK_OF_EMPTY_KEYS = within(2, empties(1, 2 * MILLION));

/** The memory that this process has taken since the first call, MB. */
function growthMb(): () => number {
  const beforeKb = process.resourceUsage().maxRSS;
  return () => (process.resourceUsage().maxRSS - beforeKb) / 1_000;
}

/** Each of those messages built is more than a gigabyte; buffers of the message itself are some of 4 MiB. */
const GROWTH_MAX_MB = 300;

describe("a server", () => {
  async function start() {
    const taken: string[] = [];
    const defects: unknown[] = [];
    const server = createRpcServer();
    const onDefect = (_: string, error: unknown) => defects.push(error);
    const witness = async () => {
      taken.push("witness");
      return {};
    };
    addService(server, witnessPb.WitnessService, { witness }, onDefect, admitAll);
    const stream = async (requests: AsyncIterable<reportPb.StreamRequest>) => {
      for await (const { message } of requests) taken.push(message.case ?? "nothing");
    };
    addService(server, reportPb.ReportService, { stream }, onDefect, admitAll);
    const port = await listen(server, "127.0.0.1:0", ServerCredentials.createInsecure());
    closers.push(() => shutDown(server, 100, (ms, wake) => systemClock.after(ms, wake)));
    return { port, taken, defects };
  }

  /** A client that sends bytes. */
  function rawClient(port: number) {
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), CHANNEL_LIMITS);
    closers.push(() => client.close());
    return client;
  }
  const same = (bytes: Buffer) => bytes;

  it("ends a unary call whose message decodes to too much, and answers the next", async () => {
    const { port, taken, defects } = await start();
    const client = rawClient(port);
    const { path } = methodDefinition(witnessPb.WitnessService.method.witness);
    const call = (bytes: Buffer) =>
      new Promise<number | undefined>((resolve) => {
        client.makeUnaryRequest(path, same, same, bytes, (error) => resolve(error?.code));
      });
    const growth = growthMb();
    expect(await call(empties(4, 2 * MILLION))).toBe(RpcStatus.INVALID_ARGUMENT);
    expect(growth()).toBeLessThan(GROWTH_MAX_MB);
    expect(await call(Buffer.alloc(0))).toBe(undefined);
    expect(taken).toEqual(["witness"]);
    expect(defects).toEqual([]);
  });

  it("ends each of many bidirectional calls whose message decodes to too much", async () => {
    const { port, taken, defects } = await start();
    const { path } = methodDefinition(reportPb.ReportService.method.stream);
    const growth = growthMb();
    const streams = Array.from({ length: 4 }, () => {
      const call = rawClient(port).makeBidiStreamRequest(path, same, same);
      const ended = new Promise((resolve) => call.once("status", ({ code }) => resolve(code)));
      call.on("error", () => {});
      call.on("data", () => {});
      for (let times = 0; times < 3; times += 1) call.write(within(1, empties(11, MILLION)));
      return ended;
    });
    expect(await Promise.all(streams)).toEqual(streams.map(() => RpcStatus.INVALID_ARGUMENT));
    expect(growth()).toBeLessThan(GROWTH_MAX_MB);
    expect(taken).toEqual([]);
    // The handler sees the end of the call, as when a client disconnects.
    expect(defects).toEqual([]);
  });

  it("ends one call for many such messages in one frame", async () => {
    const { port, taken } = await start();
    const session = http2Connect(`http://127.0.0.1:${port}`);
    session.on("error", () => {});
    closers.push(() => session.destroy());
    const stream = session.request({
      ":method": "POST",
      ":path": methodDefinition(reportPb.ReportService.method.stream).path,
      "content-type": "application/grpc",
      te: "trailers",
    });
    stream.on("error", () => {});
    const status = new Promise((resolve) => {
      for (const event of ["response", "trailers"] as const) {
        stream.on(event, (headers: Record<string, unknown>) => {
          if (headers["grpc-status"] !== undefined) resolve(Number(headers["grpc-status"]));
        });
      }
    });
    stream.resume();
    const malformed = within(1, empties(11, 513));
    const head = Buffer.alloc(5);
    head.writeUInt32BE(malformed.length, 1);
    stream.write(Buffer.concat(new Array<Buffer>(10).fill(Buffer.concat([head, malformed]))));
    expect(await status).toBe(RpcStatus.INVALID_ARGUMENT);
    const other = createRpcClient(witnessPb.WitnessService, `127.0.0.1:${port}`, credentials.createInsecure());
    closers.push(() => other.close());
    await other.unary("witness", {}, { timeoutMs: 5_000 });
    expect(taken).toEqual(["witness"]);
  });
});

describe("a client", () => {
  /** A server that answers with bytes. */
  async function start(answer: Buffer): Promise<string> {
    const server = new Server(CHANNEL_LIMITS);
    const answering = (definition: MethodDefinition<object, object>) => ({
      ...definition,
      responseSerialize: () => answer,
    });
    server.addService({ listVerdicts: answering(methodDefinition(queryPb.QueryService.method.listVerdicts)) }, {
      listVerdicts: (_: unknown, done: (error: null, answer: object) => void) => done(null, {}),
    } as never);
    server.addService({ stream: answering(methodDefinition(reportPb.ReportService.method.stream)) }, {
      stream: (call: { write(answer: object): void }) => {
        for (let times = 0; times < 3; times += 1) call.write({});
      },
    } as never);
    const port = await listen(server, "127.0.0.1:0", ServerCredentials.createInsecure());
    closers.push(() => server.forceShutdown());
    return `127.0.0.1:${port}`;
  }

  it("fails a unary call whose answer decodes to too much, and names the field", async () => {
    const address = await start(empties(2, 2 * MILLION));
    const client = createRpcClient(queryPb.QueryService, address, credentials.createInsecure());
    closers.push(() => client.close());
    const growth = growthMb();
    await expect(client.unary("listVerdicts", {}, { timeoutMs: 5_000 })).rejects.toMatchObject({
      name: "RpcError",
      code: RpcStatus.INTERNAL,
      message: expect.stringContaining("rows: got 10001 entries or more, want at most 10000"),
    });
    expect(growth()).toBeLessThan(GROWTH_MAX_MB);
  });

  it.each([
    [
      "a plan of two million targets",
      PLAN_OF_EMPTY_TARGETS,
      "plan.targets: got 1025 entries or more, want at most 1024",
    ],
    ["an ack of two million keys", ACK_OF_EMPTY_KEYS, "ack.reports: got 1025 entries or more, want at most 1024"],
  ])("fails a bidirectional call for %s, and names the field", async (_, answer, why) => {
    const address = await start(answer);
    const client = createRpcClient(reportPb.ReportService, address, credentials.createInsecure());
    closers.push(() => client.close());
    const growth = growthMb();
    const taken: unknown[] = [];
    const reading = (async () => {
      for await (const response of client.duplex("stream").responses) taken.push(response);
    })();
    await expect(reading).rejects.toMatchObject({ code: RpcStatus.INTERNAL, message: expect.stringContaining(why) });
    expect(growth()).toBeLessThan(GROWTH_MAX_MB);
    expect(taken).toEqual([]);
  });
});
