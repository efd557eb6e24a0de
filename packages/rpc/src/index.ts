// grpc-js checks credentials with instanceof, so callers must use the classes of this package's copy of grpc-js.
export { type ChannelCredentials, credentials as channelCredentials, ServerCredentials } from "@grpc/grpc-js";
export { type Admit, admitAll, type Caller, REQUEST_TIMEOUT_MS } from "./admission.ts";
export { type ByteClient, createByteClient } from "./byte-client.ts";
export type { ClientCertificate } from "./client-certificate.ts";
export type { SecureListenerOptions, SecureServers } from "./connection-acceptor.ts";
export {
  HANDSHAKE_BYTES,
  HANDSHAKE_TIMEOUT_MS,
  UNAUTHENTICATED_CALLS_MAX,
  UNAUTHENTICATED_MAX,
  WAITING_MAX,
  WAITING_PER_SOURCE_MAX,
} from "./connection-limits.ts";
export {
  FirstContactError,
  type FirstContactOptions,
  type FleetCaCertificate,
  fetchFleetCa,
} from "./first-contact.ts";
export type { ListenerCertificates } from "./listener-certificates.ts";
export { RateLimitedScheduler, type TimeAllowance, type TimeAllowances } from "./rate-limited-scheduler.ts";
export { type CallOptions, createRpcClient, type DuplexCall, type RpcClient } from "./rpc-client.ts";
export { RpcError, RpcStatus, type RpcStatusCode } from "./rpc-error.ts";
export {
  addService,
  type CallContext,
  type Clientele,
  createRpcServer,
  listen,
  type OnDefect,
  type Respond,
  type RpcOverflow,
  type ServiceImplementation,
  shutDown,
} from "./rpc-server.ts";
export type { Connection, ConnectionCounts, RefusedConnection } from "./secure-connection.ts";
export { listenSecurely, type SecureListener } from "./secure-listener.ts";
export { sourceOf } from "./source.ts";
export { type TlsOptions, tlsCredentials } from "./tls-credentials.ts";
