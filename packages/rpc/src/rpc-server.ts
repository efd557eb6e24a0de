/** Serves protobuf-es services over grpc-js: unary and bidirectional methods, typed by the descriptor. */
import { once } from "node:events";
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import {
  logVerbosity,
  type Metadata,
  Server,
  type ServerCredentials,
  type ServerDuplexStream,
  type ServerOptions,
  type ServerUnaryCall,
  type sendUnaryData,
  setLogVerbosity,
  status,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { MAX_MESSAGE_BYTES } from "@lifeline/wire";
import { RpcError } from "./rpc-error.ts";
import { type Connection, connectionOf } from "./secure-listener.ts";
import {
  CHANNEL_LIMITS,
  type DuplexShape,
  type MethodsOf,
  methodDefinition,
  type UnaryShape,
} from "./service-shape.ts";

/** Who calls, and for how long. */
export interface CallContext {
  /** Remote address and port, as grpc-js names it. */
  readonly peer: string;
  /** The connection it came by; undefined on a listener without TLS. */
  readonly connection: Connection | undefined;
  /** The secret the caller says who it is with (RFC 6750 §2.1); undefined: none. */
  readonly bearerToken: string | undefined;
  /**
   * Aborts when the caller goes away or the call ends. grpc-js ends the requests of a vanished caller as if it had finished,
   * and aborts some turns later: the end of requests says only that no more will come.
   */
  readonly signal: AbortSignal;
}

/** Sends one response; resolves when the transport has room again, rejects when the call has ended. */
export type Respond<Init> = (response: Init) => Promise<void>;

/** What a service must provide, by local method name. */
export type ServiceImplementation<S extends DescService> = {
  [K in keyof MethodsOf<S>]: MethodsOf<S>[K] extends { methodKind: "unary" }
    ? (
        request: UnaryShape<MethodsOf<S>[K]>["request"],
        context: CallContext,
      ) => Promise<UnaryShape<MethodsOf<S>[K]>["responseInit"]>
    : MethodsOf<S>[K] extends { methodKind: "bidi_streaming" }
      ? (
          requests: AsyncIterable<DuplexShape<MethodsOf<S>[K]>["request"]>,
          respond: Respond<DuplexShape<MethodsOf<S>[K]>["responseInit"]>,
          context: CallContext,
        ) => Promise<void>
      : never;
};

/** Called with what an implementation threw that is no {@link RpcError}: a defect, told to the caller as INTERNAL alone. */
export type OnDefect = (method: string, error: unknown) => void;

/** Decides whether a caller may call at all; throws an {@link RpcError} where not. */
export type Admit = (context: CallContext) => void | Promise<void>;

/** Adds a service to a grpc-js server. `admit` is asked before each call; by default everybody may call. */
export function addService<S extends DescService>(
  server: Server,
  service: S,
  implementation: ServiceImplementation<S>,
  onDefect: OnDefect,
  admit: Admit = () => {},
): void {
  const door = { onDefect, admit, contextOf: (call: AnyCall) => contextOf(server, call) };
  const definitions: Record<string, ReturnType<typeof methodDefinition>> = {};
  const implementations: UntypedServiceImplementation = {};
  for (const method of service.methods) {
    const run = (implementation as Record<string, (...args: never[]) => Promise<unknown>>)[method.localName];
    if (run === undefined) throw new Error(`${service.typeName}.${method.name} has no implementation`);
    definitions[method.name] = methodDefinition(method);
    implementations[method.name] = method.methodKind === "unary" ? unary(method, run, door) : duplex(method, run, door);
  }
  server.addService(definitions, implementations);
}

/**
 * Bounds of one connection. Silence: pinged, and cut; one without a call ends by itself. grpc-js gathers a message whole before anybody is
 * asked, so what a connection may have in memory is its streams times its largest message.
 */
const SERVER_LIMITS: ServerOptions = {
  "grpc-node.max_session_memory": (4 * MAX_MESSAGE_BYTES) / (1024 * 1024),
  "grpc.keepalive_time_ms": 60_000,
  "grpc.keepalive_timeout_ms": 20_000,
  "grpc.max_connection_idle_ms": 60_000,
};

/** Who a server is for. */
export type Clientele = "trusted" | "strangers" | "local";

/**
 * Of those whose certificate is believed: an agent has one stream, and a call beside it. Of strangers: a request to enrol has some 4,200
 * bytes, a question of a person with a token fewer; a person's tool asks four things at once. Without TLS, on this host, clients of one
 * process share a connection.
 */
const CLIENTELE_LIMITS: Readonly<Record<Clientele, ServerOptions>> = {
  trusted: { "grpc.max_concurrent_streams": 4 },
  local: { "grpc.max_concurrent_streams": 64 },
  strangers: { "grpc.max_concurrent_streams": 4, "grpc.max_receive_message_length": 16 * 1024 },
};

/** A grpc-js server with Lifeline's limits on messages. */
export function createRpcServer(clientele: Clientele = "local"): Server {
  // It prints lines of its own to stderr, in the midst of JSON; whatever fails is told by a rejection or a status.
  setLogVerbosity(logVerbosity.NONE);
  return new Server({ ...CHANNEL_LIMITS, ...SERVER_LIMITS, ...CLIENTELE_LIMITS[clientele] });
}

/** Binds the server; resolves with the port that was bound. Rejects with the cause when it cannot be. */
export function listen(server: Server, address: string, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, port) => (error === null ? resolve(port) : reject(error)));
  });
}

