/**
 * fping's figures to the nanosecond. Its usual output has three digits, 0.1 ms of a 20 ms path; its netdata output (`-N
 * -l -Q`) has ns, but only as the minimum, mean and maximum of an interval: with one probe of each target in each, the
 * three are one.
 */
import { BenchError } from "../bench-error.ts";

/**
 * fping's own arguments for `copies` probes a second of `address`, as that many targets; k-th figure = sequence number
 * k.
 */
export function fpingArguments(address: string, copies: number): string[] {
  const gapMs = Math.floor(1_000 / copies);
  return ["-N", "-l", "-Q", "1", "-p", "1000", "-i", String(gapMs), ...Array.from({ length: copies }, () => address)];
}

/** Reads figures from fping's output, which may arrive in pieces of any size. */
export interface FpingReport {
  /**
   * Takes in a line. Throws `ambiguous-report` when a target had more or less than one probe or answer in an interval.
   */
  line(text: string): void;
  /** Round trips so far, ns, in the order of their sequence numbers. */
  readonly rttsNs: readonly number[];
}

/** An empty report. */
export function createFpingReport(): FpingReport {
  const rttsNs: number[] = [];
  let minNs: number | undefined;
  return {
    rttsNs,
    line(text) {
      const [, name, digits] = /^SET (xmt|rcv|min|max) = (\d+)$/.exec(text) ?? [];
      const value = Number(digits);
      if ((name === "xmt" || name === "rcv") && value !== 1) {
        throw new BenchError("ambiguous-report", `fping: ${name} = ${value} in an interval; expected 1`);
      }
      if (name === "min") minNs = value;
      if (name !== "max") return;
      if (minNs !== value)
        throw new BenchError("ambiguous-report", `fping: min ${minNs} and max ${value} of one probe differ`);
      rttsNs.push(value);
    },
  };
}
