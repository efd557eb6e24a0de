/** The process of a flood: reads a job from stdin, plays it, writes the account to stdout. */
import { connect, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { text } from "node:stream/consumers";
import { connect as connectTls, createSecureContext, type SecureContext } from "node:tls";
import { NS_PER_MS, pause, systemClock } from "@lifeline/measure";
import type { FloodAccount, FloodJob } from "./flood.ts";
import { missingCounts } from "./flood-outcome.ts";
import { sendTraffic } from "./flood-traffic.ts";

/** Interval between batches of new connections, ms. */
const TICK_MS = 10;

/** How much longer a flood goes on that has not reached its counts, ms. */
const EXTENSION_MAX_MS = 60_000;

/** Most connections opened in one tick; the limit leaves the process time to read. */
const BEGUN_PER_TICK = 500;

class Flood {
  readonly #job: FloodJob;
  readonly #sockets = new Set<Socket>();
  readonly #account = { begun: 0, established: 0, ended: 0, calls: 0, statuses: {} as Record<string, number> };
  readonly #hello: Buffer;
  readonly #secureContext: SecureContext;
  #isOver = false;

  constructor(job: FloodJob, hello: Buffer) {
    this.#job = job;
    this.#hello = hello;
    const { certPem, keyPem } = job.start.kind === "tls" ? job.start : {};
    const pair = certPem === undefined || keyPem === undefined ? {} : { cert: certPem, key: keyPem };
    this.#secureContext = createSecureContext({ minVersion: "TLSv1.3", ...pair });
  }

  async play(): Promise<FloodAccount> {
    const { seconds, connections, perSecond = Number.POSITIVE_INFINITY, again, least = {} } = this.#job;
    const lastMs = seconds * 1_000 + EXTENSION_MAX_MS;
    const isShort = () => missingCounts(this.#account, least).length > 0;
    const startedNs = systemClock.monotonicNs();
    const passedMs = () => (systemClock.monotonicNs() - startedNs) / NS_PER_MS;
    while (passedMs() < seconds * 1_000 || (passedMs() < lastMs && isShort())) {
      const allowed = Math.min(perSecond * (passedMs() / 1_000) + 1, again ? Number.POSITIVE_INFINITY : connections);
      for (let left = BEGUN_PER_TICK; left > 0 && this.#account.begun < allowed; left -= 1) {
        if (this.#sockets.size >= connections) break;
        this.#begin();
      }
      await pause(systemClock, TICK_MS);
    }
    this.#isOver = true;
    for (const socket of this.#sockets) socket.destroy();
    return this.#account;
  }

  #begin(): void {
    const { host, port, sources, start } = this.#job;
    const account = this.#account;
    const from = { host, port, localAddress: sources[account.begun % sources.length] ?? "" };
    account.begun += 1;
    const isTls = start.kind === "tls";
    const socket = isTls ? connectTls({ ...from, ...this.#tlsOptions() }) : connect(from);
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => {
      this.#sockets.delete(socket);
      if (!this.#isOver) account.ended += 1;
    });
    socket.once(isTls ? "secureConnect" : "connect", () => this.#established(socket));
  }

  #tlsOptions() {
    return { secureContext: this.#secureContext, ALPNProtocols: ["h2"], rejectUnauthorized: false };
  }

  #established(socket: Socket): void {
    const { start, traffic, again } = this.#job;
    const leave = () => {
      this.#account.established += 1;
      // The written messages are sent before the end of the stream.
      socket.end();
    };
    if (start.kind === "client-hello") {
      socket.write(this.#hello);
      if (start.leaves) socket.once("data", leave);
      // What is not read does not show its end.
      else socket.resume();
      return;
    }
    if (start.kind === "plain") {
      socket.write(Buffer.from(start.bytes, "base64"));
      if (start.reads) socket.resume();
      else socket.pause();
    }
    if (start.kind === "tls" && start.leaves === true) {
      leave();
      return;
    }
    this.#account.established += 1;
    if (traffic !== undefined) sendTraffic(socket, traffic, { again, account: this.#account });
  }
}

/** The first message of a handshake, as this TLS library says it. */
async function clientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({ read() {}, write: (bytes: Buffer) => resolve(bytes) });
    connectTls({ socket: wire, ALPNProtocols: ["h2"], minVersion: "TLSv1.3" }).on("error", () => {});
  });
}

const job = JSON.parse(await text(process.stdin)) as FloodJob;
const account = await new Flood(job, await clientHello()).play();
// At once: what still hangs on sockets is of no interest.
process.stdout.write(JSON.stringify(account), () => process.exit(0));
