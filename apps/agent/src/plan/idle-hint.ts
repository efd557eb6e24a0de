/** Logs that an agent has neither a plan nor a collector, until it is configured. */
import type { Clock, Timer } from "@lifeline/measure";
import type { Logger } from "pino";
import { DEFAULT_CONFIG_FILE } from "../config.ts";

/** Time between two lines, ms. */
const IDLE_HINT_MS = 60_000;

/** Logs the hint at once and every {@link IDLE_HINT_MS}. Returns the function that ends it. */
export function startIdleHint(clock: Clock, log: Logger): () => void {
  let timer: Timer | undefined;
  const hint = () => {
    log.warn(
      { file: DEFAULT_CONFIG_FILE },
      "nothing to do: name a collector (collector in the file, or LIFELINE_COLLECTOR) or a plan file (plan.file, LIFELINE_PLAN_FILE)",
    );
    timer = clock.after(IDLE_HINT_MS, hint);
  };
  hint();
  return () => timer?.cancel();
}
