import { once } from "node:events";
import { connect as connectTcp, createServer, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { manualClock } from "@lifeline/measure";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { HELLO_MAX_BYTES, peekClientHello, readClientHello } from "./client-hello.ts";

const server = createServer().listen(0, "127.0.0.1");
const opened: Socket[] = [];
afterEach(() => {
  for (const socket of opened.splice(0)) socket.destroy();
  server.unref();
});

async function accepted(start: (port: number) => Socket): Promise<{ near: Socket; far: Socket }> {
  if (!server.listening) await once(server, "listening");
  const arriving = once(server, "connection");
  const far = start((server.address() as { port: number }).port).on("error", () => undefined);
  const [near] = (await arriving) as [Socket];
  opened.push(near, far);
  return { near, far };
}

const shake = (options: ConnectionOptions) =>
  accepted((port) => connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false, ...options }));

/** The bytes of a ClientHello that Node sends. */
async function captured(options: ConnectionOptions): Promise<Buffer> {
  const { near } = await shake(options);
  await peekClientHello(near, manualClock(0));
  return near.read() as Buffer;
}

describe("a ClientHello", () => {
  it.each([
    [
      { servername: "omni.lab.test", ALPNProtocols: ["h2", "http/1.1"] },
      { serverName: "omni.lab.test", alpn: ["h2", "http/1.1"] },
    ],
    [
      { servername: "ghcr.io", maxVersion: "TLSv1.2" },
      { serverName: "ghcr.io", alpn: [] },
    ],
    [{ servername: "" }, { serverName: undefined, alpn: [] }],
  ] as const)("of %j is read, and left in the socket", async (options, hello) => {
    const { near } = await shake(options as unknown as ConnectionOptions);
    expect(await peekClientHello(near, manualClock(0))).toEqual(hello);
    expect(near.readableLength).toBeGreaterThan(100);
  });

  it("is awaited while it is incomplete, at every length, and never longer", async () => {
    const bytes = await captured({ servername: "omni.lab.test" });
    for (let size = 0; size < bytes.length; size += 1) {
      expect(readClientHello(bytes.subarray(0, size))).toEqual({ kind: "incomplete" });
    }
    expect(readClientHello(bytes)).toMatchObject({ kind: "hello", hello: { serverName: "omni.lab.test" } });
  });

  it("with any byte wrong is read or refused, and never throws", async () => {
    const bytes = await captured({ servername: "omni.lab.test", ALPNProtocols: ["h2"] });
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        const wrong = Buffer.from(bytes);
        wrong[at] = value;
        expect(["hello", "incomplete", "not-tls"]).toContain(readClientHello(wrong).kind);
      }),
    );
  });

  it("longer than a record is refused by its length alone", () => {
    const header = Buffer.from([22, 3, 1, 0, 0]);
    header.writeUInt16BE(HELLO_MAX_BYTES - 4, 3);
    expect(readClientHello(header)).toEqual({ kind: "not-tls" });
  });

  it("that never arrives is abandoned after a timeout, and at once when the peer disconnects", async () => {
    const clock = manualClock(0);
    const silent = await accepted((port) => connectTcp({ host: "127.0.0.1", port }));
    const waiting = peekClientHello(silent.near, clock);
    clock.advance(10_000);
    expect(await waiting).toBeUndefined();
    const leaving = await accepted((port) => connectTcp({ host: "127.0.0.1", port }));
    leaving.far.end();
    expect(await peekClientHello(leaving.near, clock)).toBeUndefined();
  });
});
