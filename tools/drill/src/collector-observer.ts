/** Follows the collector's answers through the observer, a program beside the collector. */
import { createInterface } from "node:readline";
import type { StatusModel, StatusRow } from "@lifeline/cli";
import type { Host, HostProcess } from "@lifeline/lab";
import { type Clock, pause } from "@lifeline/measure";
import type { CollectorAnswer } from "./collector-answer.ts";
import { DrillError } from "./drill-error.ts";
import { PROGRAMS } from "./lab-programs.ts";

/** How often the collector is queried, ms: a fiftieth of the time within which a fault must be seen. */
const QUERY_EVERY_MS = 100;

/** How long an answer is waited for, ms: ten of the collector's own bound. */
const NEXT_TIMEOUT_MS = 20_000;

/** One incident, as the collector keeps it. */
export interface LabIncident {
  /** Grows with each incident of the collector. */
  readonly id: number;
  readonly node: string;
  readonly requirement: string;
  readonly targetId: string;
  readonly cause: string;
  readonly isOpen: boolean;
}

/** The collector's answers, one after another. */
export class CollectorObserver {
  readonly #observer: HostProcess;
  readonly #clock: Clock;
  readonly #waiting = new Set<(answer: CollectorAnswer) => void>();
  readonly #asked: ((incidents: readonly LabIncident[]) => void)[] = [];
  #latest: StatusModel | undefined;

  /** Starts to query the collector at `address` from `host`. */
  constructor(host: Host, address: string, clock: Clock) {
    this.#clock = clock;
    const args = [PROGRAMS.observer, address, String(QUERY_EVERY_MS)];
    this.#observer = host.spawn(process.execPath, args, { rawOutput: true });
    createInterface({ input: this.#observer.stdout }).on("line", (line) => {
      const said = JSON.parse(line) as StatusModel | readonly LabIncident[];
      if (!("rows" in said)) return this.#asked.shift()?.(said);
      this.#latest = said;
      const answer = { seenNs: clock.monotonicNs(), rows: this.#latest.rows };
      for (const look of [...this.#waiting]) look(answer);
    });
  }

  /** The latest answer; waits for the first. @throws DrillError `not-started` */
  async model(signal: AbortSignal): Promise<StatusModel> {
    if (this.#latest === undefined) await this.next(signal);
    if (this.#latest !== undefined) return this.#latest;
    const output = this.#observer.complained().slice(-600);
    throw new DrillError("not-started", `the collector does not answer: ${output}`);
  }

  /** The node's incidents of the last ten minutes; none when aborted. */
  incidents(node: string, signal: AbortSignal): Promise<readonly LabIncident[]> {
    return new Promise((resolve) => {
      signal.addEventListener("abort", () => resolve([]), { once: true });
      this.#asked.push(resolve);
      this.#observer.stdin.write(`${node}\n`);
    });
  }

  /** The next answer; undefined after 20 s, or when aborted. */
  next(signal: AbortSignal): Promise<CollectorAnswer | undefined> {
    return this.until(() => true, NEXT_TIMEOUT_MS, signal);
  }

  /** The first answer from now on of which `holds` is true; undefined after `withinMs`, or when aborted. */
  until(
    holds: (rows: readonly StatusRow[]) => boolean,
    withinMs: number,
    signal: AbortSignal,
  ): Promise<CollectorAnswer | undefined> {
    const found = new AbortController();
    return new Promise((resolve) => {
      const end = (answer: CollectorAnswer | undefined) => {
        this.#waiting.delete(look);
        found.abort();
        resolve(answer);
      };
      const look = (answer: CollectorAnswer) => holds(answer.rows) && end(answer);
      this.#waiting.add(look);
      void pause(this.#clock, withinMs, AbortSignal.any([found.signal, signal])).then(() => end(undefined));
    });
  }

  async close(): Promise<void> {
    await this.#observer.end();
  }
}
