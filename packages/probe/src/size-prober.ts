/**
 * Sends STAMP packets of given sizes that must not be fragmented, and notes which come back. Replies are as long as
 * their requests.
 */
import type { Socket } from "node:dgram";
import type { Clock, IpFamily } from "@lifeline/measure";
import {
  AUTHENTICATED_BYTES,
  decodeReflected,
  encodeSender,
  ntpFromWallMs,
  OWN_ERROR_ESTIMATE,
  padded,
  SEQUENCE_COUNT,
  sequenceAt,
  UNAUTHENTICATED_BYTES,
} from "@lifeline/stamp";
import { connectedSocket } from "./connected-socket.ts";
import { isExpired, startDeadline } from "./deadline.ts";
import { codeOf } from "./errno.ts";
import { boundsOf, type SizeBounds } from "./mtu-search.ts";
import { datagramFd } from "./socket-fd.ts";
import type { ProbeWorld } from "./world.ts";

/** IP and UDP headers, bytes (RFC 791, RFC 8200, RFC 768). */
const HEADER_BYTES = { 4: 20 + 8, 6: 40 + 8 } as const;

/** Where to send. */
export interface SizeProberTarget {
  readonly family: IpFamily;
  readonly port: number;
  readonly address: string;
  /** Given: packets are authenticated with it. */
  readonly key: Uint8Array | undefined;
}

/** How a round ended: all sizes were answered or their time is over, this process stalled, or an ICMP error came. */
export type RoundEnd =
  | { readonly kind: "over" }
  | { readonly kind: "stalled" }
  | { readonly kind: "error"; readonly code: string };

/**
 * Connects a prober whose packets may not be fragmented, or gives the code of what prevented it: `ENOMEM` where
 * fragments cannot be forbidden, because the network would then carry every size in fragments.
 */
export async function openSizeProber(world: ProbeWorld, target: SizeProberTarget): Promise<SizeProber | string> {
  const { family, port, address } = target;
  const socket = await connectedSocket(family, address, port);
  if (typeof socket === "string") return socket;
  const fd = datagramFd(socket);
  if (fd !== undefined && world.kernel?.forbidFragments(fd, family) === true) {
    return new SizeProber(world, socket, target);
  }
  socket.close();
  return "ENOMEM";
}

/** Probes sizes in rounds over a connected socket, which it owns. */
export class SizeProber {
  readonly #clock: Clock;
  readonly #socket: Socket;
  readonly #target: SizeProberTarget;
  readonly #sizeOf = new Map<number, number>();
  readonly #sent = new Set<number>();
  readonly #answered = new Set<number>();
  /** Sizes of the round under way that neither came back nor were refused by this host. */
  #open = new Set<number>();
  #end: (end: RoundEnd) => void = () => {};
  #next: number;
  #isLocallyLimited = false;

  constructor(world: ProbeWorld, socket: Socket, target: SizeProberTarget) {
    this.#clock = world.clock;
    this.#socket = socket;
    this.#target = target;
    this.#next = Math.floor(world.random() * SEQUENCE_COUNT);
    socket.on("message", (bytes) => this.#read(bytes));
    // A router that reports a packet as too big is what the search is for, so it ends nothing.
    socket.on("error", (error) => this.#fail(codeOf(error)));
  }

  /** What all rounds so far show. */
  get bounds(): SizeBounds {
    return boundsOf(this.#sent, this.#answered);
  }

  /** Whether this host's own device refused a size. */
  get isLocallyLimited(): boolean {
    return this.#isLocallyLimited;
  }

  /** Sends one packet of each size, in bytes with the IP header, and waits up to `timeoutMs` for the replies. */
  async probe(sizes: readonly number[], timeoutMs: number): Promise<RoundEnd> {
    const { promise, resolve } = Promise.withResolvers<RoundEnd>();
    this.#open = new Set(sizes);
    this.#end = resolve;
    const deadline = startDeadline(this.#clock, timeoutMs);
    for (const size of sizes) this.#send(size);
    const end = await deadline.race(promise);
    deadline.cancel();
    return isExpired(end) ? { kind: end.stalled ? "stalled" : "over" } : end;
  }

  /** Closes the socket. */
  close(): void {
    this.#socket.close();
  }

  #send(size: number): void {
    const { family, key } = this.#target;
    this.#sent.add(size);
    const sequence = sequenceAt(this.#next++);
    this.#sizeOf.set(sequence, size);
    const packet = { sequence, sentAt: ntpFromWallMs(this.#clock.wallMs()), errorEstimate: OWN_ERROR_ESTIMATE };
    const baseBytes = key === undefined ? UNAUTHENTICATED_BYTES : AUTHENTICATED_BYTES;
    const bytes = Math.max(baseBytes, size - HEADER_BYTES[family]);
    this.#socket.send(padded(encodeSender(packet, key), bytes), (error) => {
      if (error === null) return;
      if (codeOf(error) !== "EMSGSIZE") return this.#fail(codeOf(error));
      this.#isLocallyLimited = true;
      this.#settle(size);
    });
  }

  #read(bytes: Uint8Array): void {
    const decoded = decodeReflected(bytes, this.#target.key);
    const size = decoded.kind === "ok" ? this.#sizeOf.get(decoded.packet.sender.sequence) : undefined;
    // A shorter reply shows nothing of the return path: this reflector does not pad.
    if (size === undefined || bytes.byteLength < size - HEADER_BYTES[this.#target.family]) return;
    this.#answered.add(size);
    this.#settle(size);
  }

  #settle(size: number): void {
    this.#open.delete(size);
    if (this.#open.size === 0) this.#end({ kind: "over" });
  }

  #fail(code: string): void {
    if (code !== "EMSGSIZE") this.#end({ kind: "error", code });
  }
}
