/**
 * A client's certificate, read without a memory leak of Node.
 *
 * The native `getPeerX509Certificate` of a server's connection leaks an X509, 4.5 KB for each connection (valgrind,
 * Node 24.21: an X509 that OpenSSL made in `tls_process_client_certificate` is lost). The path is
 * `TLSWrap::GetPeerX509Certificate` (src/crypto/crypto_tls.cc) to `X509Certificate::GetPeerCert`
 * (src/crypto/crypto_x509.cc). Since nodejs/node#64677, Node calls it by itself in `onServerSocketSecure`
 * (lib/internal/tls/wrap.js) for each client whose certificate is valid, so a client with a certificate could fill the
 * memory of this process by connecting. The leak is not reported upstream as of 2026-11; nodejs/node#65579 is another
 * defect of the same call, of the chain. The native `getPeerCertificate` frees what it reads, so {@link
 * patchPeerCertificates} answers by it.
 *
 * peer-certificate.system.test.ts fails once Node no longer leaks. Then delete the patch.
 */
import { X509Certificate } from "node:crypto";
import { PassThrough } from "node:stream";
import { TLSSocket } from "node:tls";

/** The part of Node's native connection that is used here. */
interface NativeConnection {
  getPeerX509Certificate(): unknown;
  getPeerCertificate(isDetailed: boolean): { readonly raw?: Buffer } | undefined;
}

let isPatched = false;

/**
 * Replaces the native `getPeerX509Certificate` of all TLS connections of this process. Idempotent. Does nothing where
 * Node has no such method.
 */
export function patchPeerCertificates(): void {
  if (isPatched) return;
  isPatched = true;
  const prototype = nativePrototype();
  const leaky = prototype?.getPeerX509Certificate;
  if (prototype === undefined || typeof leaky !== "function") return;
  if (typeof prototype.getPeerCertificate !== "function") return;
  prototype.getPeerX509Certificate = function (this: NativeConnection) {
    const raw = this.getPeerCertificate(false)?.raw;
    if (raw === undefined) return undefined;
    return nativeCertificateOf(new X509Certificate(raw)) ?? leaky.call(this);
  };
}

/** The certificate that the client has sent; undefined: none. */
export function peerCertificate(socket: TLSSocket): X509Certificate | undefined {
  const { raw }: { readonly raw?: Buffer } = socket.getPeerCertificate();
  return raw === undefined ? undefined : new X509Certificate(raw);
}

/** The prototype of all native connections. */
function nativePrototype(): NativeConnection | undefined {
  const socket = new TLSSocket(new PassThrough(), { isServer: true });
  const native: unknown = Reflect.get(socket, "_handle");
  socket.destroy();
  return typeof native === "object" && native !== null
    ? (Object.getPrototypeOf(native) as NativeConnection)
    : undefined;
}

/** The native certificate that Node's own code expects; X509Certificate keeps it under a symbol. */
function nativeCertificateOf(certificate: X509Certificate): unknown {
  return Object.getOwnPropertySymbols(certificate)
    .map((symbol): unknown => Reflect.get(certificate, symbol))
    .find((value) => typeof value === "object" && value !== null && "fingerprint256" in value);
}
