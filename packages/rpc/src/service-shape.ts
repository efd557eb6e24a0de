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
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { ChannelOptions, MethodDefinition } from "@grpc/grpc-js";
import { MAX_MESSAGE_BYTES } from "@lifeline/wire";

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
    read: (bytes: Buffer): object => fromBinary(schema, bytes, { readUnknownFields: false }),
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
