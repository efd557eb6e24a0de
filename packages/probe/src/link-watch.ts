/**
 * What successive readings of the tunnel interface's counters show. Pure: time and counters are passed in.
 *
 * 1. `alive`: bytes were received since the last reading.
 * 2. `frozen` by a stimulus: nothing was received for {@link STIMULUS_FREEZE_MS} in which packets were sent steadily,
 *    as an in-tunnel probe once a second sends them. Steadily: none of it is a gap of {@link STIMULUS_GAP_MS} without a
 *    packet, it has at least {@link STIMULUS_PACKETS_MIN} packets, and at least two readings, because one cannot
 *    distinguish a stream from a burst. It is detected 3–5 s after the last answer when the counters are read at least
 *    every second, and by the second reading when they are read less often.
 * 3. `frozen` by keepalives: nothing was received for {@link KEEPALIVE_FREEZE_MS} and something was sent. Only for a
 *    device that counts keepalives. WireGuard in the kernel does. A TUN device cannot, so an idle tunnel on it is
 *    silent for ever.
 * 4. Anything else is `idle` and proves nothing (M4). Counters that fall, or another interface, start the watch again.
 */
import { NS_PER_MS } from "@lifeline/measure";

/** Least silence under a stimulus of a packet a second: 3 s, three answers missed (domain knowledge: 3–5 s suffice). */
const STIMULUS_FREEZE_MS = 3_000;

/** Longest gap between packets that still is a stimulus: twice the second between two probes, because they jitter. */
const STIMULUS_GAP_MS = 2_000;

/** Least packets of a stimulus: one a second for {@link STIMULUS_FREEZE_MS}. */
const STIMULUS_PACKETS_MIN = 3;

/** Least readings after the beginning of a stimulus. */
const STIMULUS_READINGS_MIN = 2;

/**
 * Least silence in which keepalives alone show a freeze: 150 s. The timers of the two sides, 25 s each, race, so gaps
 * of 48 s are ordinary (measured with wireguard-go); this is six keepalives missed.
 */
export const KEEPALIVE_FREEZE_MS = 150_000;

/** The counters of an interface at one moment. */
export interface LinkCounters {
  /** Name and index: distinguishes this interface from an earlier one of the same name. */
  readonly identity: string;
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly txPackets: number;
  /** Whether keepalives are counted. */
  readonly countsKeepalives: boolean;
}

/** What a reading shows. */
export interface LinkState {
  readonly kind: "alive" | "idle" | "frozen";
  /** Time since bytes were last seen to be received, or since the first reading, ms. */
  readonly rxFrozenMs: number;
  /** Packets sent in that time. */
  readonly txPacketsSince: number;
}

/** A moment, and how many packets had been sent by then. */
interface Mark {
  readonly atNs: number;
  readonly txPackets: number;
}

/** Since when packets are sent steadily and nothing is received, and the readings since then. */
interface Stimulus extends Mark {
  readonly readings: number;
}

/** What is kept between readings. */
interface Memory {
  readonly last: LinkCounters;
  /** When bytes were last seen to be received, or the first reading. */
  readonly received: Mark;
  /** When packets were last seen to be sent, since `received`. */
  readonly sent: Mark;
  /** Undefined: packets are not sent steadily. */
  readonly stimulus: Stimulus | undefined;
}

/** Watches one interface. It keeps the last reading and three marks, however many readings there are (S2). */
export class LinkWatch {
  #memory: Memory | undefined;

  /** Takes the counters as of `nowNs`, monotonic. */
  read(counters: LinkCounters, nowNs: number): LinkState {
    const before = this.#memory;
    const last = before !== undefined && continues(before.last, counters) ? before : undefined;
    const isAlive = last !== undefined && counters.rxBytes > last.last.rxBytes;
    this.#memory = last === undefined || isAlive ? started(counters, nowNs) : continued(last, counters, nowNs);
    const { received, stimulus } = this.#memory;
    const rxFrozenMs = (nowNs - received.atNs) / NS_PER_MS;
    const txPacketsSince = counters.txPackets - received.txPackets;
    const lacksKeepalives = counters.countsKeepalives && rxFrozenMs >= KEEPALIVE_FREEZE_MS && txPacketsSince > 0;
    const isFrozen = lacksKeepalives || (stimulus !== undefined && isFreeze(stimulus, counters, nowNs));
    return { kind: isAlive ? "alive" : isFrozen ? "frozen" : "idle", rxFrozenMs, txPacketsSince };
  }

  /** Drops what was read: the interface is gone. */
  clear(): void {
    this.#memory = undefined;
  }
}

function continues(last: LinkCounters, now: LinkCounters): boolean {
  const fell = now.rxBytes < last.rxBytes || now.txBytes < last.txBytes || now.txPackets < last.txPackets;
  return now.identity === last.identity && !fell;
}

/** After a first reading, or one that shows bytes received: the silence begins here. */
function started(counters: LinkCounters, atNs: number): Memory {
  const mark = { atNs, txPackets: counters.txPackets };
  return { last: counters, received: mark, sent: mark, stimulus: { ...mark, readings: 0 } };
}

/** After a reading in which nothing was received. */
function continued({ received, sent, stimulus }: Memory, counters: LinkCounters, nowNs: number): Memory {
  const now = { atNs: nowNs, txPackets: counters.txPackets };
  const packets = now.txPackets - sent.txPackets;
  const gaps = Math.floor((nowNs - sent.atNs) / (STIMULUS_GAP_MS * NS_PER_MS));
  const next = () => {
    if (stimulus !== undefined && packets >= gaps) return { ...stimulus, readings: stimulus.readings + 1 };
    // After a gap a stimulus starts again at the reading that shows a packet: whether packets were steady before is not
    // known.
    return packets > 0 ? { ...now, readings: 0 } : undefined;
  };
  return { last: counters, received, sent: packets > 0 ? now : sent, stimulus: next() };
}

function isFreeze(stimulus: Stimulus, counters: LinkCounters, nowNs: number): boolean {
  return (
    nowNs - stimulus.atNs >= STIMULUS_FREEZE_MS * NS_PER_MS &&
    stimulus.readings >= STIMULUS_READINGS_MIN &&
    counters.txPackets - stimulus.txPackets >= STIMULUS_PACKETS_MIN
  );
}
