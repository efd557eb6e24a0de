/**
 * Admission: what is decided on a call's metadata, before a byte of its messages is read.
 *
 * 1. Every service says who may call it. There is no default: a service that anybody may call says so.
 * 2. Messages are never compressed: one that is would cost memory before anybody has looked at it.
 * 3. A request that cannot be read ends its call, which is told the field.
 * 4. A unary request has to arrive within {@link REQUEST_WITHIN_MS}: one that is never finished is not kept. Nor is an answer that is
 *    never read (answer-deadline.ts).
 */
import { constants } from "node:http2";
import { Duplex } from "node:stream";
import {
  Metadata,
  type Responder,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  ServerListenerBuilder,
  status,
} from "@grpc/grpc-js";
import type { Clock, Timer } from "@lifeline/measure";
import { AnswerDeadline, type ResettableStream } from "./answer-deadline.ts";
import { MessageGatherer } from "./received-bytes.ts";
import { RpcError } from "./rpc-error.ts";
import type { Connection } from "./secure-connection.ts";
import { MalformedRequest } from "./service-shape.ts";

/** How long a unary request may take to arrive whole, ms: its 16 KiB at most take 2 s at 64 kbit/s, and three lost segments 7 s (RFC 6298). */
export const REQUEST_WITHIN_MS = 10_000;

/** Who calls, as far as the call's metadata and its connection say. */
export interface Caller {
  /** Remote address and port, as grpc-js names it. */
  readonly peer: string;
  /** The connection it came by; undefined on a listener without TLS. */
  readonly connection: Connection | undefined;
  /** The secret the caller says who it is with (RFC 6750 §2.1); undefined: none. */
  readonly bearerToken: string | undefined;
}

/** Decides whether a caller may call at all, and as whom; throws an {@link RpcError} where not. */
export type Admit<Principal> = (caller: Caller) => Principal | Promise<Principal>;

/** For a service that anybody may call. */
export const admitAnybody: Admit<undefined> = () => undefined;

/** A caller that was admitted. */
export interface Admitted {
  readonly caller: Caller;
  readonly principal: unknown;
}

/** What an interceptor needs to know of a method. */
export interface MethodAdmission {
  readonly admit: Admit<unknown>;
  /** The status of what `admit` threw. */
  readonly statusOf: (error: unknown) => { readonly code: status; readonly details: string };
}

/** The admissions of one server. */
export interface Admissions {
  /** Whether and how a method may be called; by its path, `/package.Service/Method`. */
  readonly ofMethods: Map<string, MethodAdmission>;
  /** Who was admitted, by the metadata that the handler is given. */
  readonly admitted: WeakMap<Metadata, Admitted>;
  /** The connection of a peer; undefined on a listener without TLS. */
  readonly connectionOf: (peer: string) => Connection | undefined;
  /** A call was ended since its answers were not read. */
  readonly onUnread: () => void;
}

/** gRPC's header of the encodings that are understood (grpc/grpc doc/compression.md): sent with every answer. */
const ACCEPTED_ENCODINGS = "identity";

const NOT_COMPRESSED = {
  code: status.UNIMPLEMENTED,
  details: "grpc-encoding: got one that is not served, want identity: messages are not compressed",
};

/** Of a method that was added to the server past addService. */
const NOT_ADMITTED = { code: status.PERMISSION_DENIED, details: "the method has no admission" };

const NOT_FINISHED = {
  code: status.DEADLINE_EXCEEDED,
  details: `request: got none whole within ${REQUEST_WITHIN_MS} ms`,
};

