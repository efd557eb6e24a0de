/**
 * A session of STAMP (RFC 8762): one long-lived connected socket to one reflector, on which packets are numbered one
 * after another. The numbers of both sides show in which direction packets are lost.
 *
 * 1. A reply belongs to the packet of this session whose number and timestamp it copies. It ends that packet's attempt
 *    and no other.
 * 2. Packets are compared in the order of sending, and only once every earlier attempt has ended. Packets that are
 *    still under way, or that were reordered, are therefore not counted as lost.
 * 3. A reflector that copies the sender's number keeps no count, so it shows nothing of a direction (M4).
 * 4. An ICMP error ends the attempts under way. It does not end the session.
 */
import type { Socket } from "node:dgram";
import { type DirectionCounts, NS_PER_MS } from "@lifeline/measure";
import {
  decodeReflected,
  encodeSender,
  type NtpTimestamp,
  ntpFromWallMs,
  OWN_ERROR_ESTIMATE,
  type ReflectedPacket,
  SEQUENCE_COUNT,
  sequenceAt,
} from "@lifeline/stamp";
import { arrivalTime } from "./connected-socket.ts";
import { type DatagramClocks, type DatagramEnd, latenessOf } from "./datagram.ts";
import { type Deadline, isExpired, type OnSilence, startDeadline } from "./deadline.ts";
import { DirectionLoss, type EndedPacket, NO_PACKETS } from "./direction-loss.ts";
import { codeOf, type ErrnoPlace } from "./errno.ts";
import { datagramFd } from "./socket-fd.ts";

/** Most packets that a session remembers: an attempt ends within its threshold of about a second. */
const REMEMBERED_MAX = 1_024;

/** What a datagram from the reflector was. */
export type Reply =
  | { readonly kind: "reply"; readonly packet: ReflectedPacket }
  | { readonly kind: "malformed"; readonly code: string };

/** How an attempt in a session ended. */
export interface SessionExchange {
  readonly end: DatagramEnd<Reply>;
  readonly strays: number;
  readonly localAddress: string | undefined;
  /** Packets by direction that could be compared since the attempt before; undefined: none. */
  readonly directions: DirectionCounts | undefined;
}

/** What a session takes from outside (M2). */
export interface SessionWorld extends Omit<DatagramClocks, "watch"> {
  /** Uniform in [0, 1): the first sequence number. */
  readonly random: () => number;
}

/** A packet that was sent. */
interface SentPacket {
  readonly index: number;
  readonly sequence: number;
  readonly sentAt: NtpTimestamp;
  readonly key: Uint8Array | undefined;
  readonly deadline: Deadline;
  readonly settle: (end: DatagramEnd<Reply>) => void;
  strays: number;
  /** Set when its attempt has ended. */
  ended: EndedPacket | undefined;
}

/** A datagram that was read. */
interface ReadDatagram {
  readonly bytes: Uint8Array;
  /** Its age when it was read, by the kernel's stamp, ns. */
  readonly ageNs: number | undefined;
  /** When it was read, by the monotonic clock, ns. */
  readonly readNs: number;
}

/** A session over a connected socket, which it owns. */
export class StampSession {
  readonly #world: SessionWorld;
  readonly #socket: Socket;
  readonly #fd: number | undefined;
  readonly #localAddress: string;
  readonly #rememberedNs: number;
  /** In the order of sending. */
  readonly #sent: SentPacket[] = [];
  readonly #loss = new DirectionLoss();
  readonly #first: number;
  #count = 0;
  #duplicates = 0;
  #reordered = 0;
  #latestReply = -1;
  /** The first packet that has not been compared. */
  #nextCompared = 0;
  #isClosed = false;

