/**
 * Admission: decides on a call by its metadata, before a byte of its messages is read.
 *
 * 1. Every service declares who may call it. There is no default: a public service uses {@link admitAll}.
 * 2. Messages are never compressed. A compressed one would cost memory before it can be checked.
 * 3. A request that cannot be decoded ends its call with an error that names the field.
 * 4. A unary request must arrive within {@link REQUEST_TIMEOUT_MS}, and an answer must be read in time
 *    (answer-deadline.ts).
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

/**
 * How long a unary request may take to arrive, ms: 16 KiB take 2 s at 64 kbit/s, and three lost segments 7 s (RFC
 * 6298).
 */
export const REQUEST_TIMEOUT_MS = 10_000;

/** What is known of a caller from the call's metadata and connection. */
export interface Caller {
  /** Remote address and port, as grpc-js names it. */
  readonly peer: string;
  /** The connection it came by; undefined on a listener without TLS. */
  readonly connection: Connection | undefined;
  /** The caller's bearer token (RFC 6750 §2.1), a secret; undefined: none. */
  readonly bearerToken: string | undefined;
}

/** Returns the principal of a caller that may call; throws an {@link RpcError} for others. */
export type Admit<Principal> = (caller: Caller) => Principal | Promise<Principal>;

/** Admission of a public service. */
export const admitAll: Admit<undefined> = () => undefined;

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
  /** The admission of each method, by its path `/package.Service/Method`. */
  readonly ofMethods: Map<string, MethodAdmission>;
  /** Admitted callers, by the metadata that the handler gets. */
  readonly admitted: WeakMap<Metadata, Admitted>;
  /** The connection of a peer; undefined on a listener without TLS. */
  readonly connectionOf: (peer: string) => Connection | undefined;
  /** A call was ended because its caller did not read the answers. */
  readonly onUnread: () => void;
}

/** Value of `grpc-accept-encoding` (grpc/grpc doc/compression.md), which is sent with every answer. */
const ACCEPTED_ENCODINGS = "identity";

const NOT_COMPRESSED = {
  code: status.UNIMPLEMENTED,
  details: "grpc-encoding: got an unsupported one, want identity: messages are not compressed",
};

/** For a method that was not added by addService. */
const NOT_ADMITTED = { code: status.PERMISSION_DENIED, details: "the method has no admission" };

const NOT_FINISHED = {
  code: status.DEADLINE_EXCEEDED,
  details: `request: got none complete within ${REQUEST_TIMEOUT_MS} ms`,
};

/** The interceptor that admits calls. It reads no message of a refused call. */
export function admissionInterceptor(admissions: Admissions, clock: Pick<Clock, "after">): ServerInterceptor {
  return (method, call) => {
    const encoding = encodingOf(call);
    const stream = streamOf(call);
    if (stream === undefined || !replacesDecoder(call)) return refusing(call);
    const answers = new AnswerDeadline(stream, clock, admissions.onUnread);
    let deadline: Timer | undefined;
    let hasEnded = false;
    const refuse = (refusal: { readonly code: status; readonly details: string }) => {
      // A status is in the trailers after an answer, else in the headers.
      const isLast = stream.headersSent ? "wantTrailers" : "finish";
      intercepting.sendStatus({ ...refusal, metadata: null });
      // A status alone would leave the stream open. NO_ERROR says that the rest of the request is not needed (RFC 9113
      // §8.1).
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
          if (!method.requestStream) deadline = clock.after(REQUEST_TIMEOUT_MS, () => refuse(NOT_FINISHED));
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
      sendMetadata: (metadata, next) => next(withEncodings(metadata)),
      sendStatus: (sent, next) => next({ ...sent, metadata: withEncodings(sent.metadata ?? new Metadata()) }),
    });
    return intercepting;
  };
}

/** Reports to the deadline what is sent and what is read; an interceptor sees only what is sent. */
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
    // Read when the stream closes.
    this.#answers.sent();
    super.sendStatus(sent);
  }
}

function withEncodings(metadata: Metadata): Metadata {
  metadata.set("grpc-accept-encoding", ACCEPTED_ENCODINGS);
  return metadata;
}

/**
 * The encoding of a call's messages. grpc-js removes the header from the metadata and keeps its value on the call. If
 * it is not found there, no call is admitted (admission.test.ts).
 */
function encodingOf(call: object): string {
  const encoding: unknown = Reflect.get(call, "incomingEncoding");
  return typeof encoding === "string" ? encoding : "unknown";
}

/**
 * Replaces the decoder of a call, which puts messages together, by a {@link MessageGatherer}. False: this version of
 * grpc-js has no such decoder on the call (admission.test.ts).
 */
function replacesDecoder(call: object): boolean {
  const decoder: unknown = Reflect.get(call, "decoder");
  const bytesMax: unknown = typeof decoder === "object" && decoder && Reflect.get(decoder, "maxReadMessageLength");
  if (typeof bytesMax !== "number" || bytesMax < 0) return false;
  return Reflect.set(call, "decoder", new MessageGatherer(bytesMax));
}

/** The stream of a call. undefined: this version of grpc-js does not keep it on the call (admission.test.ts). */
function streamOf(call: object): ResettableStream | undefined {
  const stream: unknown = Reflect.get(call, "stream");
  return stream instanceof Duplex && "close" in stream && "closed" in stream
    ? (stream as Duplex & ResettableStream)
    : undefined;
}

/** Refuses a call that cannot be bounded. An upgrade of grpc-js must not end the process. */
function refusing(call: ServerInterceptingCallInterface): ServerInterceptingCall {
  const refusal = { code: status.INTERNAL, details: "the stream of the call is not known", metadata: null };
  const listener = new ServerListenerBuilder().withOnReceiveMetadata(() => call.sendStatus(refusal)).build();
  return new ServerInterceptingCall(call, { start: (next) => next(listener) });
}

function bearerTokenOf(metadata: Metadata): string | undefined {
  const [value] = metadata.get("authorization");
  const [, token] = /^Bearer ([\x21-\x7e]+)$/.exec(typeof value === "string" ? value : "") ?? [];
  return token;
}
