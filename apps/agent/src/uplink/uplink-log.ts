/** Logs the uplink's events. */
import { type Clock, NS_PER_MS } from "@lifeline/measure";
import type { Logger } from "pino";
import type { UplinkEvents } from "./uplink.ts";

/** Least time between two lines about an uplink that keeps failing for one reason, ms. */
const REPEAT_MS = 60_000;

/** The events of an uplink that only the log needs. */
export function uplinkLog(
  collector: string,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
): Omit<UplinkEvents, "plan"> {
  let lastWord = "";
  let loggedNs = 0;
  return {
    connected() {
      lastWord = "";
      log.info({ collector }, "connected");
    },
    disconnected(word, detail, retryInMs) {
      const nowNs = clock.monotonicNs();
      if (word === lastWord && nowNs - loggedNs < REPEAT_MS * NS_PER_MS) return;
      lastWord = word;
      loggedNs = nowNs;
      log.warn({ collector, status: word, detail, retryInMs: Math.round(retryInMs) }, "not connected");
    },
    refused({ report, code, field, detail }) {
      log.warn({ sequence: Number(report?.sequence ?? 0), code, field, detail }, "the collector refused a report");
    },
  };
}
