/** The series of witnesses. */
import type { WitnessCounts } from "../fleet/witness-service.ts";
import { head, single } from "./prometheus-text.ts";

const MS_PER_S = 1_000;

export function* witnessSeries(counts: WitnessCounts): Generator<string> {
  const { reports, refused, witnesses, sources, contested, lastReportMs } = counts;
  yield single("lifeline_witness_reports_total", "counter", "Reports of witnesses that were admitted.", reports);
  yield single("lifeline_witness_reports_refused_total", "counter", "Reports of witnesses that were refused.", refused);
  yield single("lifeline_witnesses", "gauge", "Witnesses that reported within the last minute.", witnesses);
  yield single("lifeline_witness_sources", "gauge", "Sources that they received packets from.", sources);
  const claims = "lifeline_witness_contested_claims";
  yield head(
    claims,
    "gauge",
    "Addresses that nodes claim and that are ignored, because another node's stream comes from there or others claim them.",
  );
  yield `${claims}{by="stream"} ${contested.byStream}\n${claims}{by="claim"} ${contested.byClaim}\n`;
  if (lastReportMs === undefined) return;
  const name = "lifeline_witness_last_report_timestamp_seconds";
  yield single(name, "gauge", "When the latest report of a witness arrived.", lastReportMs / MS_PER_S);
}
