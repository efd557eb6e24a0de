/** For tests: real peers on loopback, good and bad. Not part of the package. */
import assert from "node:assert/strict";
import { createSocket, type Socket as DatagramSocket, type RemoteInfo } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { datagramFd } from "../socket-fd.ts";
import { dropEverything, dropNothing } from "./black-hole.ts";

/** A peer on a port of its own; `await using` closes it. */
export interface Peer extends AsyncDisposable {
  readonly port: number;
}

/** A TCP peer that calls `serve` with each connection. Connections are destroyed at the end. */
export async function tcpPeer(serve: (socket: Socket) => void = () => {}, host = "127.0.0.1"): Promise<Peer> {
  return listening(
    createServer((socket) => {
      socket.on("error", () => {});
      serve(socket);
    }),
    host,
  );
}

/** Any server of Node's net family, listening on a port of its own. */
export async function listening(server: Server, host = "127.0.0.1"): Promise<Peer> {
  const open = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
  });
  server.on("error", () => {});
  server.listen(0, host);
  await once(server, "listening");
  const address = server.address();
  assert(typeof address === "object" && address !== null);
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

/** A peer that answers nothing until it is told to. Only one of the two may be called. */
export interface SilentPeer extends Peer {
  /** Accepts from now on. */
  open(): void;
  /** Refuses from now on. */
  refuse(): void;
}

/** A TCP port on which the kernel drops every SYN until it is opened. */
export async function silentTcpPort(serve: (socket: Socket) => void = () => {}): Promise<SilentPeer> {
  const server = createServer(serve);
  const peer = await listening(server);
  let isClosed = false;
  const handle: unknown = Reflect.get(server, "_handle");
  assert(typeof handle === "object" && handle !== null);
  const fd = Number(Reflect.get(handle, "fd"));
  dropEverything(fd);
  return {
    port: peer.port,
    open: () => dropNothing(fd),
    refuse() {
      isClosed = true;
      server.close();
    },
    async [Symbol.asyncDispose]() {
      if (!isClosed) await peer[Symbol.asyncDispose]();
    },
  };
}

/** A port on which nothing listens, TCP or UDP: one that the kernel gave to a socket that was then closed. */
export async function closedPort(host = "127.0.0.1"): Promise<number> {
  const peer = await tcpPeer(undefined, host);
  await peer[Symbol.asyncDispose]();
  return peer.port;
}

/** A UDP peer that calls `serve` with each datagram. */
export async function udpPeer(
  serve: (bytes: Buffer, from: RemoteInfo, socket: DatagramSocket) => void,
  host = "127.0.0.1",
): Promise<Peer> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  socket.on("message", (bytes, from) => serve(bytes, from, socket));
  socket.bind(0, host);
  await once(socket, "listening");
  return {
    port: socket.address().port,
    async [Symbol.asyncDispose]() {
      const closed = once(socket, "close");
      socket.close();
      await closed;
    },
  };
}

/** A UDP port on which the kernel drops every datagram, without an ICMP error. */
export async function silentUdpPort(): Promise<Peer> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  dropEverything(datagramFd(socket) ?? -1);
  return {
    port: socket.address().port,
    async [Symbol.asyncDispose]() {
      socket.close();
    },
  };
}

/** The text of a fixture, such as `good.pem`. Those with keys hold the certificate first and its key last. */
export function fixture(name: string): string {
  return readFileSync(new URL(`../fixtures/${name}`, import.meta.url), "utf8");
}
