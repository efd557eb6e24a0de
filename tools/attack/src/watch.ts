/** Looks at the collector while an attack lasts, and starts it again when it has died. */
import { pause } from "@lifeline/measure";
import { Meter, type Usage } from "./meter.ts";
import type { Stage } from "./stage.ts";

const LOOK_EVERY_MS = 100;

/** One attack's. */
export class Watch {
  restarts = 0;
  readonly #stage: Stage;
  readonly #meter = new Meter();
  readonly #over = new AbortController();
  #looking: Promise<void> = Promise.resolve();

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  async begin(): Promise<void> {
    const { collector, honest } = this.#stage;
    await collector.start();
    if (collector.pid !== undefined) this.#meter.begin(collector.pid);
    honest.tell({ kind: "begin" });
    this.#looking = this.#look();
  }

  /** What was used since {@link begin}. */
  async end(): Promise<Usage> {
    this.#over.abort();
    await this.#looking;
    return this.#meter.usage();
  }

  async #look(): Promise<void> {
    const { collector, clock } = this.#stage;
    while (!this.#over.signal.aborted) {
      this.#meter.sample(collector.pid);
      if (!collector.isAlive) {
        this.restarts += 1;
        await this.#stage.revive();
      }
      await pause(clock, LOOK_EVERY_MS, this.#over.signal);
    }
    this.#meter.sample(collector.pid);
  }
}
