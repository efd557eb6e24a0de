/** From a protobuf-es service descriptor to what grpc-js needs to serve or call it. */
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

/** Both directions bounded alike; no transparent retries, for an attempt is an attempt (M1 holds for our own calls too). */
export const CHANNEL_LIMITS: ChannelOptions = {
  "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
  "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
  "grpc.enable_retries": 0,
  // Nobody asks for it, and it keeps a record of every call and connection.
  "grpc.enable_channelz": 0,
};

/** The grpc-js definition of one method. Request and response inits are completed with defaults when written. */
export function methodDefinition(method: DescMethod): MethodDefinition<object, object> {
  const codec = (schema: DescMessage) => ({
    write: (init: object) => Buffer.from(toBinary(schema, create(schema, init as never))),
    read: (bytes: Buffer): object => read(schema, bytes),
  });
  const input = codec(method.input);
  const output = codec(method.output);
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
    responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
    requestSerialize: input.write,
    requestDeserialize: input.read,
    responseSerialize: output.write,
    responseDeserialize: output.read,
  };
}

/**
 * Throws what ends the call, of which grpc-js makes INTERNAL: a server tells its caller no more, a client's caller is told the field as well
 * (server-interceptors.js, client-interceptors.js).
 */
function read(schema: DescMessage, bytes: Buffer): object {
  const message = readMessage(schema, bytes);
  if (message.ok) return message.value;
  const { field, value, expected } = message.malformed;
  throw new RpcError(RpcStatus.INVALID_ARGUMENT, `${field}: got ${value}, want ${expected}`);
}
