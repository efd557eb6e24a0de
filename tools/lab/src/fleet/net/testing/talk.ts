/** Plain sockets inside hosts: an echo server, and clients that report what happened to their packets. */
import type { Host } from "../host.ts";
import type { HostProcess } from "../host-process.ts";

/** Where the echo server listens, UDP and TCP, both families. */
export const ECHO_PORT = 4_000;

/** Answers with `NAME:` and the received text; prints a line for each datagram and each connection. */
const ECHO = `
  const [name, port] = process.argv.slice(1);
  const socket = require("node:dgram").createSocket("udp6");
  socket.on("message", (text, from) => { console.log("heard"); socket.send(text, from.port, from.address); });
  socket.bind(Number(port), () => {
    require("node:net").createServer((peer) => {
      peer.on("error", () => {}).on("data", () => peer.end(name));
    }).listen(Number(port), "::", () => console.log("listening"));
  });`;

/**
 * Sends datagrams one after another from one connected socket, and reports the number of answers and the socket's
 * errors.
 */
const SEND = `
  const { host, port, count, bytes, first, gapMs, waitMs } = JSON.parse(process.argv[1]);
  const socket = require("node:dgram").createSocket(host.includes(":") ? "udp6" : "udp4");
  const seen = { answered: 0, errors: [] };
  socket.on("message", () => { seen.answered += 1; if (seen.answered === count) end(); });
  socket.on("error", (error) => { if (seen.errors.length < 100) seen.errors.push(error.code); });
  const end = () => { console.log(JSON.stringify(seen)); process.exit(0); };
  const load = Buffer.alloc(bytes, first);
  socket.connect(port, host, () => {
    let sent = 0;
    const next = () => {
      if (sent === count) return setTimeout(end, waitMs);
      sent += 1;
      socket.send(load, () => setTimeout(next, gapMs));
    };
    next();
  });`;

/** Connects and sends 200 bytes. Reports the answer, or the error and whether the socket was connected by then. */
const CONNECT = `
  const { host, port, waitMs } = JSON.parse(process.argv[1]);
  let connected = false;
  const end = (answer) => { console.log(JSON.stringify({ connected, answer })); process.exit(0); };
  const socket = require("node:net").connect(port, host, () => { connected = true; socket.write(Buffer.alloc(200)); });
  socket.on("data", (text) => end(String(text))).on("error", (error) => end(error.code)).on("end", () => end("end"));
  setTimeout(() => end("timeout"), waitMs);`;

/** The outcome of sent datagrams. */
export interface Sent {
  readonly answered: number;
  readonly errors: readonly string[];
}

/** The outcome of a connection: the server's name, `timeout` or an error code, and whether the handshake completed. */
export interface Connected {
  readonly connected: boolean;
  readonly answer: string;
}

/** Starts the echo server. {@link heard} counts the lines it prints, one per datagram. */
export async function startEcho(host: Host): Promise<HostProcess> {
  const echo = host.spawn(process.execPath, ["-e", ECHO, host.name, String(ECHO_PORT)]);
  await echo.hasSaid("listening");
  return echo;
}

/** Datagrams the echo server has received, of the last 8,000 or so. */
export function heard(echo: HostProcess): number {
  return echo.printed().split("heard").length - 1;
}

/** Sends datagrams (default: 5 of 100 bytes beginning with 0x80, 10 ms apart) and waits 300 ms for the last answer. */
export async function send(
  from: Host,
  to: { readonly host: string; readonly port?: number; readonly count?: number; readonly bytes?: number } & {
    readonly first?: number;
    readonly gapMs?: number;
    readonly waitMs?: number;
  },
): Promise<Sent> {
  const order = { port: ECHO_PORT, count: 5, bytes: 100, first: 0x80, gapMs: 10, waitMs: 300, ...to };
  return JSON.parse(await from.run(process.execPath, ["-e", SEND, JSON.stringify(order)])) as Sent;
}

/** Opens a connection and waits 700 ms: less than a SYN's retransmission. */
export async function connect(from: Host, host: string, port = ECHO_PORT, waitMs = 700): Promise<Connected> {
  return JSON.parse(
    await from.run(process.execPath, ["-e", CONNECT, JSON.stringify({ host, port, waitMs })]),
  ) as Connected;
}
