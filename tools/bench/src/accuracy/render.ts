/** The accuracy result as people read it. Pure. */
import { ratioText, textTable } from "@lifeline/harness";
import { type AccuracyResult, worstLateMs } from "./accuracy.ts";

const HEADINGS = ["bias in ms", "n", "min", "p50", "p90", "p99", "max", "CPU µs/probe"];
const RATIO_HEADINGS = ["fping p50", "fping p99", "blackbox p50", "blackbox p99"];

/** Renders the result. */
export function renderAccuracy({ methods, versions, delayEachWayMs, goal, path, notes }: AccuracyResult): string {
  const ms = (figure: number) => figure.toFixed(3);
  const figures = methods.map(({ title, biasMs, cpuUsPerProbe }) => {
    const { n, min, p50, p90, p99, max } = biasMs;
    return [title, String(n), ...[min, p50, p90, p99, max].map(ms), cpuUsPerProbe?.toFixed(0) ?? "–"];
  });
  const ratios = methods.map(({ title, ratios: { fping, blackbox_exporter: blackbox } }) => [
    title,
    ...[fping?.p50, fping?.p99, blackbox?.p50, blackbox?.p99].map(ratioText),
  ]);
  const truths = methods.map(({ title, truthMs, excluded }) => [
    title,
    ...[truthMs.min, truthMs.p50, truthMs.p99, truthMs.max].map(ms),
    String(excluded),
  ]);
  const peers = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `Reported round trip against a packet capture; path of ${delayEachWayMs} ms each way; ${peers.join(", ")}`,
    "",
    textTable([HEADINGS, ...figures]),
    "",
    textTable([["distance from the truth against", ...RATIO_HEADINGS], ...ratios]),
    "",
    textTable([["captured round trip in ms", "min", "p50", "p99", "max", "left out"], ...truths]),
    "",
    ...Object.entries(goal.reached).map(
      ([id, reached]) =>
        `goal, ${id}: median ≤ ${goal.medianBiasMaxMs} ms and p99 ≤ ${goal.p99BiasMaxMs} ms: ${reached ? "reached" : "not reached"}`,
    ),
    ...(path === undefined
      ? []
      : [`the path's own worst lateness: ${ms(worstLateMs(path))} ms (seen by the capture too)`]),
    ...notes.map((note) => `note: ${note}`),
  ].join("\n");
}
