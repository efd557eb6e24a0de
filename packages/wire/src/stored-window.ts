/**
 * A single window as the store keeps it: a lifeline.v1.Window without its target, which the store has. decode∘encode =
 * id.
 */
import { toBinary } from "@bufbuild/protobuf";
import type { Window } from "@lifeline/window";
import { WindowSchema } from "./gen/lifeline/v1/window_pb.ts";
import { MAX_REPORT_BYTES } from "./limits.ts";
import { type Decoded, decoded, decoding, integer, refuse } from "./malformed.ts";
import { readMessage } from "./read-message.ts";
import { MAX_COUNT, windowFromWire, windowToWire } from "./window-codec.ts";

/** Encodes a window. Refuses it if a count exceeds uint32, which merging may lead to. */
export function encodeWindow(window: Window): Decoded<Uint8Array> {
  return decoding(() => {
    keepLimits(window);
    return toBinary(WindowSchema, windowToWire(window, 0));
  });
}

/** Decodes a window of that target; refuses as decodeReport does. */
export function decodeWindow(bytes: Uint8Array, targetId: string): Decoded<Window> {
  return decoding(() => {
    if (bytes.length > MAX_REPORT_BYTES) refuse("window", `${bytes.length} bytes`, `at most ${MAX_REPORT_BYTES} bytes`);
    return windowFromWire("window", decoded(readMessage(WindowSchema, bytes, "window")), [targetId]);
  });
}

/** Every field that a merge adds up. Minima and maxima cannot exceed those of the parts. */
function keepLimits({ started, missedTicks, counts, rtt, phases, lossBursts, directions }: Window): void {
  const count = (field: string, value: number) => integer(`window.${field}`, value, 0, MAX_COUNT);
  const sum = (field: string, value: number) => integer(`window.${field}`, value, 0, Number.MAX_SAFE_INTEGER);
  count("started", started);
  count("missed_ticks", missedTicks);
  count("loss_bursts", lossBursts);
  count("rtt_kernel_count", rtt.kernelCount);
  sum("rtt_sum_ns", rtt.sumNs);
  for (const each of counts.values()) count("reason_counts", each);
  for (const each of rtt.sketch.values()) count("rtt_bucket_counts", each);
  for (const each of phases.values()) {
    count("phase_counts", each.count);
    sum("phase_sums_ns", each.sumNs);
  }
  for (const each of Object.values(directions)) count("directions", each);
}
