// Credentials are told by class, so both ends must take them from the copy of grpc-js that this package runs on.
export { type ChannelCredentials, credentials as channelCredentials, ServerCredentials } from "@grpc/grpc-js";
export { type ByteClient, createByteClient } from "./byte-client.ts";
export {
  FirstContactError,
  type FirstContactOptions,
  type FleetAuthority,
  fetchAuthority,
} from "./first-contact.ts";
export { type CallOptions, createRpcClient, type DuplexCall, type RpcClient } from "./rpc-client.ts";
export { RpcError, RpcStatus, type RpcStatusCode, rpcErrorFrom } from "./rpc-error.ts";
export {
  type Admit,
  addService,
  type CallContext,
  type Clientele,
  createRpcServer,
  listen,
  type OnDefect,
  type Respond,
  type ServiceImplementation,
  shutDown,
} from "./rpc-server.ts";
export {
  type ClientCertificate,
  CONNECTIONS_PER_NAME_MAX,
  type Connection,
  HANDSHAKE_WITHIN_MS,
  type ListenerCertificates,
  listenSecurely,
  type RefusedConnection,
  type SecureListener,
  type SecureListenerOptions,
  type SecureServers,
  STRANGER_STAYS_MS,
  STRANGERS_MAX,
  STRANGERS_PER_SOURCE_MAX,
} from "./secure-listener.ts";
export { type TlsOptions, tlsCredentials } from "./tls-credentials.ts";
