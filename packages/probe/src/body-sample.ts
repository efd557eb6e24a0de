/** The beginning of a response's body: enough to tell an empty one from a page. The body itself is never kept (S1). */
import { brotliDecompressSync, constants, gunzipSync, inflateSync } from "node:zlib";

/** Most bytes of a body that are read, as sent and decoded. */
const BODY_MAX_BYTES = 65_536;

/** Most characters of a page's title that are kept. */
const TITLE_MAX_CHARS = 80;

const TITLE = /<title[^>]{0,200}>([^<]{0,400})/i;

const flushed = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: BODY_MAX_BYTES };

/** Decoders by content coding (RFC 9110 §8.4.1), of a body that may be cut off. */
const DECODERS: Readonly<Record<string, (body: Buffer) => Buffer>> = {
  gzip: (body) => gunzipSync(body, flushed),
  "x-gzip": (body) => gunzipSync(body, flushed),
  deflate: (body) => inflateSync(body, flushed),
  br: (body) =>
    brotliDecompressSync(body, { finishFlush: constants.BROTLI_OPERATION_FLUSH, maxOutputLength: BODY_MAX_BYTES }),
};

/** Collects the beginning of a body. */
export class BodySample {
  readonly #decode: ((body: Buffer) => Buffer) | undefined;
  #raw = Buffer.alloc(0);

  /** `coding`: the Content-Encoding; undefined or unknown: the body is taken as it comes. */
  constructor(coding: string | undefined) {
    this.#decode = DECODERS[coding?.trim().toLowerCase() ?? ""];
  }

  /** Adds bytes as sent. Returns whether more of them can change what is known: nothing has been decoded so far. */
  add(chunk: Buffer): boolean {
    const room = BODY_MAX_BYTES - this.#raw.length;
    this.#raw = Buffer.concat([this.#raw, chunk.subarray(0, room)]);
    return this.#raw.length < BODY_MAX_BYTES && this.bytes === 0;
  }

  /** Bytes decoded so far. */
  get bytes(): number {
    return this.#decoded().length;
  }

  /** The title of an HTML page, in one line; undefined: none was found. */
  get title(): string | undefined {
    const found = TITLE.exec(this.#decoded().toString("utf8"))?.[1]?.replace(/\s+/g, " ").trim() ?? "";
    return found === "" ? undefined : found.slice(0, TITLE_MAX_CHARS);
  }

  #decoded(): Buffer {
    if (this.#decode === undefined || this.#raw.length === 0) return this.#raw;
    try {
      return this.#decode(this.#raw);
    } catch {
      // Not in this coding, or longer than the limit: in both cases it is not empty.
      return this.#raw;
    }
  }
}
