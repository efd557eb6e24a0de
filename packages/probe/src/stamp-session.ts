/**
 * Sessions of STAMP (RFC 8762): one long-lived connected socket for each target, on which packets are numbered one after another, so that
 * both sides' numbers tell on which way packets are lost.
 *
 * 1. A reply is ours when it copies the number and the timestamp of a packet of this session; it ends that packet's attempt and no other.
 * 2. A direction's loss is told between two answered packets: the sender's numbers say how many went, the reflector's own how many
 *    came. They are told in the order of sending, once every packet before has ended, so that neither packets under way nor reordered
 *    ones are taken for lost.
 * 3. A reflector that copies the sender's number keeps none of its own, and one that began anew counts from its start: neither tells
 *    anything of a direction (M4).
 * 4. Sessions are bounded in number and idle time; what an ICMP error ends are the attempts, not the session.
 */
import type { Socket } from "node:dgram";
import { type DirectionCounts, type IpFamily, NS_PER_MS, type Timer } from "@lifeline/measure";
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
import { arrivalTime, connectedSocket } from "./connected-socket.ts";
import { type DatagramClocks, type DatagramEnd, neverSent } from "./datagram.ts";
import { type Deadline, isExpired, startDeadline } from "./deadline.ts";
import { createDirectionLoss, type EndedPacket } from "./direction-loss.ts";
import { codeOf } from "./errno.ts";
import { datagramFd } from "./socket-fd.ts";

/** Most sessions of a process: a plan has one or two reflectors by family. */
export const SESSIONS_MAX = 64;

/** How long a session may stay unused, ms: sixty probes at one a second. Its source port is then another. */
export const SESSION_IDLE_MS = 60_000;

/** Most packets that a session remembers in order; an attempt ends within its threshold, a second. */
const REMEMBERED_MAX = 1_024;

/** Where a session sends. */
export interface SessionTarget {
  /** Identity of the target: one session each. */
  readonly id: string;
  readonly address: string;
  readonly port: number;
  readonly family: IpFamily;
  readonly timeoutMs: number;
}

/** What a datagram from the reflector was. */
export type Reply =
  | { readonly kind: "reply"; readonly packet: ReflectedPacket }
  | { readonly kind: "malformed"; readonly code: string };

/** How an attempt in a session ended. */
export interface SessionExchange {
  readonly end: DatagramEnd<Reply>;
  readonly strays: number;
  readonly localAddress: string | undefined;
  /** What has been learned of each direction since the attempt before; undefined: nothing. */
  readonly directions: DirectionCounts | undefined;
}

/** The sessions of a process. */
export interface StampSessions {
  /** Sends one packet in the target's session, and waits for its reply. Never rejects. */
  exchange(target: SessionTarget, key: Uint8Array | undefined): Promise<SessionExchange>;
  /** Closes all. */
  close(): void;
}

/** What sessions take from outside. */
export interface SessionWorld extends DatagramClocks {
  /** Uniform in [0, 1): the first sequence number. */
  readonly random: () => number;
}

/** Creates no session yet. */
export function createStampSessions(world: SessionWorld): StampSessions {
  const sessions = new Map<string, Session>();
  const drop = (id: string) => {
    sessions.get(id)?.close();
    sessions.delete(id);
  };
  const sessionOf = async (target: SessionTarget): Promise<Session | string> => {
    const known = sessions.get(target.id);
    if (known?.isOpenTo(target) === true) return known;
    drop(target.id);
    const [oldest] = sessions.keys();
    if (sessions.size >= SESSIONS_MAX && oldest !== undefined) drop(oldest);
    const socket = await connectedSocket(target.family, target.address, target.port);
    if (typeof socket === "string") return socket;
    const opened = new Session(world, socket, target, () => drop(target.id));
    // Another attempt may have opened one meanwhile: the later stays.
    drop(target.id);
    sessions.set(target.id, opened);
    return opened;
  };
  return {
    async exchange(target, key) {
      const session = await sessionOf(target);
      if (typeof session !== "string") return session.exchange(target.timeoutMs, key);
      return { end: neverSent(session), strays: 0, localAddress: undefined, directions: undefined };
    },
    close() {
      for (const id of [...sessions.keys()]) drop(id);
    },
  };
}

/** A packet that was sent. */
interface Sent {
  readonly index: number;
  readonly sequence: number;
  readonly sentAt: NtpTimestamp;
  readonly key: Uint8Array | undefined;
  readonly deadline: Deadline;
  readonly settle: (end: DatagramEnd<Reply>) => void;
  strays: number;
  /** Set when it is over: with the reflector's own number when it was answered. */
  ended: EndedPacket | undefined;
}

/** A datagram as it was handed over. */
interface Seen {
  readonly bytes: Uint8Array;
  /** Its age then, by the kernel's stamp, ns. */
  readonly ageNs: number | undefined;
  /** When that was, by the monotonic clock, ns. */
  readonly seenNs: number;
}

class Session {
  readonly #world: SessionWorld;
  readonly #socket: Socket;
  readonly #fd: number | undefined;
  readonly #target: SessionTarget;
  readonly #localAddress: string;
  readonly #onIdle: () => void;
  /** In the order of sending; those at the front that are over are told and forgotten. */
  readonly #sent: Sent[] = [];
  readonly #account = createDirectionLoss();
  readonly #start: number;
  #count = 0;
  #duplicates = 0;
  #reordered = 0;
  #latestReply = -1;
  /** The first packet that has not been told of. */
  #untold = 0;
  #idle: Timer | undefined;
  #isClosed = false;

