import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { systemClock } from "@lifeline/measure";
import { afterEach, describe, expect, it } from "vitest";
import { type FullListener, openFullListener } from "./full-listener.ts";

/** Silence that counts as nothing coming back: loopback answers in microseconds. */
const SILENCE_MS = 200;

let listener: FullListener | undefined;
afterEach(() => listener?.close());

function tryConnect(host: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket: Socket = connect({ host, port });
    const finish = (seen: string) => {
      silence.cancel();
      socket.destroy();
      resolve(seen);
    };
    const silence = systemClock.after(SILENCE_MS, () => finish("silence"));
    socket.once("connect", () => finish("connected"));
    socket.once("error", (error: NodeJS.ErrnoException) => finish(String(error.code)));
  });
}

async function freePort(host: string): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

describe("a full listener", () => {
  it.each(["127.0.0.1", "::1"])("is silent to everybody, and frees its port when closed (%s)", async (host) => {
    const port = await freePort(host);
    listener = await openFullListener(host, port);
    const seen = await Promise.all(Array.from({ length: 8 }, () => tryConnect(host, port)));
    expect(seen).toEqual(Array.from({ length: 8 }, () => "silence"));
    listener.close();
    listener.close();
    expect(await tryConnect(host, port)).toBe("ECONNREFUSED");
  });

  it("reports a port that another process holds", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await expect(openFullListener("127.0.0.1", port)).rejects.toMatchObject({
      code: "fault-unavailable",
      // EADDRINUSE is 98 (Linux include/uapi/asm-generic/errno.h).
      message: `drop: bind 127.0.0.1:${port}: errno 98`,
    });
    server.close();
  });
});
