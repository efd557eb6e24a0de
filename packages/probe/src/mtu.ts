/**
 * The largest IP packet that a path carries to a STAMP reflector and back: replies are as long as their requests, and neither side
 * lets the network fragment them.
 *
 * 1. One call is one search of at most three rounds; each packet is sent once (M1). What a round concludes: see mtu-search.
 * 2. Small packets answered and none of the required size or more: the path is too narrow. Nothing answered: it tells nothing of sizes.
 */
import type { Socket } from "node:dgram";
import type { IpFamily, Outcome } from "@lifeline/measure";
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
import { type Deadline, isExpired, startDeadline } from "./deadline.ts";
import { codeOf, reasonOfErrno } from "./errno.ts";
import { locate } from "./locate.ts";
import { boundsOf, carriesRequired, firstSizes, furtherSizes, ROUNDS_MAX, SIZE_MIN_BYTES } from "./mtu-search.ts";
import { emptyTrace, outcome, resultOf, type Trace } from "./probe-result.ts";
import type { ProbeProtocol } from "./protocol.ts";
import { datagramFd } from "./socket-fd.ts";
import type { ProbeWorld } from "./world.ts";

/** IP and UDP headers, bytes (RFC 791, RFC 8200, RFC 768). */
const HEADER_BYTES = { 4: 20 + 8, 6: 40 + 8 } as const;

/** Answered when the required size, or a larger one, came back. */
export const probeMtu: ProbeProtocol<"mtu"> = async (target, { authenticated, requiredBytes }, world) => {
  const trace = emptyTrace();
  const key = authenticated ? world.stampKey : undefined;
  if (authenticated && key === undefined) return resultOf(trace, outcome("stamp-unkeyed", "plan"));
  const located = await locate(world, target, trace);
  if (located.kind === "ended") return resultOf(trace, located.outcome);
  trace.evidence.address = located.address;
  const { family, port, timeoutMs } = target;
  const opened = await openSearch(world, { family, port, address: located.address, key });
  if (typeof opened === "string") return resultOf(trace, ended(opened, trace));
  try {
    return resultOf(trace, await search(opened, world, family, requiredBytes, timeoutMs, trace));
  } finally {
    opened.socket.close();
  }
};

function ended(code: string, trace: Trace): Outcome {
  trace.evidence.code = code;
  return outcome(reasonOfErrno(code, "datagram-send"), "request");
}

async function search(
  asker: Asker,
  world: ProbeWorld,
  family: IpFamily,
  requiredBytes: number,
  timeoutMs: number,
  trace: Trace,
): Promise<Outcome> {
  const { asked, answered } = asker;
  let sizes = firstSizes(SIZE_MIN_BYTES[family], requiredBytes);
  for (let round = 0; round < ROUNDS_MAX && sizes.length > 0; round += 1) {
    const deadline = startDeadline(world.clock, timeoutMs);
    const end = await asker.ask(sizes, deadline);
    deadline.cancel();
    if (end === "stalled") return outcome("stalled", "first-byte");
    if (end !== "over") return refused(end, trace);
    sizes = furtherSizes(boundsOf(asked, answered));
  }
  const bounds = boundsOf(asked, answered);
  if (bounds.carriedBytes > 0) trace.evidence.pathMtuBytes = bounds.carriedBytes;
  const carries = carriesRequired(bounds, requiredBytes);
  if (carries === undefined) return outcome("timeout", "first-byte");
  if (!carries && asker.localLimit) trace.evidence.code = "EMSGSIZE";
  return outcome(carries ? "answered" : "mtu-too-small", "first-byte");
}

function refused(code: string, trace: Trace): Outcome {
  trace.evidence.code = code;
  return outcome(reasonOfErrno(code, "datagram-answer"), "first-byte");
}

/** Where packets are sent, and what came of them. */
interface Asker {
  readonly socket: Socket;
  readonly asked: number[];
  readonly answered: Set<number>;
  /** Whether this node's own device refused a size. */
  localLimit: boolean;
  /** Sends one packet of each size; over when all are answered or the time is up, or the code of an ICMP error. */
  ask(sizes: readonly number[], deadline: Deadline): Promise<"over" | "stalled" | string>;
}

interface AskerTarget {
  readonly family: IpFamily;
  readonly port: number;
  readonly address: string;
  readonly key: Uint8Array | undefined;
}

/** Connects a socket whose packets may not be fragmented; gives the code of what hindered it. */
async function openSearch(world: ProbeWorld, target: AskerTarget): Promise<Asker | string> {
  const { family, port, address } = target;
  const socket = await connectedSocket(family, address, port);
  if (typeof socket === "string") return socket;
  const fd = datagramFd(socket);
  if (fd !== undefined && world.kernel?.forbidFragments(fd, family) === true) return askerOf(world, socket, target);
  socket.close();
  return NO_FRAGMENT_CONTROL;
}

/** Without that control the network would fragment what it cannot carry, and every size would seem to pass: not sent. */
const NO_FRAGMENT_CONTROL = "ENOMEM";

function askerOf(world: ProbeWorld, socket: Socket, { family, key }: AskerTarget): Asker {
  const sizeOf = new Map<number, number>();
  const baseBytes = key === undefined ? UNAUTHENTICATED_BYTES : AUTHENTICATED_BYTES;
  let next = Math.floor(world.random() * SEQUENCE_COUNT);
  let onAnswer: () => void = () => {};
  let onError: (code: string) => void = () => {};
  const asker: Asker = {
    socket,
    asked: [],
    answered: new Set(),
    localLimit: false,
    async ask(sizes, deadline) {
      const waiting = Promise.withResolvers<"over" | string>();
      const unanswered = new Set(sizes);
      onAnswer = () => {
        for (const size of asker.answered) unanswered.delete(size);
        if (unanswered.size === 0) waiting.resolve("over");
      };
      onError = (code) => waiting.resolve(code);
      for (const size of sizes)
        send(size, () => unanswered.delete(size) && unanswered.size === 0 && waiting.resolve("over"));
      const end = await deadline.race(waiting.promise);
      return isExpired(end) ? (end.stalled ? "stalled" : "over") : end;
    },
  };
  const send = (size: number, whenRefused: () => void) => {
    asker.asked.push(size);
    const sequence = sequenceAt(next++);
    sizeOf.set(sequence, size);
    const packet = { sequence, sentAt: ntpFromWallMs(world.clock.wallMs()), errorEstimate: OWN_ERROR_ESTIMATE };
    const bytes = Math.max(baseBytes, size - HEADER_BYTES[family]);
    socket.send(padded(encodeSender(packet, key), bytes), (error) => {
      if (error === null) return;
      if (codeOf(error) !== "EMSGSIZE") return onError(codeOf(error));
      asker.localLimit = true;
      whenRefused();
    });
  };
  socket.on("message", (bytes) => {
    const decoded = decodeReflected(bytes, key);
    const size = decoded.kind === "ok" ? sizeOf.get(decoded.packet.sender.sequence) : undefined;
    // A shorter reply says nothing of the way back: the reflector does not pad.
    if (size === undefined || bytes.byteLength < size - HEADER_BYTES[family]) return;
    asker.answered.add(size);
    onAnswer();
  });
  // A router's word that a packet is too big is what the search finds out; it ends nothing.
  socket.on("error", (error) => codeOf(error) !== "EMSGSIZE" && onError(codeOf(error)));
  return asker;
}
