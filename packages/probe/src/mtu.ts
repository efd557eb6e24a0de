/**
 * The largest IP packet that a path carries to a STAMP reflector and back.
 *
 * 1. One call is one search of at most three rounds. Each packet is sent once (M1). What a round shows: see mtu-search.
 * 2. If small packets are answered, and none of the required size or above, the path is too narrow. If nothing is
 *    answered, the sizes remain unknown (M4).
 */
import type { IpFamily, Outcome } from "@lifeline/measure";
import { reasonOfErrno } from "./errno.ts";
import { locate } from "./locate.ts";
import { carriesRequired, firstSizes, furtherSizes, ROUNDS_MAX, SIZE_MIN_BYTES } from "./mtu-search.ts";
import { emptyTrace, outcome, resultOf, type Trace } from "./probe-result.ts";
import type { ProbeProtocol } from "./protocol.ts";
import { openSizeProber, type SizeProber } from "./size-prober.ts";
import type { ProbeWorld } from "./world.ts";

/** Answered when the required size, or a larger one, came back. */
export const probeMtu: ProbeProtocol<"mtu"> = async (target, { authenticated, requiredBytes }, world) => {
  const trace = emptyTrace();
  const key = authenticated ? world.stampKey : undefined;
  if (authenticated && key === undefined) return resultOf(trace, outcome("stamp-unkeyed", "plan"));
  const located = await locate(world, target, trace);
  if (located.kind === "ended") return resultOf(trace, located.outcome);
  trace.evidence.address = located.address;
  const { family, port, timeoutMs } = target;
  const prober = await openSizeProber(world, { family, port, address: located.address, key });
  if (typeof prober === "string") {
    trace.evidence.code = prober;
    return resultOf(trace, outcome(reasonOfErrno(prober, "datagram-send"), "request"));
  }
  try {
    return resultOf(trace, await search(world, prober, { family, requiredBytes, timeoutMs }, trace));
  } finally {
    prober.close();
  }
};

interface SearchOptions {
  readonly family: IpFamily;
  readonly requiredBytes: number;
  /** Threshold of one round, ms. */
  readonly timeoutMs: number;
}

async function search(
  world: ProbeWorld,
  prober: SizeProber,
  { family, requiredBytes, timeoutMs }: SearchOptions,
  trace: Trace,
): Promise<Outcome> {
  let sizes = firstSizes(SIZE_MIN_BYTES[family], requiredBytes);
  for (let round = 0; round < ROUNDS_MAX && sizes.length > 0; round += 1) {
    world.noteStep?.("mtu", `packets of ${sizes.join(", ")} bytes`);
    const end = await prober.probe(sizes, timeoutMs);
    world.noteStep?.("mtu", end.kind === "error" ? end.code : `carried so far: ${prober.bounds.carriedBytes} bytes`);
    if (end.kind === "stalled") return outcome("stalled", "first-byte");
    if (end.kind === "error") {
      trace.evidence.code = end.code;
      return outcome(reasonOfErrno(end.code, "datagram-answer"), "first-byte");
    }
    sizes = furtherSizes(prober.bounds);
  }
  const { bounds, isLocallyLimited } = prober;
  if (bounds.carriedBytes > 0) trace.evidence.pathMtuBytes = bounds.carriedBytes;
  const carries = carriesRequired(bounds, requiredBytes);
  if (carries === undefined) return outcome("timeout", "first-byte");
  if (!carries && isLocallyLimited) trace.evidence.code = "EMSGSIZE";
  return outcome(carries ? "answered" : "mtu-too-small", "first-byte");
}
