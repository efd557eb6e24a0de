/** Watches the collector during an attack and starts it again when it exits. */
import { pause } from "@lifeline/measure";
import { Meter, type Usage } from "./meter.ts";
import type { TestBed } from "./test-bed.ts";

const LOOK_EVERY_MS = 100;

/** One attack's. */
export class Watch {
  restarts = 0;
  readonly #testBed: TestBed;
  readonly #meter = new Meter();
  readonly #over = new AbortController();
  #looking: Promise<void> = Promise.resolve();

  constructor(testBed: TestBed) {
    this.#testBed = testBed;
  }

  async begin(): Promise<void> {
    const { collector, honest } = this.#testBed;
    await collector.start();
    if (collector.program.pid !== undefined) this.#meter.begin(collector.program.pid);
    honest.tell({ kind: "begin" });
    this.#looking = this.#look();
  }

  /** The collector's resource use since {@link begin}. */
  async end(): Promise<Usage> {
    this.#over.abort();
    await this.#looking;
    return this.#meter.usage();
  }

  async #look(): Promise<void> {
    const { collector, clock } = this.#testBed;
    while (!this.#over.signal.aborted) {
      this.#meter.sample(collector.program.pid);
      if (!collector.program.isAlive) {
        this.restarts += 1;
        await this.#testBed.revive();
      }
      await pause(clock, LOOK_EVERY_MS, this.#over.signal);
    }
    this.#meter.sample(collector.program.pid);
  }
}
