import { once } from "node:events";
import { type ClientHttp2Session, connect, constants, createServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { keepOwnBytes, MessageGatherer } from "./received-bytes.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function framed(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

describe("messages that arrive in pieces", () => {
  it("are gathered unchanged, wherever they were cut", () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 2_000 }), { maxLength: 6 });
    fc.assert(
      fc.property(messages, fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1 }), (sent, cuts) => {
        const gatherer = new MessageGatherer(2_000);
        const bytes = Buffer.concat(sent.map(framed));
        const whole: Buffer[] = [];
        for (let at = 0, nth = 0; at < bytes.length; nth += 1) {
          const cut = cuts[nth % cuts.length] ?? 1;
          whole.push(...gatherer.write(bytes.subarray(at, at + cut)));
          at += cut;
        }
        expect(whole.map((one) => one.toString("hex"))).toEqual(sent.map((one) => framed(one).toString("hex")));
      }),
    );
  });

  it("are refused by their length prefix when they are too large", () => {
    const gatherer = new MessageGatherer(10);
    expect(gatherer.write(framed(Buffer.alloc(10)))).toHaveLength(1);
    expect(() => gatherer.write(framed(Buffer.alloc(11)).subarray(0, 5))).toThrow("11 vs 10");
  });

  it.each([1, 3, 8, 300])("hold no more memory than the bytes received, in pieces of %i", (bytes) => {
    const gatherer = new MessageGatherer(1_000);
    const message = framed(Buffer.alloc(1_000, "a"));
    const received = Buffer.concat([message.subarray(0, bytes), Buffer.alloc(16_384)]);
    expect(gatherer.write(received.subarray(0, bytes))).toEqual([]);
    received.fill(0);
    const [whole] = gatherer.write(message.subarray(bytes));
    expect(whole).toEqual(message);
    expect(whole?.buffer.byteLength).toBe(message.length);
  });
});

/** A call, and its stream at the server, which does not read it. */
async function called() {
  const server = createServer();
  server.on("session", (session) => closers.push(() => session.destroy()));
  const arrived = once(server, "stream") as Promise<[ServerHttp2Stream]>;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close());
  const session: ClientHttp2Session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  session.on("error", () => {});
  const call = session.request({ ":method": "POST", ":path": "/" });
  call.on("error", () => {});
  const [stream] = await arrived;
  stream.on("error", () => {});
  const smallFrames = vi.fn();
  keepOwnBytes(stream, smallFrames);
  return { call, stream, smallFrames };
}

describe("a stream that is not read", () => {
  it("keeps small frames without the buffers they arrived in", async () => {
    const { call, stream } = await called();
    call.write("first");
    call.write(Buffer.alloc(9_000));
    while (stream.readableLength < 9_005) await new Promise(setImmediate);
    const first = stream.read(5) as Buffer;
    expect(first.toString()).toBe("first");
    expect(first.buffer.byteLength).toBe(5);
  });

  it("is reset after many frames of one byte", async () => {
    const { call, stream, smallFrames } = await called();
    const closed = new Promise((resolve) => call.once("close", resolve));
    for (let at = 0; at < 2_000 && !call.destroyed; at += 1) {
      call.write("x");
      await new Promise(setImmediate);
    }
    await closed;
    expect(call.rstCode).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    expect(stream.readableLength).toBeLessThan(1_100);
    expect(smallFrames).toHaveBeenCalledOnce();
  });
});
