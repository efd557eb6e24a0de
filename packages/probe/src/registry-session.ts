/**
 * Requests of one attempt at a registry, over one connection that is kept (RFC 9112 §9.3). A server that closes it
 * after an answer gets another one.
 *
 * Node's module is loaded by `getBuiltinModule`; http1-exchange.ts says why.
 */
import type { Agent, IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Outcome, Target, Trust } from "@lifeline/measure";
import { pathOnly } from "./attempt-steps.ts";
import { type Channel, closeChannel, openChannel } from "./channel.ts";
import type { Expired } from "./deadline.ts";
import { codeOf } from "./errno.ts";
import { exchangeFault, HEADERS_MAX_BYTES, noteResponse, type ResponseHeaders, USER_AGENT } from "./exchange.ts";
import { authorityOf, originOf } from "./http.ts";
import { outcome, type Trace } from "./probe-result.ts";
import type { ProbeWorld } from "./world.ts";

/** Most bytes of a body that are read: the answers asked for have a few kilobytes at most. */
const BODY_MAX_BYTES = 65_536;

/** One request. */
export interface RegistryRequest {
  readonly method: "GET" | "HEAD";
  /** Absolute path with query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An answer, or how the attempt ended without one. */
export type RegistryAnswer =
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly headers: ResponseHeaders;
      /** At most {@link BODY_MAX_BYTES}. */
      readonly body: string;
    }
  | { readonly kind: "ended"; readonly outcome: Outcome };

/** A session with one host. The owner closes it. */
export class RegistrySession {
  readonly #world: ProbeWorld;
  readonly #target: Target;
  readonly #trust: Trust | undefined;
  readonly #trace: Trace;
  readonly #agent: Agent;
  readonly #expiry = Promise.withResolvers<Expired>();
  #channel: Extract<Channel, { kind: "open" }> | undefined;
  #failed: Outcome | undefined;
  #closed = false;

  /** `trust`: absent for cleartext. What the connection shows goes into `trace`. */
  constructor(world: ProbeWorld, target: Target, trust: Trust | undefined, trace: Trace) {
    this.#world = world;
    this.#target = target;
    this.#trust = trust;
    this.#trace = trace;
    const http = process.getBuiltinModule("node:http");
    this.#agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    this.#agent.createConnection = (_options, callback) => {
      this.#connect().then(
        (socket) => callback?.(socket === undefined ? new Error("no connection") : null, socket as Duplex),
        (error: Error) => callback?.(error, undefined as never),
      );
      return undefined;
    };
  }

  /** Sends one request, after the answer to the one before. */
  async request(request: RegistryRequest): Promise<RegistryAnswer> {
    const { noteStep } = this.#world;
    const origin = originOf(this.#target, this.#trust !== undefined);
    noteStep?.("http", `${request.method} ${origin}${pathOnly(request.path)}`);
    const answered = await Promise.race([this.#send(request), this.#expiry.promise]);
    if (answered.kind === "answer") noteResponse(noteStep, answered, origin);
    if (answered.kind !== "expired") return answered;
    noteStep?.("http", "no answer before the threshold");
    return { kind: "ended", outcome: outcome(answered.stalled ? "stalled" : "handshake-timeout", "first-byte") };
  }

  close(): void {
    this.#closed = true;
    this.#agent.destroy();
    if (this.#channel !== undefined) closeChannel(this.#channel);
  }

  async #connect(): Promise<Duplex | undefined> {
    if (this.#channel !== undefined) closeChannel(this.#channel);
    this.#channel = undefined;
    const channel = await openChannel(
      this.#world,
      this.#target,
      { trust: this.#trust, alpn: ["http/1.1"] },
      this.#trace,
    );
    if (channel.kind === "ended") {
      this.#failed = channel.outcome;
      return undefined;
    }
    if (this.#closed) {
      closeChannel(channel);
      return undefined;
    }
    this.#channel = channel;
    void channel.deadline.race(new Promise<never>(() => {})).then((expired) => this.#expiry.resolve(expired));
    return channel.socket;
  }

  #send({ method, path, headers = {} }: RegistryRequest): Promise<RegistryAnswer> {
    const { promise, resolve: settle } = Promise.withResolvers<RegistryAnswer>();
    let isSettled = false;
    const resolve = (answer: RegistryAnswer) => {
      isSettled = true;
      settle(answer);
    };
    const fail = (error: unknown) => {
      if (!isSettled) resolve({ kind: "ended", outcome: this.#failed ?? this.#brokenBy(error) });
    };
    const host = authorityOf(this.#target, this.#trust !== undefined);
    const message = process.getBuiltinModule("node:http").request({
      agent: this.#agent,
      method,
      path,
      headers: { host, "user-agent": USER_AGENT, accept: "*/*", ...headers },
      maxHeaderSize: HEADERS_MAX_BYTES,
    });
    let hasResponse = false;
    message.once("response", (response) => {
      hasResponse = true;
      readAnswer(response, resolve);
    });
    message.on("error", fail);
    // Node closes a request without an error after a 101 that was not requested. With a response its body decides.
    message.once("close", () => {
      if (!hasResponse) fail({ code: "ECONNRESET" });
    });
    message.end();
    return promise;
  }

  #brokenBy(error: unknown): Outcome {
    return outcome(exchangeFault(codeOf(error), "http-protocol", this.#trace), "first-byte");
  }
}

function readAnswer(response: IncomingMessage, resolve: (answer: RegistryAnswer) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const finish = () => {
    const body = Buffer.concat(chunks).subarray(0, BODY_MAX_BYTES).toString("utf8");
    resolve({ kind: "answer", status: response.statusCode ?? 0, headers: response.headers, body });
  };
  response.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes < BODY_MAX_BYTES) return;
    finish();
    response.destroy();
  });
  response.once("end", finish);
  // A body that breaks is judged by what has come of it.
  response.on("error", finish);
  response.once("close", finish);
}
