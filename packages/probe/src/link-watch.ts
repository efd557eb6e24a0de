/**
 * What the counters of the tunnel's interface say, reading by reading. Pure: time and counters are passed in.
 *
 * 1. `alive`: bytes came in since the last reading.
 * 2. `frozen` by a stimulus: nothing has come in for {@link STIMULUS_FREEZE_MS} in which packets went out steadily, as an in-tunnel
 *    probe once a second makes them: no {@link STIMULUS_GAP_MS} of it without one, at least {@link STIMULUS_PACKETS_MIN} of them, and
 *    two readings at the least, for one alone cannot tell a stream from a burst. It is seen 3–5 s after the last answer when the
 *    counters are read every second or oftener, and by the second reading when they are read more rarely.
 * 3. `frozen` by keepalives: nothing has come in for {@link KEEPALIVE_FREEZE_MS} and something went out. Only for a device that counts
 *    keepalives, which WireGuard in the kernel does and a TUN device cannot: there an idle tunnel is silent for ever.
 * 4. All else is `idle` and proves nothing (M4). Counters that fall, or another interface, begin anew.
 */
import { NS_PER_MS } from "@lifeline/measure";

/** Least silence under a stimulus of a packet a second: 3 s, three answers missed (domain knowledge: 3–5 s suffice). */
export const STIMULUS_FREEZE_MS = 3_000;

/** Longest stretch without a packet of ours that still is a stimulus: twice the second between two probes, for they jitter. */
export const STIMULUS_GAP_MS = 2_000;

/** Least packets of a stimulus: one a second for {@link STIMULUS_FREEZE_MS}. */
export const STIMULUS_PACKETS_MIN = 3;

/** Least readings after the beginning of a silent stretch. */
const STIMULUS_READINGS_MIN = 2;

/**
 * Least silence that keepalives alone make suspicious: 150 s. The two sides' timers of 25 s race, so gaps of 48 s are ordinary
 * (measured with wireguard-go); this is six keepalives missed.
 */
export const KEEPALIVE_FREEZE_MS = 150_000;

/** The counters of an interface at one moment. */
export interface LinkCounters {
  /** Tells this interface from one of the same name before it: name and index. */
  readonly identity: string;
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly txPackets: number;
  /** Whether keepalives are among what is counted. */
  readonly countsKeepalives: boolean;
}

/** What a reading says. */
export interface LinkState {
  readonly kind: "alive" | "idle" | "frozen";
  /** Time since bytes were last seen to come in, or since the first reading, ms. */
  readonly rxFrozenMs: number;
  /** Packets sent in that time. */
  readonly txPacketsSince: number;
}

/** The memory of one interface: the last reading and two marks, whatever the number of readings (S2). */
export interface LinkWatch {
  /** Takes the counters as of `nowNs`, monotonic, and says what they show. */
  read(counters: LinkCounters, nowNs: number): LinkState;
  /** Forgets everything: the interface is gone. */
  forget(): void;
}

/** A moment, and how many packets had been sent by then. */
interface Mark {
  readonly atNs: number;
  readonly txPackets: number;
}

interface Memory {
  readonly last: LinkCounters;
  /** When bytes were last seen to come in, or the first reading. */
  readonly grown: Mark;
  /** When packets were last seen to go out, within the stretch. */
  readonly sent: Mark;
  /** Since when packets go out steadily and nothing comes in, and the readings since; undefined: they do not. */
  readonly stretch: (Mark & { readonly readings: number }) | undefined;
}

/** Creates a watch that has seen nothing. */
export function createLinkWatch(): LinkWatch {
  let memory: Memory | undefined;
  return {
    read(counters, nowNs) {
      const isSame = memory !== undefined && continues(memory.last, counters);
      const grew = isSame && memory !== undefined && counters.rxBytes > memory.last.rxBytes;
      memory = isSame && !grew && memory !== undefined ? held(memory, counters, nowNs) : begun(counters, nowNs);
      const { grown, stretch } = memory;
      const rxFrozenMs = (nowNs - grown.atNs) / NS_PER_MS;
      const txPacketsSince = counters.txPackets - grown.txPackets;
      const starved = counters.countsKeepalives && rxFrozenMs >= KEEPALIVE_FREEZE_MS && txPacketsSince > 0;
      const isFrozen = starved || (stretch !== undefined && isFreeze(stretch, counters, nowNs));
      return { kind: grew ? "alive" : isFrozen ? "frozen" : "idle", rxFrozenMs, txPacketsSince };
    },
    forget() {
      memory = undefined;
    },
  };
}

function continues(last: LinkCounters, now: LinkCounters): boolean {
  const fell = now.rxBytes < last.rxBytes || now.txBytes < last.txBytes || now.txPackets < last.txPackets;
  return now.identity === last.identity && !fell;
}

/** A first reading, or one after bytes came in: the silence begins here. */
function begun(counters: LinkCounters, atNs: number): Memory {
  const mark = { atNs, txPackets: counters.txPackets };
  return { last: counters, grown: mark, sent: mark, stretch: { ...mark, readings: 0 } };
}

/** A reading in which nothing came in: the stretch goes on as long as the packets do. */
function held(memory: Memory, counters: LinkCounters, nowNs: number): Memory {
  const { grown, sent, stretch } = memory;
  const now = { atNs: nowNs, txPackets: counters.txPackets };
  const packets = now.txPackets - sent.txPackets;
  const gaps = Math.floor((nowNs - sent.atNs) / (STIMULUS_GAP_MS * NS_PER_MS));
  const goesOn = stretch !== undefined && packets >= gaps;
  // A stretch that broke begins anew at the reading that shows a packet: what came before it is not known to be steady.
  const next = goesOn
    ? { ...stretch, readings: stretch.readings + 1 }
    : packets > 0
      ? { ...now, readings: 0 }
      : undefined;
  return { last: counters, grown, sent: packets > 0 ? now : sent, stretch: next };
}

function isFreeze(stretch: Mark & { readonly readings: number }, counters: LinkCounters, nowNs: number): boolean {
  return (
    nowNs - stretch.atNs >= STIMULUS_FREEZE_MS * NS_PER_MS &&
    stretch.readings >= STIMULUS_READINGS_MIN &&
    counters.txPackets - stretch.txPackets >= STIMULUS_PACKETS_MIN
  );
}