  constructor(world: SessionWorld, socket: Socket, target: SessionTarget, onIdle: () => void) {
    this.#world = world;
    this.#socket = socket;
    this.#target = target;
    this.#onIdle = onIdle;
    this.#localAddress = socket.address().address;
    this.#start = Math.floor(world.random() * SEQUENCE_COUNT);
    this.#fd = datagramFd(socket);
    if (this.#fd !== undefined) world.kernel?.stampArrivals(this.#fd);
    socket.on("message", (bytes) => this.#take(bytes));
    socket.on("error", (error) => this.#fail(codeOf(error), "datagram-answer"));
    // A session that waits for nobody's answer keeps no process alive.
    socket.unref();
  }

  isOpenTo({ address, port }: SessionTarget): boolean {
    return !this.#isClosed && this.#target.address === address && this.#target.port === port;
  }

  async exchange(timeoutMs: number, key: Uint8Array | undefined): Promise<SessionExchange> {
    const { clock } = this.#world;
    this.#rest();
    const { promise, resolve: settle } = Promise.withResolvers<DatagramEnd<Reply>>();
    const index = this.#count++;
    const sequence = sequenceAt(this.#start + index);
    const sentAt = ntpFromWallMs(clock.wallMs());
    const packet = encodeSender({ sequence, sentAt, errorEstimate: OWN_ERROR_ESTIMATE }, key);
    // Node hands the datagram to the kernel within `send`, so the deadline and the packet start together.
    const deadline = startDeadline(clock, timeoutMs);
    const sent: Sent = { index, sequence, sentAt, key, deadline, settle, strays: 0, ended: undefined };
    this.#sent.push(sent);
    this.#socket.send(packet, (error) => {
      if (error !== null) this.#failOne(sent, codeOf(error), "datagram-send");
    });
    const end = await deadline.race(promise);
    deadline.cancel();
    if (isExpired(end)) sent.ended ??= { index, reflected: undefined };
    const { strays } = sent;
    return { end, strays, localAddress: this.#localAddress, directions: this.#learned() };
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#idle?.cancel();
    this.#socket.close();
  }

  /** Ends the session when nothing has used it for long. */
  #rest(): void {
    this.#idle?.cancel();
    this.#idle = this.#world.clock.after(SESSION_IDLE_MS, this.#onIdle);
  }

  #take(bytes: Uint8Array): void {
    const ageNs = this.#fd === undefined ? undefined : this.#world.kernel?.sinceArrivalNs(this.#fd);
    const seenNs = this.#world.clock.monotonicNs();
    const waiting = this.#sent.filter(({ ended }) => ended === undefined);
    const [first] = waiting;
    const key = (first ?? this.#sent.at(-1))?.key;
    const decoded = decodeReflected(bytes, key);
    if (decoded.kind === "malformed") {
      // It cannot be told whose answer it would be: the oldest's, which waits longest.
      if (first !== undefined) this.#end(first, { kind: "malformed", code: decoded.reason }, { bytes, ageNs, seenNs });
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
    this.#end(sent, { kind: "reply", packet: decoded.packet }, { bytes, ageNs, seenNs });
  }

  #end(sent: Sent, value: Reply, { bytes, ageNs, seenNs }: Seen): void {
    const { deadline, index, sequence } = sent;
    // Decoding and the digest come after the arrival, and are not the path's.
    const readingNs = this.#world.clock.monotonicNs() - seenNs;
    const arrival = { bytes, ...arrivalTime(ageNs, deadline.elapsedNs() - readingNs) };
    const own = value.kind === "reply" && value.packet.sequence !== sequence ? value.packet.sequence : undefined;
    const isAnswer = value.kind === "reply";
    sent.ended = { index, reflected: isAnswer ? { sequence: own } : undefined };
    sent.settle({ kind: "answered", value, arrival, late: deadline.lateness(arrival.elapsedNs) });
  }

  #fail(code: string, place: "datagram-answer" | "datagram-send"): void {
    for (const sent of this.#sent) this.#failOne(sent, code, place);
  }

  #failOne(sent: Sent, code: string, place: "datagram-answer" | "datagram-send"): void {
    if (sent.ended !== undefined) return;
    const elapsedNs = sent.deadline.elapsedNs();
    sent.ended = { index: sent.index, reflected: undefined };
    const late = sent.deadline.lateness(elapsedNs);
    sent.settle({ kind: "error", code, place, elapsedNs, source: "monotonic", late });
  }

  /** What the packets that are over say of each direction, in the order of sending. */
  #learned(): DirectionCounts | undefined {
    for (const { index, ended } of this.#sent) {
      if (index < this.#untold) continue;
      if (ended === undefined) break;
      this.#account.add(ended);
      this.#untold = index + 1;
    }
    this.#forget();
    const counts = this.#account.take();
    const { duplicates, reordered } = { duplicates: this.#duplicates, reordered: this.#reordered };
    this.#duplicates = 0;
    this.#reordered = 0;
    if (counts === undefined && duplicates + reordered === 0) return undefined;
    const none = { forwardSent: 0, forwardLost: 0, returnSent: 0, returnLost: 0 };
    return { ...(counts ?? none), duplicates, reordered };
  }

  /** What was told is kept for a moment more, so that a second reply is known for one. */
  #forget(): void {
    for (let [first] = this.#sent; first !== undefined && first.index < this.#untold; [first] = this.#sent) {
      const isOld = first.deadline.elapsedNs() > 2 * this.#target.timeoutMs * NS_PER_MS;
      if (!isOld && this.#sent.length <= REMEMBERED_MAX) return;
      this.#sent.shift();
    }
  }
}
