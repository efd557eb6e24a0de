/** The footprint result as people read it. Pure. */
import { ratioText, textTable } from "@lifeline/harness";
import { COMPARED, type FootprintResult, type SideResult } from "./footprint.ts";

const TITLES: Readonly<Record<(typeof COMPARED)[number], string>> = {
  rssMb: "RSS MB",
  pssMb: "PSS MB",
  privateMb: "private MB",
  anonymousMb: "of it anonymous MB",
  cpuPercent: "CPU % of a core",
  cpuUsPerProbe: "CPU µs/probe",
};

/** Renders the result. */
export function renderFootprint({
  targets,
  seconds,
  bundleBytes,
  firstSampleMs,
  versions,
  agent,
  exporter,
  periodSeconds,
  ratios,
  notes,
}: FootprintResult): string {
  const seen = ({ threads, descriptors }: SideResult) => `${threads} threads, ${descriptors} descriptors`;
  const counts = (name: string, { probes, probesPerSecond }: SideResult) =>
    `${name}: ${probes} probes really made, ${probesPerSecond.toFixed(1)} a second`;
  const peer = `blackbox_exporter ${versions["prometheus-blackbox-exporter"] ?? ""}`.trim();
  const rows = COMPARED.map((figure) => [
    TITLES[figure],
    agent[figure].toFixed(figure === "cpuUsPerProbe" ? 0 : 2),
    exporter[figure].toFixed(figure === "cpuUsPerProbe" ? 0 : 2),
    ratioText(ratios[figure]),
  ]);
  return [
    `${targets} TCP and TLS targets once in ${periodSeconds} s for ${seconds} s, both at the same time`,
    "",
    textTable([["", "Lifeline agent", peer, "agent against it"], ...rows]),
    "",
    `${counts("Lifeline agent", agent)}; ${seen(agent)}`,
    `${counts(peer, exporter)}; ${seen(exporter)}`,
    `the agent's bundle: ${bundleBytes} bytes; from its start to the first probe: ${firstSampleMs.toFixed(0)} ms`,
    ...notes.map((note) => `note: ${note}`),
  ].join("\n");
}
