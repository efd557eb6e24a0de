/** Calls protobuf-es services over grpc-js. */
import { once } from "node:events";
import type { DescService } from "@bufbuild/protobuf";
import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  Metadata,
  status,
} from "@grpc/grpc-js";
import { systemClock } from "@lifeline/measure";
import { RpcError, rpcErrorFrom } from "./rpc-error.ts";
import {
  CHANNEL_LIMITS,
  type DuplexShape,
  type MethodsOf,
  methodDefinition,
  type UnaryShape,
} from "./service-shape.ts";

/** Bounds of one call. */
export interface CallOptions {
  /** The call fails with DEADLINE_EXCEEDED after this long, ms. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /**
   * Secret that authenticates the caller (RFC 6750 §2.1), sent as metadata of this call. The caller must know that the
   * channel is encrypted.
   */
  readonly bearerToken?: string;
}

/** A bidirectional call under way. */
export interface DuplexCall<RequestInit, Response> {
  /** Resolves when the transport has room again; rejects with {@link RpcError} when the call has ended. */
  send(request: RequestInit): Promise<void>;
  /** Ends the requests; responses go on. */
  finish(): void;
  /** Ends the call at once. Idempotent. */
  cancel(): void;
  /** Responses in order. Ends when the server ends the call with OK; throws {@link RpcError} otherwise. */
  readonly responses: AsyncIterable<Response>;
}

type UnaryNames<S extends DescService> = {
  [K in keyof MethodsOf<S>]: MethodsOf<S>[K] extends { methodKind: "unary" } ? K : never;
}[keyof MethodsOf<S>] &
  string;
type DuplexNames<S extends DescService> = {
  [K in keyof MethodsOf<S>]: MethodsOf<S>[K] extends { methodKind: "bidi_streaming" } ? K : never;
}[keyof MethodsOf<S>] &
  string;

/** A client of one service at one address. */
export interface RpcClient<S extends DescService> {
  /** One request, one response. Rejects with {@link RpcError}. */
  unary<K extends UnaryNames<S>>(
    method: K,
    request: UnaryShape<MethodsOf<S>[K]>["requestInit"],
    options: CallOptions,
  ): Promise<UnaryShape<MethodsOf<S>[K]>["response"]>;
  /** Opens a bidirectional call; connecting happens behind it, and a failure shows in `responses`. */
  duplex<K extends DuplexNames<S>>(
    method: K,
  ): DuplexCall<DuplexShape<MethodsOf<S>[K]>["requestInit"], DuplexShape<MethodsOf<S>[K]>["response"]>;
  close(): void;
}

/** Creates a client. `address` is host:port or unix:path; nothing is sent before the first call. */
export function createRpcClient<S extends DescService>(
  service: S,
  address: string,
  credentials: ChannelCredentials,
  options: ChannelOptions = {},
): RpcClient<S> {
  const client = new Client(address, credentials, { ...CHANNEL_LIMITS, ...options });
  const definitionOf = (localName: string) => {
    const method = service.method[localName];
    if (method === undefined) throw new Error(`${service.typeName} has no method ${localName}`);
    return methodDefinition(method);
  };
  return {
    unary(method, request, { timeoutMs, signal, bearerToken }) {
      const metadata = new Metadata();
      if (bearerToken !== undefined) metadata.set("authorization", `Bearer ${bearerToken}`);
      const definition = definitionOf(method);
      return new Promise((resolve, reject) => {
        // grpc-js takes a deadline as wall time, and reads the same clock at once.
        const deadline = systemClock.wallMs() + timeoutMs;
        const call = client.makeUnaryRequest(
          definition.path,
          definition.requestSerialize,
          definition.responseDeserialize,
          request as object,
          metadata,
          { deadline },
          (error, response) => (error === null ? resolve(response as never) : reject(rpcErrorFrom(error))),
        );
        const cancel = () => call.cancel();
        if (signal?.aborted) cancel();
        signal?.addEventListener("abort", cancel, { once: true });
        call.once("status", () => signal?.removeEventListener("abort", cancel));
      });
    },
    duplex(method) {
      const definition = definitionOf(method);
      const call = client.makeBidiStreamRequest(
        definition.path,
        definition.requestSerialize,
        definition.responseDeserialize,
        new Metadata(),
        {},
      );
      return duplexCall(call) as never;
    },
    close: () => client.close(),
  };
}

function duplexCall(call: ClientDuplexStream<object, object>): DuplexCall<object, object> {
  const ended = new AbortController();
  // Without a listener an error would end the process. The reader of `responses` gets the error, too.
  call.on("error", () => ended.abort());
  call.once("close", () => ended.abort());
  call.once("status", () => ended.abort());
  let draining: Promise<void> | undefined;
  return {
    async send(request) {
      if (ended.signal.aborted) throw new RpcError(status.CANCELLED, "the call has ended");
      if (call.write(request)) return;
      // All senders wait on one promise. A listener for each would add up.
      draining ??= once(call, "drain", { signal: ended.signal }).then(
        () => {
          draining = undefined;
        },
        () => {
          throw new RpcError(status.CANCELLED, "the call has ended");
        },
      );
      await draining;
    },
    finish: () => call.end(),
    cancel: () => call.cancel(),
    responses: responsesOf(call),
  };
}

async function* responsesOf(call: ClientDuplexStream<object, object>): AsyncGenerator<object> {
  try {
    for await (const response of call) yield response as object;
  } catch (error) {
    throw rpcErrorFrom(error);
  }
}
