/** Serves protobuf-es services over grpc-js: unary and bidirectional methods, typed by the descriptor. */
import { once } from "node:events";
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import {
  logVerbosity,
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
import { type Clock, systemClock } from "@lifeline/measure";
import { MAX_MESSAGE_BYTES } from "@lifeline/wire";
import { type Admissions, type Admit, admissionInterceptor, type Caller } from "./admission.ts";
import { RpcError } from "./rpc-error.ts";
import { connectionOf } from "./secure-connection.ts";
import {
  CHANNEL_LIMITS,
  type DuplexShape,
  type MethodsOf,
  methodDefinition,
  type UnaryShape,
} from "./service-shape.ts";
import { guardStreams } from "./stream-guard.ts";

/** Who calls, and for how long. */
export interface CallContext<Principal = unknown> extends Caller {
  /** Who the caller is, as its admission decided. */
  readonly principal: Principal;
  /**
   * Aborts when the caller disconnects or the call ends. When a caller disconnects, grpc-js ends its requests as if it
   * had finished, and aborts some turns later: the end of the requests means only that no more will come.
   */
  readonly signal: AbortSignal;
}

/** Sends one response; resolves when the transport has room again, rejects when the call has ended. */
export type Respond<Init> = (response: Init) => Promise<void>;

/** What a service must provide, by local method name. */
export type ServiceImplementation<S extends DescService, Principal = unknown> = {
  [K in keyof MethodsOf<S>]: MethodsOf<S>[K] extends { methodKind: "unary" }
    ? (
        request: UnaryShape<MethodsOf<S>[K]>["request"],
        context: CallContext<Principal>,
      ) => Promise<UnaryShape<MethodsOf<S>[K]>["responseInit"]>
    : MethodsOf<S>[K] extends { methodKind: "bidi_streaming" }
      ? (
          requests: AsyncIterable<DuplexShape<MethodsOf<S>[K]>["request"]>,
          respond: Respond<DuplexShape<MethodsOf<S>[K]>["responseInit"]>,
          context: CallContext<Principal>,
        ) => Promise<void>
      : never;
};

/**
 * Called with an error of an implementation that is no {@link RpcError}: a defect. The caller gets INTERNAL without
 * details.
 */
export type OnDefect = (method: string, error: unknown) => void;

/** The admissions of each server. */
const admissionsOf = new WeakMap<Server, Admissions>();

/**
 * Adds a service to a server of {@link createRpcServer}. `admit` decides on each call before any of its messages is
 * read.
 */
export function addService<S extends DescService, Principal>(
  server: Server,
  service: S,
  implementation: ServiceImplementation<S, Principal>,
  onDefect: OnDefect,
  admit: Admit<Principal>,
): void {
  const admissions = admissionsOf.get(server);
  if (admissions === undefined) throw new Error("the server was not made by createRpcServer");
  const definitions: Record<string, ReturnType<typeof methodDefinition>> = {};
  const implementations: UntypedServiceImplementation = {};
  for (const method of service.methods) {
    const run = (implementation as Record<string, (...args: never[]) => Promise<unknown>>)[method.localName];
    if (run === undefined) throw new Error(`${service.typeName}.${method.name} has no implementation`);
    const definition = methodDefinition(method);
    const handlerContext = { statusOf: (error: unknown) => statusOf(method, error, onDefect), admissions };
    admissions.ofMethods.set(definition.path, { admit, statusOf: handlerContext.statusOf });
    definitions[method.name] = definition;
    implementations[method.name] =
      method.methodKind === "unary" ? unary(run, handlerContext) : duplex(run, handlerContext);
  }
  server.addService(definitions, implementations);
}

/**
 * Bounds of one connection. A silent one is pinged and then closed; one without a call is closed, too. grpc-js buffers
 * whole messages, so a connection may take its number of streams times its largest message in memory.
 */
const SERVER_LIMITS: ServerOptions = {
  "grpc-node.max_session_memory": (4 * MAX_MESSAGE_BYTES) / (1024 * 1024),
  "grpc.keepalive_time_ms": 60_000,
  "grpc.keepalive_timeout_ms": 20_000,
  "grpc.max_connection_idle_ms": 60_000,
};

/**
 * Why a call was ended: its caller did not read the answer in time, its headers are too large, or it sent many frames
 * of a few bytes.
 */
export type RpcOverflow = "unread-answers" | "large-headers" | "small-frames";

/** Which connections a server gets. */
export type Clientele = "authenticated" | "unauthenticated" | "local";

/**
 * Authenticated: an agent has one stream and one call beside it. Unauthenticated: a request to enrol has some 4,200
 * bytes, a query with a token fewer, and a person's tool sends four queries at once. Local, without TLS: the clients of
 * one process share a connection.
 */
const CLIENTELE_LIMITS: Readonly<Record<Clientele, ServerOptions>> = {
  authenticated: { "grpc.max_concurrent_streams": 4 },
  local: { "grpc.max_concurrent_streams": 64 },
  unauthenticated: { "grpc.max_concurrent_streams": 4, "grpc.max_receive_message_length": 16 * 1024 },
};

/**
 * A grpc-js server with Lifeline's limits, which admits a call before it reads a message of it. `onOverflow` is called
 * for each call that was ended for a reason of {@link RpcOverflow}.
 */
export function createRpcServer(
  clientele: Clientele = "local",
  clock: Pick<Clock, "after"> = systemClock,
  onOverflow: (what: RpcOverflow) => void = () => {},
): Server {
  // grpc-js prints its own lines to stderr, where programs print JSON. Failures show as rejections or statuses.
  setLogVerbosity(logVerbosity.NONE);
  const admissions: Admissions = {
    ofMethods: new Map(),
    admitted: new WeakMap(),
    connectionOf: (peer) => connectionOf(server, peer),
    onUnread: () => onOverflow("unread-answers"),
  };
  const interceptors = [admissionInterceptor(admissions, clock)];
  const server: Server = new Server({
    ...CHANNEL_LIMITS,
    ...SERVER_LIMITS,
    ...CLIENTELE_LIMITS[clientele],
    interceptors,
  });
  guardStreams(server, {
    // grpc-js itself answers calls of unknown methods, and a call that is reset at once reaches no handler. The guard
    // sees all of them.
    onStream: (peer) => connectionOf(server, peer)?.countCall(),
    onOverflow,
  });
  admissionsOf.set(server, admissions);
  return server;
}

/** Binds the server; resolves with the port that was bound. Rejects with the cause when it cannot be. */
export function listen(server: Server, address: string, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, port) => (error === null ? resolve(port) : reject(error)));
  });
}

