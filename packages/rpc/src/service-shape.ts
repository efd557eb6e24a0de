/** Turns a protobuf-es service descriptor into the definitions that grpc-js serves or calls. */
import type {
  DescMessage,
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { create, toBinary } from "@bufbuild/protobuf";
import type { ChannelOptions, MethodDefinition } from "@grpc/grpc-js";
import { MAX_MESSAGE_BYTES, readMessage } from "@lifeline/wire";
import { RpcError, RpcStatus } from "./rpc-error.ts";

/** Input and output of a unary method. */
export type UnaryShape<M> =
  M extends DescMethodUnary<infer I extends DescMessage, infer O extends DescMessage>
    ? {
        request: MessageShape<I>;
        requestInit: MessageInitShape<I>;
        response: MessageShape<O>;
        responseInit: MessageInitShape<O>;
      }
    : never;

/** Input and output of a bidirectional method. */
export type DuplexShape<M> =
  M extends DescMethodBiDiStreaming<infer I extends DescMessage, infer O extends DescMessage>
    ? {
        request: MessageShape<I>;
        requestInit: MessageInitShape<I>;
        response: MessageShape<O>;
        responseInit: MessageInitShape<O>;
      }
    : never;

/** A service's methods by their local names. */
export type MethodsOf<S extends DescService> = S["method"];

/** Both directions have the same bound. No transparent retries: M1 applies to our own calls, too. */
export const CHANNEL_LIMITS: ChannelOptions = {
  "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
  "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
  "grpc.enable_retries": 0,
  // Unused, and it keeps a record of every call and connection.
  "grpc.enable_channelz": 0,
};

/**
 * A request that cannot be decoded. grpc-js does not send a decoder's error to the caller, so the call is refused with
 * it later (admission.ts).
 */
export class MalformedRequest {
  readonly error: RpcError;
  constructor(error: RpcError) {
    this.error = error;
  }
}

/** The grpc-js definition of one method. Request and response inits are completed with defaults when written. */
export function methodDefinition(method: DescMethod): MethodDefinition<object, object> {
  const write = (schema: DescMessage) => (init: object) => Buffer.from(toBinary(schema, create(schema, init as never)));
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
    responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
    requestSerialize: write(method.input),
    requestDeserialize(bytes) {
      const request = read(method.input, bytes);
      return request instanceof RpcError ? new MalformedRequest(request) : request;
    },
    responseSerialize: write(method.output),
    responseDeserialize(bytes) {
      const response = read(method.output, bytes);
      // grpc-js rejects the call with the error thrown here (client-interceptors.js).
      if (response instanceof RpcError) throw response;
      return response;
    },
  };
}

function read(schema: DescMessage, bytes: Buffer): object {
  const message = readMessage(schema, bytes);
  if (message.ok) return message.value;
  const { field, value, expected } = message.malformed;
  return new RpcError(RpcStatus.INVALID_ARGUMENT, `${field}: got ${value}, want ${expected}`);
}
