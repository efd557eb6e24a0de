/**
 * Keeps the bytes of incomplete messages in buffers of their own size.
 *
 * Node gives each DATA frame as a view of the whole buffer it was received in, and grpc-js keeps the views until the
 * message is complete. One byte in a TLS record of 16 KiB keeps 16 KiB, and each frame of one byte costs a view of 110
 * bytes. A message of 4 MiB that never ended took 500 MB in 14 s under one key (Node 24.21).
 */
import { constants } from "node:http2";
import type { Duplex } from "node:stream";
import type { ResettableStream } from "./answer-deadline.ts";

/** The part of a node:http2 stream that is used here. */
export type ReceivingStream = Duplex & ResettableStream;

/** gRPC's flag and length before a message (grpc/grpc doc/PROTOCOL-HTTP2.md). */
const HEAD_BYTES = 5;

/** First size of the buffer of an incomplete message, bytes. It doubles as the message grows. */
const ROOM_BYTES = 256;

/**
 * Frames of any size that a stream may send; and bytes that each frame beyond those must have on average. Lifeline
 * sends larger ones.
 */
const FRAMES_FREE = 1_024;
const BYTES_PER_FRAME = 16;

/** Puts messages together as grpc-js's StreamDecoder does, each in one buffer. */
export class MessageGatherer {
  readonly #bytesMax: number;
  readonly #head = Buffer.allocUnsafeSlow(HEAD_BYTES);
  #room = this.#head;
  #have = 0;
  /** Bytes of the head; of the head and the message once the head is complete. */
  #want = HEAD_BYTES;

  /** `bytesMax`: most bytes of a message without its head. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /**
   * Returns the messages that `chunk` completes, with their heads. Throws when a head announces more than `bytesMax`.
   */
  write(chunk: Buffer): Buffer[] {
    const whole: Buffer[] = [];
    for (let at = 0; at < chunk.length; ) {
      const taken = Math.min(chunk.length - at, this.#want - this.#have);
      this.#makeRoom(this.#have + taken);
      chunk.copy(this.#room, this.#have, at, at + taken);
      at += taken;
      this.#have += taken;
      if (this.#have === HEAD_BYTES && this.#want === HEAD_BYTES) this.#want += this.#size();
      if (this.#have < this.#want) continue;
      whole.push(this.#room === this.#head ? ownCopy(this.#head) : this.#room);
      this.#room = this.#head;
      this.#have = 0;
      this.#want = HEAD_BYTES;
    }
    return whole;
  }

  #size(): number {
    const bytes = this.#room.readUInt32BE(1);
    if (bytes > this.#bytesMax) throw new Error(`Received message larger than max (${bytes} vs ${this.#bytesMax})`);
    return bytes;
  }

  #makeRoom(bytes: number): void {
    if (bytes <= this.#room.length) return;
    const doubled = Math.max(ROOM_BYTES, 2 * this.#room.length);
    const room = Buffer.allocUnsafeSlow(Math.max(bytes, Math.min(this.#want, doubled)));
    this.#room.copy(room, 0, 0, this.#have);
    this.#room = room;
  }
}

/**
 * Makes a stream keep unread bytes in buffers of their own. Resets a stream that sends many frames of a few bytes, and
 * calls `onSmallFrames` once.
 */
export function keepOwnBytes(stream: ReceivingStream, onSmallFrames: () => void): void {
  const push = stream.push.bind(stream);
  let frames = 0;
  let bytes = 0;
  stream.push = (chunk: Buffer | null) => {
    if (chunk === null) return push(null);
    frames += 1;
    bytes += chunk.length;
    if (frames > FRAMES_FREE + bytes / BYTES_PER_FRAME) {
      if (!stream.closed) onSmallFrames();
      stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
      return false;
    }
    return push(chunk.length < chunk.buffer.byteLength / 2 ? ownCopy(chunk) : chunk);
  };
}

/** A copy outside of Node's buffer pool: in the pool a copy of one byte would keep 64 KiB. */
function ownCopy(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}
