import { createServer } from "node:net";
import { connect } from "node:tls";
import { describe, expect, it } from "vitest";
import { listening } from "./testing/peers.ts";
import { alertOf, reasonOfTlsCode } from "./tls-code.ts";

/** The code with which Node's TLS client fails when the peer answers with these bytes. */
async function codeAfter(answer: Buffer): Promise<string> {
  await using peer = await listening(
    createServer((socket) => socket.on("error", () => {}).once("data", () => socket.end(answer))),
  );
  const failed = Promise.withResolvers<string>();
  const session = connect({ port: peer.port, host: "127.0.0.1", rejectUnauthorized: false });
  session.once("error", (error: NodeJS.ErrnoException) => failed.resolve(error.code ?? ""));
  return await failed.promise;
}

/** A fatal alert in a record of TLS 1.2 (RFC 8446 §5.1, §6). */
const alertRecord = (alert: number) => Buffer.from([21, 3, 3, 0, 2, 2, alert]);

const OPENSSL_NAMES = [
  10, 20, 21, 22, 30, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 60, 70, 71, 80, 86, 90, 100, 109, 110, 111, 112,
  113, 114, 115, 116, 120,
];

describe("the code of a TLS failure", () => {
  it.each(OPENSSL_NAMES)("stands for alert %i, as OpenSSL reports it", async (alert) => {
    const code = await codeAfter(alertRecord(alert));
    expect(alertOf(code)).toBe(alert);
    expect(reasonOfTlsCode(code)).toBe(alert === 120 ? "alpn-mismatch" : "tls-alert");
  });

  it.each([
    ["plain HTTP", "HTTP/1.1 403 Forbidden\r\n\r\n"],
    ["HTML", "<html>blocked</html>"],
    ["SMTP", "220 mail.test ESMTP\r\n"],
  ])("shows that the answer is not TLS: %s", async (_, answer) => {
    expect(reasonOfTlsCode(await codeAfter(Buffer.from(answer)))).toBe("tls-plaintext");
  });

  it.each([
    ["EOF", "reset"],
    ["ECONNRESET", "reset"],
    ["ERR_SSL_UNSUPPORTED_PROTOCOL", "tls-protocol"],
    ["ERR_SSL_SSL_HANDSHAKE_FAILURE", "tls-protocol"],
    ["ERR_SSL_TLSV1_ALERT_TOSTRING", "tls-protocol"],
  ])("%s is %s", (code, reason) => {
    expect(reasonOfTlsCode(code)).toBe(reason);
    expect(alertOf(code)).toBeUndefined();
  });
});
