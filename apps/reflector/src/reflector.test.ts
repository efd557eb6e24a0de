import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { type Clock, manualClock, systemClock } from "@lifeline/measure";
import {
  decodeReflected,
  encodeSender,
  ntpFromWallMs,
  OWN_ERROR_ESTIMATE,
  padded,
  residenceNs,
  sequenceAt,
  TTL_UNKNOWN,
} from "@lifeline/stamp";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { type ReflectorOptions, startReflector } from "./reflector.ts";

const log = pino({ level: "silent" });
const key = new Uint8Array(32).fill(7);
const request = {
  sequence: sequenceAt(5),
  sentAt: ntpFromWallMs(1_800_000_000_000),
  errorEstimate: OWN_ERROR_ESTIMATE,
};
const packet = encodeSender(request);

async function start(changes: Partial<ReflectorOptions> = {}) {
  const reflector = await startReflector({ host: "127.0.0.1", port: 0, clock: systemClock, log, ...changes });
  return { ...reflector, [Symbol.asyncDispose]: () => reflector.close() };
}

async function client(port: number, address = "127.0.0.1"): Promise<Socket & AsyncDisposable> {
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  socket.connect(port, address);
  await once(socket, "connect");
  return socket;
}

async function startAt(port: number, address: string): Promise<Socket & AsyncDisposable> {
  const socket = createSocket("udp4");
  socket.bind(port, address);
  await once(socket, "listening");
  return socket;
}

async function exchange(socket: Socket, bytes: Uint8Array): Promise<Buffer> {
  const answered = once(socket, "message");
  socket.send(bytes);
  const [reply] = await answered;
  return reply;
}

