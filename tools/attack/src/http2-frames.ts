/** Floods of HTTP/2 frames (RFC 9113) that no client library would send. */

/** Frames sent repeatedly on a connection. */
export type FrameFlood =
  | "settings"
  | "ping"
  | "rapid-reset"
  | "unserved-reset"
  | "continuation"
  | "headers"
  | "empty-data";

/** RFC 9113 §6. */
const TYPE = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, continuation: 9 } as const;
const END_HEADERS = 0x4;

/** Frames in one write. */
const BATCH = 128;

/** What a connection begins with: the preface and the client's settings (RFC 9113 §3.4). */
export const CONNECTION_PREFACE: Buffer = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  frame(TYPE.settings, 0, 0, Buffer.alloc(0)),
]);

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A header field, literal and not indexed (RFC 7541 §6.2.2); name and value have less than 127 bytes. */
function literal(name: string, value: string): Buffer {
  return Buffer.concat([
    Buffer.from([0, name.length]),
    Buffer.from(name),
    Buffer.from([value.length]),
    Buffer.from(value),
  ]);
}

function request(path: string, contentType: string): Buffer {
  return Buffer.concat([
    literal(":method", "POST"),
    literal(":scheme", "http"),
    literal(":path", path),
    literal(":authority", "collector"),
    literal("content-type", contentType),
    literal("te", "trailers"),
  ]);
}

const PATH = "/lifeline.v1.WitnessService/Witness";
const REQUEST = request(PATH, "application/grpc");

/**
 * Calls that grpc-js answers before interceptors, so that no admission counts them: a path and a content type that are
 * not served.
 */
const UNSERVED = [request("/x/y", "application/grpc"), request(PATH, "text/plain")];

/** Unknown header fields, about 8 KiB in all. */
const MANY_FIELDS = Buffer.concat(Array.from({ length: 64 }, (_, at) => literal(`x-${at}`, "x".repeat(120))));

/** The frames of the nth write, from 0. */
export function batchOf(flood: FrameFlood, nth: number): Buffer {
  // A client's streams have odd numbers; 1 is the first.
  const streams = Array.from({ length: BATCH }, (_, at) => 2 * (nth * BATCH + at) + 1);
  switch (flood) {
    case "settings":
      return Buffer.concat(streams.map(() => frame(TYPE.settings, 0, 0, Buffer.from([0, 3, 0, 0, 0, 100]))));
    case "ping":
      return Buffer.concat(streams.map(() => frame(TYPE.ping, 0, 0, Buffer.alloc(8))));
    case "rapid-reset":
      return resets(streams, [REQUEST]);
    case "unserved-reset":
      return resets(streams, UNSERVED);
    case "headers":
      return Buffer.concat(
        streams.map((stream) => frame(TYPE.headers, END_HEADERS, stream, Buffer.concat([REQUEST, MANY_FIELDS]))),
      );
    case "continuation":
      return Buffer.concat([
        ...(nth === 0 ? [frame(TYPE.headers, 0, 1, REQUEST)] : []),
        ...streams.map(() => frame(TYPE.continuation, 0, 1, MANY_FIELDS)),
      ]);
    case "empty-data":
      return Buffer.concat([
        ...(nth === 0 ? [frame(TYPE.headers, END_HEADERS, 1, REQUEST)] : []),
        ...streams.map(() => frame(TYPE.data, 0, 1, Buffer.alloc(0))),
      ]);
  }
}

/** Opens streams, the requests taken in turn, and resets each at once with CANCEL (RFC 9113 §7). */
function resets(streams: readonly number[], requests: readonly Buffer[]): Buffer {
  return Buffer.concat(
    streams.flatMap((stream, at) => [
      frame(TYPE.headers, END_HEADERS, stream, requests[at % requests.length] ?? REQUEST),
      frame(TYPE.reset, 0, stream, Buffer.from([0, 0, 0, 8])),
    ]),
  );
}
