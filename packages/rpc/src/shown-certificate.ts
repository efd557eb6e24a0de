/**
 * The certificate that a client has shown, without a loss that Node has there.
 *
 * The native getPeerX509Certificate of a server's connection takes the certificate out of OpenSSL's session and never frees it: 4.5 kB a
 * connection (valgrind, Node 24.21: an X509 made in tls_process_client_certificate is lost). Node calls it by itself for every client whose
 * certificate is believed (internal/tls/wrap, onServerSocketSecure), so whoever has a certificate could fill this process's memory by connecting.
 * getPeerCertificate frees what it takes: here it answers for both.
 */
import { X509Certificate } from "node:crypto";
import { PassThrough } from "node:stream";
import { TLSSocket } from "node:tls";

/** The native half of a connection, as far as it is used here. */
interface Handle {
  getPeerX509Certificate(): unknown;
  getPeerCertificate(isDetailed: boolean): { readonly raw?: Buffer } | undefined;
}

let isMended = false;

/**
 * Has Node's own call, on every TLS connection of this process, answered without the loss. Idempotent. A Node that does it in another way
 * is left as it is.
 */
export function mendPeerCertificates(): void {
  if (isMended) return;
  isMended = true;
  const handles = handlesOf(new TLSSocket(new PassThrough(), { isServer: true }));
  const lossy = handles?.getPeerX509Certificate;
  if (handles === undefined || typeof lossy !== "function" || typeof handles.getPeerCertificate !== "function") return;
  handles.getPeerX509Certificate = function (this: Handle) {
    const raw = this.getPeerCertificate(false)?.raw;
    if (raw === undefined) return undefined;
    return handleOf(new X509Certificate(raw)) ?? lossy.call(this);
  };
}

/** The certificate; undefined: none was shown. */
export function shownCertificate(socket: TLSSocket): X509Certificate | undefined {
  const { raw }: { readonly raw?: Buffer } = socket.getPeerCertificate();
  return raw === undefined ? undefined : new X509Certificate(raw);
}

/** What all connections' native halves have in common. */
function handlesOf(socket: TLSSocket): Handle | undefined {
  const handle: unknown = Reflect.get(socket, "_handle");
  socket.destroy();
  return typeof handle === "object" && handle !== null ? (Object.getPrototypeOf(handle) as Handle) : undefined;
}

/** The native half of a certificate, as Node's own code is given it: kept under a symbol. */
function handleOf(certificate: X509Certificate): unknown {
  return Object.getOwnPropertySymbols(certificate)
    .map((symbol): unknown => Reflect.get(certificate, symbol))
    .find((value) => typeof value === "object" && value !== null && "fingerprint256" in value);
}
