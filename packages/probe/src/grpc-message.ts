/** The status message of gRPC: percent-encoded UTF-8 (gRPC over HTTP/2, "Status-Message"). */

/** Most characters of a message as sent that are read. */
const MESSAGE_MAX_CHARS = 768;

/** Decodes a message. What is not valid percent-encoding stays as it is, and what is not UTF-8 is replaced. */
export function decodeGrpcMessage(sent: string): string {
  const bytes = sent
    .slice(0, MESSAGE_MAX_CHARS)
    .replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1").toString("utf8");
}

/** Whether `text` is what `pattern` says. The first `*` of the pattern stands for any text. */
export function matchesText(pattern: string, text: string): boolean {
  const star = pattern.indexOf("*");
  if (star < 0) return text === pattern;
  const [before, after] = [pattern.slice(0, star), pattern.slice(star + 1)];
  return text.length >= before.length + after.length && text.startsWith(before) && text.endsWith(after);
}
