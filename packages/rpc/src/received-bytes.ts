/**
 * What a stream has received and not yet read whole, kept in as many bytes as it has.
 *
 * Node hands over each DATA frame as a view of everything that was received with it, and grpc-js keeps views until their message is whole: one
 * byte in a record of 16 KiB, the rest of it frames that mean nothing, holds 16 KiB, and one byte in a frame of its own a view of 110 bytes. So a
 * message of 4 MiB that never ended held as much as its sender cared to send: 500 MB in 14 s under one key (Node 24.21).
 */
import type { Duplex } from "node:stream";
import type { ResettableStream } from "./answer-deadline.ts";

/** ENHANCE_YOUR_CALM: the peer may be making load (RFC 9113 §7). */
export const RESET_CALM = 11;

/** A stream of node:http2, as far as it is needed. */
export type ReceivingStream = Duplex & ResettableStream;

/** gRPC's flag and length before a message (grpc/grpc doc/PROTOCOL-HTTP2.md). */
const HEAD_BYTES = 5;

/** First room for a message that has not come whole, bytes; it doubles. */
const ROOM_BYTES = 256;

/** Frames a stream may have of any size, and bytes that each further one must bring on average: no message of ours is as small. */
const CHUNKS_FREE = 1_024;
const BYTES_PER_CHUNK = 16;

/** Puts messages together, as grpc-js's StreamDecoder does; in one buffer each. */
export class MessageGatherer {
  readonly #bytesMax: number;
  readonly #head = Buffer.allocUnsafeSlow(HEAD_BYTES);
  #room = this.#head;
  #have = 0;
  /** Of its head, and once that is whole of the message too. */
  #want = HEAD_BYTES;

  /** `bytesMax`: of a message, without its head. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Gives the messages that are whole now, with their heads. Throws when one would be larger than it may be. */
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

/** Has a stream keep what is not read of it without what was received beside it, and resets it when it comes in crumbs, which `onCrumbs` hears of. */
export function keepOwnBytes(stream: ReceivingStream, onCrumbs: () => void): void {
  const push = stream.push.bind(stream);
  let chunks = 0;
  let bytes = 0;
  stream.push = (chunk: Buffer | null) => {
    if (chunk === null) return push(null);
    chunks += 1;
    bytes += chunk.length;
    if (chunks > CHUNKS_FREE + bytes / BYTES_PER_CHUNK) {
      if (!stream.closed) onCrumbs();
      stream.close(RESET_CALM);
      return false;
    }
    return push(chunk.length < chunk.buffer.byteLength / 2 ? ownCopy(chunk) : chunk);
  };
}

/** Outside of Node's pool, which a copy of one byte would hold 64 KiB of. */
function ownCopy(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}
