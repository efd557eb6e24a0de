// Credentials are told by class, so both ends must take them from the copy of grpc-js that this package runs on.
export { type ChannelCredentials, credentials as channelCredentials, ServerCredentials } from "@grpc/grpc-js";
export { type ByteClient, createByteClient } from "./byte-client.ts";
export {
  FirstContactError,
  type FirstContactOptions,
  type FleetAuthority,
  fetchAuthority,
} from "./first-contact.ts";
export * as adminPb from "./gen/lifeline/v1/admin_pb.ts";
export * as enrolPb from "./gen/lifeline/v1/enrol_pb.ts";
export * as queryPb from "./gen/lifeline/v1/query_pb.ts";
export * as reportPb from "./gen/lifeline/v1/report_pb.ts";
export * as witnessPb from "./gen/lifeline/v1/witness_pb.ts";
export {
  BOOT_ID_BYTES,
  MAX_EVIDENCE_ENTRIES,
  MAX_EVIDENCE_LENGTH,
  MAX_IDENTIFIER_LENGTH,
  MAX_MESSAGE_BYTES,
  MAX_REPORT_BYTES,
  MAX_TARGETS_PER_NODE,
  MAX_UNIX_MS,
  MAX_WINDOWS_PER_REPORT,
} from "./limits.ts";
export type { Decoded, Malformed } from "./malformed.ts";
export { isNodeId, MAX_NODE_ID_LENGTH, NODE_ID_WANTED } from "./node-id.ts";
export { makePlan, type Plan, planFromWire, planToWire } from "./plan-codec.ts";
export { decodeReport, encodeReport, NO_VITALS, type Report, type Vitals } from "./report-codec.ts";
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
export { decodeWindow, encodeWindow } from "./stored-window.ts";
export { type TlsOptions, tlsCredentials } from "./tls-credentials.ts";