/** Lets calls under way end for at most `graceMs`, then cuts them. */
export function shutDown(
  server: Server,
  graceMs: number,
  after: (ms: number, wake: () => void) => { cancel(): void },
): Promise<void> {
  return new Promise((resolve) => {
    const timer = after(graceMs, () => {
      server.forceShutdown();
      resolve();
    });
    server.tryShutdown(() => {
      timer.cancel();
      resolve();
    });
  });
}

type AnyCall = ServerUnaryCall<object, object> | ServerDuplexStream<object, object>;

/** What stands before every method of a service. */
interface Door {
  readonly onDefect: OnDefect;
  readonly admit: Admit;
  readonly contextOf: (call: AnyCall) => CallContext;
}

function unary(method: DescMethod, run: (...args: never[]) => Promise<unknown>, { onDefect, admit, contextOf }: Door) {
  return (call: ServerUnaryCall<object, object>, done: sendUnaryData<object>) => {
    const context = contextOf(call);
    const answer = async () => {
      await admit(context);
      return (run as (request: object, context: CallContext) => Promise<object>)(call.request, context);
    };
    answer().then(
      (response) => done(null, response),
      (error: unknown) => done(statusOf(method, error, onDefect)),
    );
  };
}

function duplex(method: DescMethod, run: (...args: never[]) => Promise<unknown>, { onDefect, admit, contextOf }: Door) {
  return (call: ServerDuplexStream<object, object>) => {
    const context = contextOf(call);
    // A stream error is always followed by the call's end; without a listener it would end the process.
    call.on("error", () => {});
    let draining: Promise<void> | undefined;
    const respond: Respond<object> = async (response) => {
      if (context.signal.aborted) throw new RpcError(status.CANCELLED, "the call has ended");
      if (call.write(response)) return;
      // Whoever has to wait waits for the same room: a listener for each would add up.
      draining ??= once(call, "drain", { signal: context.signal }).then(() => {
        draining = undefined;
      });
      await draining;
    };
    const serve = async () => {
      await admit(context);
      // Left as it is when the reader throws, for the status of that error is still to be sent on it.
      const requests = call.iterator({ destroyOnReturn: false });
      await (run as (requests: AsyncIterable<object>, respond: Respond<object>, context: CallContext) => Promise<void>)(
        requests,
        respond,
        context,
      );
    };
    serve().then(
      () => call.end(),
      (error: unknown) => {
        if (context.signal.aborted) return;
        call.emit("error", statusOf(method, error, onDefect));
      },
    );
  };
}

function contextOf(server: Server, call: AnyCall): CallContext {
  const abort = new AbortController();
  call.once("cancelled", () => abort.abort());
  call.once("close", () => abort.abort());
  const peer = call.getPeer();
  return {
    peer,
    connection: connectionOf(server, peer),
    bearerToken: bearerTokenOf(call),
    signal: abort.signal,
  };
}

function bearerTokenOf({ metadata }: { readonly metadata: Metadata }): string | undefined {
  const [said] = metadata.get("authorization");
  const [, token] = /^Bearer ([\x21-\x7e]+)$/.exec(typeof said === "string" ? said : "") ?? [];
  return token;
}

function statusOf(method: DescMethod, error: unknown, onDefect: OnDefect) {
  if (error instanceof RpcError) return { code: error.code, details: error.message };
  onDefect(method.name, error);
  return { code: status.INTERNAL, details: "internal error" };
}
