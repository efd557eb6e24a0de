import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { MeteredSocket } from "./metered-socket.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A connection whose server side is metered; each piece of work waits until it is let go. */
async function metered(bytesMax = Number.POSITIVE_INFINITY) {
  const work: (() => void)[] = [];
  const seen = { excess: 0, firsts: 0 };
  const accepted = Promise.withResolvers<MeteredSocket>();
  const queue = {
    source: "a",
    scheduler: {
      schedule: (_: string, __: boolean, piece: () => void) => void work.push(piece),
      cancel: (_: string, piece: () => void) =>
        void work.splice(0, work.length, ...work.filter((one) => one !== piece)),
    },
  };
  const server = createServer({ pauseOnConnect: true }, (raw) => {
    accepted.resolve(
      new MeteredSocket(raw, {
        queue,
        bytesMax: () => bytesMax,
        pass(push, isFirst) {
          if (isFirst) seen.firsts += 1;
          push();
        },
        onExcess: () => (seen.excess += 1),
      }),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close());
  const peer: Socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  closers.push(() => peer.destroy());
  const socket = await accepted.promise;
  closers.push(() => socket.destroy());
  /** Runs work until the connection has ended, or no more work is queued. */
  const letGo = async (): Promise<void> => {
    while (!socket.readableEnded && !socket.destroyed) {
      work.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { socket, peer, work, seen, letGo, queue };
}

describe("a metered socket", () => {
  it("passes on all received bytes in slices and in order, then the end", async () => {
    const { socket, peer, work, seen, letGo, queue } = await metered();
    socket.authenticate(queue);
    const sent = Array.from({ length: 3_000 }, (_, at) => `${at};`).join("");
    peer.end(sent);
    const received = text(socket);
    // The end has arrived; the bytes before it are still queued.
    while (work.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await letGo();
    expect(await received).toBe(sent);
    expect(seen).toEqual({ excess: 0, firsts: 1 });
  });

  it("passes no byte beyond its bound, and reports that once", async () => {
    const { socket, peer, work, seen } = await metered(4_096);
    let bytes = 0;
    socket.on("data", (chunk: Buffer) => (bytes += chunk.length));
    peer.write(Buffer.alloc(10_000));
    while (seen.excess === 0) {
      work.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(bytes).toBeLessThanOrEqual(4_096);
    expect(work).toEqual([]);
  });

  it("is scheduled by the authenticated queue once its peer is authenticated", async () => {
    const { socket, peer, work, letGo } = await metered(100);
    const received = text(socket);
    peer.write("unproven ");
    while (work.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const sources: string[] = [];
    const scheduler = {
      schedule(source: string, _: boolean, piece: () => void) {
        sources.push(source);
        piece();
      },
      cancel() {},
    };
    socket.authenticate({ scheduler, source: "key" });
    expect(work).toEqual([]);
    peer.end("x".repeat(1_000));
    await letGo();
    expect(await received).toBe(`unproven ${"x".repeat(1_000)}`);
    expect(new Set(sources)).toEqual(new Set(["key"]));
  });
});
