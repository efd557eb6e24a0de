/** One window by itself, as a store keeps it: a lifeline.v1.Window whose target the store names. decode∘encode = id. */
import { toBinary } from "@bufbuild/protobuf";
import type { Window } from "@lifeline/window";
import { WindowSchema } from "./gen/lifeline/v1/window_pb.ts";
import { MAX_REPORT_BYTES } from "./limits.ts";
import { type Decoded, decoded, integer, reading, refuse } from "./malformed.ts";
import { readMessage } from "./read-message.ts";
import { MAX_COUNT, windowFromWire, windowToWire } from "./window-codec.ts";

/** The bytes of a window; refused when a count of it is beyond what decodes: a merge adds up, and may outgrow uint32. */
export function encodeWindow(window: Window): Decoded<Uint8Array> {
  return reading(() => {
    keepLimits(window);
    return toBinary(WindowSchema, windowToWire(window, 0));
  });
}

/** Opens the bytes of a window of that target; refuses as decodeReport does. */
export function decodeWindow(bytes: Uint8Array, targetId: string): Decoded<Window> {
  return reading(() => {
    if (bytes.length > MAX_REPORT_BYTES) refuse("window", `${bytes.length} bytes`, `at most ${MAX_REPORT_BYTES} bytes`);
    return windowFromWire("window", decoded(readMessage(WindowSchema, bytes, "window")), [targetId]);
  });
}

/** Every field that a merge adds up; extremes stay within what each part kept. */
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