/** The interceptor that admits calls. It reads nothing of a call that is refused. */
export function admissionInterceptor(admissions: Admissions, clock: Pick<Clock, "after">): ServerInterceptor {
  return (method, call) => {
    const encoding = encodingOf(call);
    const stream = streamOf(call);
    if (stream === undefined || !gathersOwn(call)) return refusing(call);
    const answers = new AnswerDeadline(stream, clock, admissions.onUnread);
    let deadline: Timer | undefined;
    let hasEnded = false;
    const refuse = (refusal: { readonly code: status; readonly details: string }) => {
      // A status stands in trailers where an answer has begun, else in the only headers.
      const isLast = stream.headersSent ? "wantTrailers" : "finish";
      intercepting.sendStatus({ ...refusal, metadata: null });
      // A status alone would leave the stream open. NO_ERROR says that the rest of the request is not needed (RFC 9113 §8.1).
      if (!stream.closed) stream.once(isLast, () => setImmediate(() => stream.close(constants.NGHTTP2_NO_ERROR)));
    };
    const admit = async (metadata: Metadata): Promise<void> => {
      const admission = admissions.ofMethods.get(method.path);
      if (admission === undefined) return refuse(NOT_ADMITTED);
      const peer = call.getPeer();
      const caller = {
        peer,
        connection: admissions.connectionOf(peer),
        bearerToken: bearerTokenOf(metadata),
      };
      try {
        admissions.admitted.set(metadata, { caller, principal: await admission.admit(caller) });
      } catch (error) {
        return refuse(admission.statusOf(error));
      }
    };
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => {
        if (encoding !== "identity") return refuse(NOT_COMPRESSED);
        void admit(metadata).then(() => {
          if (hasEnded || !admissions.admitted.has(metadata)) return;
          if (!method.requestStream) deadline = clock.after(REQUEST_WITHIN_MS, () => refuse(NOT_FINISHED));
          next(metadata);
        });
      })
      .withOnReceiveMessage((message, next) => {
        if (message instanceof MalformedRequest) refuse({ code: message.error.code, details: message.error.message });
        else next(message);
      })
      .withOnReceiveHalfClose((next) => {
        deadline?.cancel();
        next();
      })
      .withOnCancel(() => {
        hasEnded = true;
        deadline?.cancel();
      })
      .build();
    const intercepting = new AnsweringCall(call, answers, {
      start: (next) => next(listener),
      sendMetadata: (metadata, next) => next(saysEncodings(metadata)),
      sendStatus: (sent, next) => next({ ...sent, metadata: saysEncodings(sent.metadata ?? new Metadata()) }),
    });
    return intercepting;
  };
}

/** Tells the deadline what is sent and taken: an interceptor is told the former alone. */
class AnsweringCall extends ServerInterceptingCall {
  readonly #answers: AnswerDeadline;

  constructor(call: ServerInterceptingCallInterface, answers: AnswerDeadline, responder: Responder) {
    super(call, responder);
    this.#answers = answers;
  }

  override sendMessage(message: unknown, callback: () => void): void {
    this.#answers.sent();
    super.sendMessage(message, () => {
      this.#answers.read();
      callback();
    });
  }

  override sendStatus(sent: Parameters<ServerInterceptingCall["sendStatus"]>[0]): void {
    // Taken when the stream closes.
    this.#answers.sent();
    super.sendStatus(sent);
  }
}

function saysEncodings(metadata: Metadata): Metadata {
  metadata.set("grpc-accept-encoding", ACCEPTED_ENCODINGS);
  return metadata;
}

/**
 * What a call's messages are encoded with. grpc-js takes the header out of the metadata before interceptors see it, and keeps what it said on
 * the call; where that is not found nothing is admitted (admission.test.ts).
 */
function encodingOf(call: object): string {
  const encoding: unknown = Reflect.get(call, "incomingEncoding");
  return typeof encoding === "string" ? encoding : "unknown";
}

/**
 * Has a call keep its messages in their own bytes; grpc-js has what puts them together on the call (admission.test.ts). False: it does so no
 * more.
 */
function gathersOwn(call: object): boolean {
  const decoder: unknown = Reflect.get(call, "decoder");
  const bytesMax: unknown = typeof decoder === "object" && decoder && Reflect.get(decoder, "maxReadMessageLength");
  if (typeof bytesMax !== "number" || bytesMax < 0) return false;
  return Reflect.set(call, "decoder", new MessageGatherer(bytesMax));
}

/** The stream of a call, which grpc-js keeps on it (admission.test.ts); undefined: it does so no more. */
function streamOf(call: object): ResettableStream | undefined {
  const stream: unknown = Reflect.get(call, "stream");
  return stream instanceof Duplex && "close" in stream && "closed" in stream
    ? (stream as Duplex & ResettableStream)
    : undefined;
}

/** Refuses a call that cannot be bounded: an upgrade of grpc-js must serve nobody rather than end the process. */
function refusing(call: ServerInterceptingCallInterface): ServerInterceptingCall {
  const refusal = { code: status.INTERNAL, details: "the stream of the call is not known", metadata: null };
  const listener = new ServerListenerBuilder().withOnReceiveMetadata(() => call.sendStatus(refusal)).build();
  return new ServerInterceptingCall(call, { start: (next) => next(listener) });
}

function bearerTokenOf(metadata: Metadata): string | undefined {
  const [said] = metadata.get("authorization");
  const [, token] = /^Bearer ([\x21-\x7e]+)$/.exec(typeof said === "string" ? said : "") ?? [];
  return token;
}