/** Waits at most `graceMs` for calls to end, then cancels them. */
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

/** What a method's handler needs of its server. */
interface HandlerContext {
  readonly statusOf: (error: unknown) => { readonly code: status; readonly details: string };
  readonly admissions: Admissions;
}

function unary(run: (...args: never[]) => Promise<unknown>, { statusOf, admissions }: HandlerContext) {
  return (call: ServerUnaryCall<object, object>, done: sendUnaryData<object>) => {
    const answer = async () =>
      (run as (request: object, context: CallContext) => Promise<object>)(call.request, contextOf(admissions, call));
    answer().then(
      (response) => done(null, response),
      (error: unknown) => done(statusOf(error)),
    );
  };
}

function duplex(run: (...args: never[]) => Promise<unknown>, { statusOf, admissions }: HandlerContext) {
  return (call: ServerDuplexStream<object, object>) => {
    const context = contextOf(admissions, call);
    // A stream error is always followed by the call's end; without a listener it would end the process.
    call.on("error", () => {});
    let draining: Promise<void> | undefined;
    const respond: Respond<object> = async (response) => {
      if (context.signal.aborted) throw new RpcError(status.CANCELLED, "the call has ended");
      if (call.write(response)) return;
      // All senders wait on one promise. A listener for each would add up.
      draining ??= once(call, "drain", { signal: context.signal }).then(() => {
        draining = undefined;
      });
      await draining;
    };
    // Left as it is when the reader throws, because the status of that error is still to be sent on it.
    const requests = call.iterator({ destroyOnReturn: false });
    const serve = async () =>
      (run as (requests: AsyncIterable<object>, respond: Respond<object>, context: CallContext) => Promise<void>)(
        requests,
        respond,
        context,
      );
    serve().then(
      () => call.end(),
      (error: unknown) => {
        if (context.signal.aborted) return;
        call.emit("error", statusOf(error));
      },
    );
  };
}

function contextOf({ admitted }: Admissions, call: AnyCall): CallContext {
  const abort = new AbortController();
  call.once("cancelled", () => abort.abort());
  call.once("close", () => abort.abort());
  const found = admitted.get(call.metadata);
  if (found === undefined) throw new Error("a call reached its handler without admission");
  return { ...found.caller, principal: found.principal, signal: abort.signal };
}

function statusOf(method: DescMethod, error: unknown, onDefect: OnDefect) {
  if (error instanceof RpcError) return { code: error.code, details: error.message };
  onDefect(method.name, error);
  return { code: status.INTERNAL, details: "internal error" };
}