describe("the reflector", () => {
  it("reflects a request in as many bytes, with its residence time", async () => {
    await using reflector = await start();
    await using socket = await client(reflector.address.port);
    const reply = await exchange(socket, packet);
    expect(reply.byteLength).toBe(packet.byteLength);
    const decoded = decodeReflected(reply);
    expect(decoded).toMatchObject({
      kind: "ok",
      packet: { sequence: sequenceAt(0), sender: request, senderTtl: TTL_UNKNOWN },
    });
    if (decoded.kind === "ok") expect(residenceNs(decoded.packet)).toBeGreaterThanOrEqual(0);
    expect(reflector.stats()).toMatchObject({ reflected: 1, malformed: 0 });
  });

  it("takes the residence time from the monotonic clock, whatever the wall clock does (M2)", async () => {
    const clock = manualClock(1_800_000_000_000);
    // The wall clock is stepped back by an hour at each reading.
    const stepping: Clock = {
      ...clock,
      wallMs: () => {
        clock.stepWall(-3_600_000);
        clock.advance(2);
        return clock.wallMs();
      },
    };
    await using reflector = await start({ clock: stepping });
    await using socket = await client(reflector.address.port);
    const decoded = decodeReflected(await exchange(socket, packet));
    expect(decoded.kind === "ok" && residenceNs(decoded.packet)).toBe(2_000_000);
  });

  it("serves IPv4 and IPv6 on one port", async () => {
    await using reflector = await start({ host: "::" });
    for (const address of ["127.0.0.1", "::1"]) {
      await using socket = await client(reflector.address.port, address);
      expect(decodeReflected(await exchange(socket, packet)).kind).toBe("ok");
    }
  });

  it("does not answer packets that are short, corrupt or like WireGuard, and counts each (S2)", async () => {
    await using reflector = await start();
    await using socket = await client(reflector.address.port);
    const replies: Buffer[] = [];
    socket.on("message", (reply) => replies.push(reply));
    const corrupt = packet.slice().fill(0, 12, 14);
    for (const bytes of [new Uint8Array(0), packet.subarray(1), corrupt]) socket.send(bytes);
    for (const type of [1, 2, 3, 4]) socket.send(new Uint8Array(148).fill(type, 0, 1));
    // The last request's reply says that all before it were read: one socket keeps its order on loopback.
    await exchange(socket, packet);
    expect(replies).toHaveLength(1);
    expect(reflector.stats()).toMatchObject({ reflected: 1, malformed: 3, wireguard: 4 });
  });

  it.each<[string, { key?: Uint8Array }]>([
    ["unauthenticated", {}],
    ["authenticated", { key }],
  ])("does not answer the reply of another reflector, %s: a forged source starts no loop", async (_, mode) => {
    await using one = await start(mode);
    await using other = await start(mode);
    // Two sockets carry each reply to the other reflector, as if each had sent with the source of the other.
    await using toOne = await client(one.address.port);
    await using toOther = await client(other.address.port);
    const carried: Buffer[] = [];
    const carry = (to: Socket) => (bytes: Buffer) => {
      carried.push(bytes);
      if (carried.length < 10) to.send(bytes);
    };
    toOne.on("message", carry(toOther));
    toOther.on("message", carry(toOne));
    toOne.send(encodeSender(request, mode.key));
    await expect.poll(() => [other.stats().replies, carried.length]).toEqual([1, 1]);
    expect([one.stats(), other.stats()]).toMatchObject([
      { reflected: 1, replies: 0 },
      { reflected: 0, replies: 1 },
    ]);
  });

  it("does not answer its own port number", async () => {
    await using reflector = await start({ host: "127.0.0.1" });
    const { port } = reflector.address;
    await using namesake = await startAt(port, "127.0.0.2");
    namesake.send(packet, port, "127.0.0.1");
    await expect.poll(() => reflector.stats().ownPort).toBe(1);
    expect(reflector.stats().reflected).toBe(0);
  });

  // Only root can bind a system port.
  it.skipIf(process.getuid?.() !== 0 && process.env["CI"] !== "true")(
    "does not answer a system port, such as that of echo or of another reflector",
    async () => {
      await using reflector = await start();
      await using service = await startAt(1_019, "127.0.0.2");
      service.send(packet, reflector.address.port, "127.0.0.1");
      await expect.poll(() => reflector.stats().systemPort).toBe(1);
      expect(reflector.stats().reflected).toBe(0);
    },
  );

  it("gives a long request a reply exactly as long", async () => {
    await using reflector = await start();
    await using socket = await client(reflector.address.port);
    const request = padded(packet, 1_200);
    const reply = await exchange(socket, request);
    expect(reply.byteLength).toBe(1_200);
    expect(reply.subarray(packet.byteLength)).toEqual(Buffer.from(request.subarray(packet.byteLength)));
  });

  it("numbers the replies of each session on their own, and copies the sender's number when its table is full", async () => {
    await using reflector = await start({ maxSessions: 2 });
    const numbers: number[] = [];
    const sockets = await Promise.all([1, 2, 3].map(() => client(reflector.address.port)));
    for (const socket of [...sockets, ...sockets]) {
      const decoded = decodeReflected(await exchange(socket, packet));
      if (decoded.kind === "ok") numbers.push(decoded.packet.sequence - sequenceAt(0));
    }
    for (const socket of sockets) socket.close();
    expect(numbers).toEqual([0, 0, 5, 1, 1, 5]);
    expect(reflector.stats()).toMatchObject({ reflected: 6, stateless: 2, sessions: 2 });
  });

  it("limits all sources together (S2)", async () => {
    await using reflector = await start({ clock: manualClock(0), maxPerSecond: 1 });
    await using socket = await client(reflector.address.port);
    await exchange(socket, packet);
    socket.send(packet);
    await expect.poll(() => reflector.stats().overloaded).toBe(1);
  });

  it("with a key answers only requests that are authenticated with it", async () => {
    await using reflector = await start({ key });
    await using socket = await client(reflector.address.port);
    socket.send(packet);
    socket.send(
      encodeSender(
        request,
        key.map(() => 8),
      ),
    );
    const reply = await exchange(socket, encodeSender(request, key));
    expect(decodeReflected(reply, key).kind).toBe("ok");
    expect(reflector.stats()).toMatchObject({ reflected: 1, malformed: 1, unauthentic: 1 });
  });

  it("gives each source its share and no more in a second (S2)", async () => {
    const clock = manualClock(0);
    await using reflector = await start({ clock, maxPerSourcePerSecond: 2 });
    await using socket = await client(reflector.address.port);
    await exchange(socket, packet);
    await exchange(socket, packet);
    socket.send(packet);
    await expect.poll(() => reflector.stats().limited).toBe(1);
    clock.advance(1_000);
    await exchange(socket, packet);
    expect(reflector.stats()).toMatchObject({ reflected: 3, limited: 1 });
  });

  it("rejects with the system's code when the port is in use, and frees its port when closed", async () => {
    const first = await start();
    await expect(start({ port: first.address.port })).rejects.toMatchObject({ code: "EADDRINUSE" });
    await Promise.all([first.close(), first.close()]);
    await using second = await start({ port: first.address.port });
    expect(second.address.port).toBe(first.address.port);
  });
});
