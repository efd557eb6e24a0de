/** The codes with which TLS fails, as Node and OpenSSL name them. */
import { type Reason, tlsAlertNumber } from "@lifeline/measure";

/** The peer closed its side (FIN) before the handshake was complete; libuv's name. */
export const CLOSED = "EOF";

/** The connection ended without a word of TLS. */
const CUT: readonly string[] = [CLOSED, "ECONNRESET", "EPIPE", "ECONNABORTED"];

/** OpenSSL's name for a record whose header is not that of TLS: the peer speaks another protocol. */
const NOT_TLS = "ERR_SSL_WRONG_VERSION_NUMBER";

/** RFC 7301 §3.2. */
const NO_APPLICATION_PROTOCOL = 120;

/** OpenSSL's names for an alert that arrived; its own failures have other prefixes (sslerr.h, SSL_R_…_ALERT_…). */
const ALERT = /^ERR_SSL_(?:(?:SSL\/TLS|SSLV3|SSL|TLSV13?)_ALERT|TLSV1)_(\w+)$/;

/** The number of the alert that a code stands for (RFC 8446 §6); undefined: it stands for none. */
export function alertOf(code: string): number | undefined {
  const name = ALERT.exec(code)?.[1]?.toLowerCase();
  // OpenSSL spells alert 90 as Britons do.
  return name === undefined ? undefined : tlsAlertNumber(name.replace("cancelled", "canceled"));
}

/** The reason for a handshake that failed with that code. */
export function reasonOfTlsCode(code: string): Reason {
  if (CUT.includes(code)) return "reset";
  if (code === NOT_TLS) return "tls-plaintext";
  const alert = alertOf(code);
  if (alert === NO_APPLICATION_PROTOCOL) return "alpn-mismatch";
  return alert === undefined ? "tls-protocol" : "tls-alert";
}
