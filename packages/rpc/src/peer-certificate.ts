/**
 * Reads a client's certificate without a memory leak of Node, and patches the call of Node that leaks.
 *
 * - What leaks: on a server's connection the native `getPeerX509Certificate` leaks an X509, 4.5 KB for each connection
 *   (valgrind, Node 24.21). The code is `X509Certificate::GetPeerCert` (src/crypto/crypto_x509.cc).
 * - Since when: nodejs/node#64677, released in Node 26.8.0 and in Node 24 by 24.21. Since then Node itself makes the
 *   call for each client whose certificate is valid (`onServerSocketSecure`, lib/internal/tls/wrap.js). A client with a
 *   certificate could fill the memory of this process by connecting again and again.
 * - Upstream: not reported as of 2026-11. nodejs/node#65579 is another defect of the same call: it cuts the chain.
 * - The patch: the native `getPeerCertificate` frees what it reads, so {@link patchPeerCertificates} uses that.
 * - When to delete it: the test "leaks without the patch" in peer-certificate.system.test.ts fails once Node no longer
 *   leaks. Then delete {@link patchPeerCertificates}; {@link peerCertificate} can become Node's own call.
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
