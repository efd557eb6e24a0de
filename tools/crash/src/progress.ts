/** Where a run is, on stderr: one line that is updated on a terminal, a line every ten seconds elsewhere. */
import { type Clock, NS_PER_MS } from "@lifeline/measure";
import { durationText, type Pace, type RunSize, secondsLeft, secondsOf } from "./run-estimate.ts";

/**
 * Seconds of a round and of an enrolment. Measured: 1.3 s a round with nothing else to do; 2.6 to 5.1 s a round and 2
 * to 21 s an enrolment on two cores with a load of 10 to 17. The run's own pace replaces these after a few rounds.
 */
export const USUAL_PACE: Pace = { roundSeconds: 2, enrolmentSeconds: 4 };

/** How often a line is printed where stderr is no terminal, ms. */
const LINE_EVERY_MS = 10_000;

/** Moves to the start of the line and erases it (ECMA-48 EL). */
const ERASE_LINE = "\r\u001b[K";

/** What a run is at. */
export interface Step {
  readonly kind: "round" | "enrolment" | "drain";
  /** From 1. */
  readonly number: number;
  /** The fault, or what is awaited. */
  readonly what: string;
}

/** Where progress is written. */
export interface ProgressOutput {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** The progress of one run. */
export class Progress {
  readonly #size: RunSize;
  readonly #output: ProgressOutput;
  readonly #clock: Clock;
  readonly #startedNs: number;
  #printedNs: number | undefined;
  #printedKind: Step["kind"] | undefined;
  #unprinted: string | undefined;

  constructor(size: RunSize, output: ProgressOutput, clock: Clock) {
    this.#size = size;
    this.#output = output;
    this.#clock = clock;
    this.#startedNs = clock.monotonicNs();
  }

  /** Prints what the run will do and how long it takes. */
  announce(seed: number): void {
    const { rounds, enrolments } = this.#size;
    const { roundSeconds, enrolmentSeconds } = USUAL_PACE;
    const total = durationText(secondsOf(this.#size, USUAL_PACE));
    for (const line of [
      `${rounds} rounds (seed ${seed}), each with one fault: a kill, a cut, a full disk or a wrong clock;`,
      `then all reports that the agent had on its disk are looked for in the collector's store;`,
      `then ${enrolments} enrolments with kills and cuts in between.`,
      `This takes about ${total}: ${roundSeconds} s a round and ${enrolmentSeconds} s an enrolment, more on a busy machine.`,
    ])
      this.#output.write(`crash: ${line}\n`);
  }

  /** Reports that a step begins. */
  step(step: Step): void {
    const line = this.#lineOf(step);
    if (this.#output.isTTY === true) {
      this.#output.write(`${ERASE_LINE}${line}`);
      this.#unprinted = line;
      return;
    }
    const nowNs = this.#clock.monotonicNs();
    const isDue = this.#printedNs === undefined || (nowNs - this.#printedNs) / NS_PER_MS >= LINE_EVERY_MS;
    if (!isDue && step.kind === this.#printedKind && !this.#isLast(step)) {
      this.#unprinted = line;
      return;
    }
    this.#output.write(`${line}\n`);
    this.#unprinted = undefined;
    this.#printedNs = nowNs;
    this.#printedKind = step.kind;
  }

  /** Leaves the latest step on a line of its own, so that an error that follows is seen with it. */
  end(): void {
    if (this.#unprinted === undefined) return;
    this.#output.write(this.#output.isTTY === true ? "\n" : `${this.#unprinted}\n`);
    this.#unprinted = undefined;
  }

  #isLast({ kind, number }: Step): boolean {
    return number === (kind === "round" ? this.#size.rounds : this.#size.enrolments);
  }

  #lineOf(step: Step): string {
    const { rounds, enrolments } = this.#size;
    const elapsedSeconds = (this.#clock.monotonicNs() - this.#startedNs) / NS_PER_MS / 1_000;
    const done = {
      rounds: step.kind === "round" ? step.number - 1 : rounds,
      enrolments: step.kind === "enrolment" ? step.number - 1 : 0,
    };
    const left = durationText(secondsLeft(this.#size, done, elapsedSeconds, USUAL_PACE));
    const place = {
      round: `round ${step.number} of ${rounds}, ${step.what}`,
      drain: `all ${rounds} rounds played, ${step.what}`,
      enrolment: `enrolment ${step.number} of ${enrolments}`,
    }[step.kind];
    return `crash: ${place}; ${durationText(elapsedSeconds)} elapsed, about ${left} left`;
  }
}
