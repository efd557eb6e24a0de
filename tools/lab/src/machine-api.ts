/**
 * Stands in for Omni's Machine API, the gRPC listener that nodes dial. It answers as grpc-go does.
 *
 * Omni serves there what registers machines, carries WireGuard and unseals disks, and neither grpc.health nor
 * reflection. So every call that a probe may make without side effect ends in UNIMPLEMENTED (12), with the text of
 * grpc-go (server.go, handleStream). The stand-in registers nothing: a Provision call, too, is answered 12, and no
 * machine can be made here by accident.
 */
import {
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import type { StandInCertificate } from "./stand-in-certificate.ts";

/** A running gRPC server that takes connections accepted elsewhere. */
export interface MachineApi {
  serve(connection: Socket): void;
  /** Ends every call and connection. */
  close(): void;
}

/** Calls one connection may have open at once. */
const STREAMS_MAX = 100;

/** Services of the Machine API (siderolabs/siderolink api/siderolink, siderolabs/kms-client api/kms). */
const SERVICES: readonly string[] = [
  "sidero.link.ProvisionService",
  "sidero.link.WireGuardOverGRPCService",
  "sidero.kms.KMSService",
];

/** The status message of grpc-go for a path that the server does not serve. Pure. */
export function unknownCallText(path: string): string {
  const [, service = "", method = ""] = /^\/(.*)\/([^/]*)$/.exec(path) ?? [];
  return SERVICES.includes(service) ? `unknown method ${method} for service ${service}` : `unknown service ${service}`;
}

/**
 * Creates the server. ALPN is h2 only, as with grpc-go. Without a certificate it accepts connections whose TLS was
 * already terminated.
 */
export function createMachineApi(certificate?: StandInCertificate): MachineApi {
  const server = serverOf(certificate);
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session: ServerHttp2Session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  server.on("stream", answer);
  // A client's broken session ends that connection and nothing else.
  server.on("sessionError", () => undefined);
  return {
    serve: (connection) => void server.emit("connection", connection),
    close() {
      for (const session of sessions) session.destroy();
    },
  };
}

function serverOf(certificate: StandInCertificate | undefined): Http2Server | Http2SecureServer {
  const settings = { maxConcurrentStreams: STREAMS_MAX };
  if (certificate === undefined) return createServer({ settings });
  return createSecureServer({ cert: certificate.chainPem, key: certificate.keyPem, ALPNProtocols: ["h2"], settings });
}

/** Headers and status in one block, as grpc-go sends an error without a message. */
function answer(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  stream.on("error", () => undefined);
  stream.resume();
  const message = unknownCallText(String(headers[":path"]));
  const answered = { ":status": 200, "content-type": "application/grpc", "grpc-status": "12", "grpc-message": message };
  stream.respond(answered, { endStream: true });
}
