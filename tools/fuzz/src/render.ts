/** The results of a campaign as text. */
import { textTable } from "@lifeline/harness";
import type { DecoderResult, Failure } from "./worker.ts";

const BYTES_PER_MB = 1e6;

const BYTES_PER_MIB = 1024 * 1024;

const HEADINGS = [
  "decoder",
  "inputs",
  "refused",
  "decoded",
  "seconds",
  "CPU s",
  "inputs/CPU s",
  "slowest ms",
  "heap +MB",
  "RSS MB",
];

/** Of inputs out of proportion: the most that one had, and took, and took for each of its bytes. */
const GROWTH_HEADINGS = ["out of proportion", "inputs", "largest MiB", "heap MiB", "heap bytes/byte", "CPU ns/byte"];

/** A table of all decoders, one of what inputs out of proportion cost, and each failure with what plays it again. */
export function renderResults(seed: number, results: readonly DecoderResult[]): string {
  const rows = results.map((result) => [
    result.decoder,
    String(result.inputs),
    String(result.refused),
    String(result.decoded),
    result.seconds.toFixed(1),
    result.cpuSeconds.toFixed(1),
    (result.inputs / Math.max(result.cpuSeconds, 1e-9)).toFixed(0),
    result.slowestMs.toFixed(1),
    (result.heapGrowthBytes / BYTES_PER_MB).toFixed(1),
    (result.rssBytes / BYTES_PER_MB).toFixed(0),
  ]);
  const failures = results.flatMap(({ failure }) => (failure === undefined ? [] : failureLines(seed, failure)));
  const grown = results.filter(({ growth }) => growth.inputs > 0).map(growthRow);
  const tables = [textTable([HEADINGS, ...rows]), "", textTable([GROWTH_HEADINGS, ...grown])];
  return [...tables, "", `seed ${seed}`, ...failures, ""].join("\n");
}

function growthRow({ decoder, growth }: DecoderResult): readonly string[] {
  return [
    decoder,
    String(growth.inputs),
    (growth.inputBytesMost / BYTES_PER_MIB).toFixed(2),
    (growth.heapBytesMost / BYTES_PER_MIB).toFixed(1),
    growth.heapBytesPerByte.toFixed(1),
    growth.cpuNsPerByte.toFixed(1),
  ];
}

function failureLines(seed: number, { decoder, index, kind, detail, inputHex }: Failure): readonly string[] {
  const again = `npm run fuzz -- --only ${decoder} --seed ${seed} --inputs ${index + 1}`;
  return ["", `${decoder}: input ${index} ${kind}: ${detail}`, `input: ${inputHex}`, `again: ${again}`];
}