  /** `timeoutMs` is the threshold of its attempts: a second reply is recognised for twice as long. */
  constructor(world: SessionWorld, socket: Socket, timeoutMs: number) {
    this.#world = world;
    this.#socket = socket;
    this.#rememberedNs = 2 * timeoutMs * NS_PER_MS;
    this.#localAddress = socket.address().address;
    this.#first = Math.floor(world.random() * SEQUENCE_COUNT);
    this.#fd = datagramFd(socket);
    if (this.#fd !== undefined) world.kernel?.stampArrivals(this.#fd);
    socket.on("message", (bytes) => this.#read(bytes));
    socket.on("error", (error) => this.#failAll(codeOf(error)));
    // An idle session keeps no process alive.
    socket.unref();
  }

  /** Sends one packet and waits for its reply. Never rejects. */
  async exchange(timeoutMs: number, key: Uint8Array | undefined, onSilence?: OnSilence): Promise<SessionExchange> {
    const { clock } = this.#world;
    const { promise, resolve: settle } = Promise.withResolvers<DatagramEnd<Reply>>();
    const index = this.#count++;
    const sequence = sequenceAt(this.#first + index);
    const sentAt = ntpFromWallMs(clock.wallMs());
    const packet = encodeSender({ sequence, sentAt, errorEstimate: OWN_ERROR_ESTIMATE }, key);
    // Node hands the datagram to the kernel within `send`, so the deadline and the packet start together.
    const deadline = startDeadline(clock, timeoutMs, onSilence);
    const sent: SentPacket = { index, sequence, sentAt, key, deadline, settle, strays: 0, ended: undefined };
    this.#sent.push(sent);
    this.#socket.send(packet, (error) => {
      if (error !== null) this.#fail(sent, codeOf(error), "datagram-send");
    });
    const end = await deadline.race(promise);
    deadline.cancel();
    if (isExpired(end)) sent.ended ??= { index, reflected: undefined };
    return { end, strays: sent.strays, localAddress: this.#localAddress, directions: this.#compareEnded() };
  }

  /** Closes the socket. Idempotent. */
  close(): void {
    if (!this.#isClosed) this.#socket.close();
    this.#isClosed = true;
  }

  #read(bytes: Uint8Array): void {
    const ageNs = this.#fd === undefined ? undefined : this.#world.kernel?.sinceArrivalNs(this.#fd);
    const datagram = { bytes, ageNs, readNs: this.#world.clock.monotonicNs() };
    const waiting = this.#sent.filter(({ ended }) => ended === undefined);
    // Of those that are watched for a late answer only when there is no other.
    const oldest = waiting.find(isInTime) ?? waiting[0];
    const decoded = decodeReflected(bytes, (oldest ?? this.#sent.at(-1))?.key);
    if (decoded.kind === "malformed") {
      // It names no packet. The oldest has waited longest, so it is the likeliest.
      if (oldest !== undefined) this.#answer(oldest, { kind: "malformed", code: decoded.reason }, datagram);
      return;
    }
    const { sender } = decoded.packet;
    const sent = this.#sent.find(({ sequence, sentAt }) => sequence === sender.sequence && sentAt === sender.sentAt);
    if (sent === undefined || (sent.ended !== undefined && sent.ended.reflected === undefined)) {
      for (const one of waiting) one.strays += 1;
      return;
    }
    if (sent.ended !== undefined) {
      this.#duplicates += 1;
      return;
    }
    if (sent.index < this.#latestReply) this.#reordered += 1;
    this.#latestReply = Math.max(this.#latestReply, sent.index);
    this.#answer(sent, { kind: "reply", packet: decoded.packet }, datagram);
  }

  #answer(sent: SentPacket, value: Reply, { bytes, ageNs, readNs }: ReadDatagram): void {
    const { deadline, index, sequence } = sent;
    // Decoding and the HMAC took place after the arrival, so their time is not the path's.
    const decodingNs = this.#world.clock.monotonicNs() - readNs;
    const arrival = { bytes, ...arrivalTime(ageNs, deadline.elapsedNs() - decodingNs) };
    const own = value.kind === "reply" && value.packet.sequence !== sequence ? value.packet.sequence : undefined;
    sent.ended = { index, reflected: value.kind === "reply" ? { sequence: own } : undefined };
    sent.settle({ kind: "answered", value, arrival, late: latenessOf(deadline, arrival) });
  }

  /** An ICMP error names no packet: it ends those within their threshold, or else the latest that is watched. */
  #failAll(code: string): void {
    const waiting = this.#sent.filter(({ ended }) => ended === undefined);
    const inTime = waiting.filter(isInTime);
    for (const sent of inTime.length > 0 ? inTime : waiting.slice(-1)) this.#fail(sent, code, "datagram-answer");
  }

  #fail(sent: SentPacket, code: string, place: ErrnoPlace): void {
    if (sent.ended !== undefined) return;
    const elapsedNs = sent.deadline.elapsedNs();
    sent.ended = { index: sent.index, reflected: undefined };
    sent.settle({
      kind: "error",
      code,
      place,
      elapsedNs,
      source: "monotonic",
      late: sent.deadline.lateness(elapsedNs),
    });
  }

  /** Compares the packets up to the first whose attempt has not ended. */
  #compareEnded(): DirectionCounts | undefined {
    for (const { index, ended } of this.#sent) {
      if (index < this.#nextCompared) continue;
      if (ended === undefined) break;
      this.#loss.add(ended);
      this.#nextCompared = index + 1;
    }
    this.#dropOld();
    const sums = this.#loss.take();
    const { duplicates, reordered } = { duplicates: this.#duplicates, reordered: this.#reordered };
    this.#duplicates = 0;
    this.#reordered = 0;
    if (sums === undefined && duplicates + reordered === 0) return undefined;
    return { ...(sums ?? NO_PACKETS), duplicates, reordered };
  }

  /** A compared packet is kept for a while, so that a second reply to it is recognised. */
  #dropOld(): void {
    for (let [first] = this.#sent; first !== undefined && first.index < this.#nextCompared; [first] = this.#sent) {
      const isOld = first.deadline.elapsedNs() > this.#rememberedNs;
      if (!isOld && this.#sent.length <= REMEMBERED_MAX) return;
      this.#sent.shift();
    }
  }
}

/** Whether the packet's threshold is not over. */
function isInTime({ deadline }: SentPacket): boolean {
  return deadline.lateness(deadline.elapsedNs()) === undefined;
}
