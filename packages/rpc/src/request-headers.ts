/**
 * Bounds of a call's headers, applied before grpc-js makes metadata of them.
 *
 * HPACK (RFC 7541) repeats a field of 4 KB for one byte, and Node joins the values of one name: a frame of 150 bytes
 * becomes half a megabyte. grpc-js splits binary metadata at its commas and keeps an object of 200 bytes for each while
 * the call is open. A hundred such calls of an unauthenticated connection took a gigabyte and blocked the event loop
 * for a second (Node 24.21). A limit in HTTP/2's settings (RFC 9113 §6.5.2) binds only peers that acknowledge it.
 */

/**
 * Most bytes of a call's headers, names and values: gRPC's own default (grpc/grpc, `grpc.max_metadata_size`). Ours have
 * some 300.
 */
export const HEADERS_MAX_BYTES = 8 * 1024;

/** Ends a name whose values are bytes in base64 (grpc/grpc doc/PROTOCOL-HTTP2.md). Lifeline sends none. */
const BINARY_NAME_END = "-bin";

/** Headers as node:http2 gives them. */
export type RequestHeaders = Record<string, string | string[] | undefined>;

/** Whether the headers have more than {@link HEADERS_MAX_BYTES}. */
export function areTooLarge(headers: RequestHeaders): boolean {
  let bytes = 0;
  for (const [name, values] of Object.entries(headers)) {
    for (const value of [values ?? ""].flat()) bytes += name.length + value.length;
  }
  return bytes > HEADERS_MAX_BYTES;
}

/** Removes the headers that grpc-js would decode as binary metadata. */
export function removeBinaryMetadata(headers: RequestHeaders): void {
  for (const name of Object.keys(headers)) if (name.endsWith(BINARY_NAME_END)) delete headers[name];
}
