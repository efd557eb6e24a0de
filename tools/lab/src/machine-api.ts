/**
 * Stands in for Omni's Machine API, the gRPC listener that nodes dial: a real grpc-js server over TLS.
 *
 * Omni serves there only what registers machines (`sidero.link.ProvisionService`, siderolabs/siderolink
 * `api/siderolink/provision.proto`) and neither grpc.health nor reflection, so every call that a probe may make without
 * side effect ends in UNIMPLEMENTED (12). The stand-in registers nothing: a Provision call, too, is answered 12, and no
 * machine can be made here by accident.
 */
import type { Socket } from "node:net";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { StandInCertificate } from "./stand-in-certificate.ts";

/** A running gRPC server that takes connections accepted elsewhere. */
export interface MachineApi {
  serve(connection: Socket): void;
  /** Ends every call and connection. */
  close(): void;
}

/** Largest message accepted, bytes: an empty probe needs none, a Provision request is under 1 KiB. */
const MESSAGE_MAX_BYTES = 64 * 1024;

/** Calls one connection may have open at once. */
const STREAMS_MAX = 100;

/**
 * Creates the server. ALPN is h2 only, as with grpc-go. Without a certificate it accepts connections whose TLS was
 * already terminated.
 */
export function createMachineApi(certificate?: StandInCertificate): MachineApi {
  const server = new Server({
    "grpc.max_receive_message_length": MESSAGE_MAX_BYTES,
    "grpc.max_concurrent_streams": STREAMS_MAX,
    "grpc.enable_channelz": 0,
  });
  const injector = server.createConnectionInjector(credentialsOf(certificate));
  return {
    serve: (connection) => injector.injectConnection(connection),
    close() {
      injector.destroy();
      server.forceShutdown();
    },
  };
}

function credentialsOf(certificate: StandInCertificate | undefined): ServerCredentials {
  if (certificate === undefined) return ServerCredentials.createInsecure();
  const pair = { cert_chain: Buffer.from(certificate.chainPem), private_key: Buffer.from(certificate.keyPem) };
  return ServerCredentials.createSsl(null, [pair], false);
}
