/** A collector in a directory of its own, for tests. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, systemClock } from "@lifeline/measure";
import { pino } from "pino";
import { type Collector, startCollector } from "../collector.ts";
import type { Config } from "../config/config.ts";
import { testConfig } from "./config.ts";
import { writeSite } from "./site.ts";

/** Somewhere to start collectors, one after the other on the same data or side by side. */
export interface House {
  readonly directory: string;
  start(config?: Partial<Config>, environment?: Readonly<Record<string, string>>): Promise<Collector>;
  /** What was logged, line by line. */
  readonly logged: string[];
  metrics(collector: Collector): Promise<string>;
  /** Stops what runs, and leaves nothing behind. */
  close(): Promise<void>;
}

export function openHouse(clock: Clock = systemClock): House {
  const directory = mkdtempSync(join(tmpdir(), "lifeline-house-"));
  writeSite(directory);
  const running: Collector[] = [];
  const logged: string[] = [];
  const log = pino({ base: null }, { write: (line: string) => logged.push(line) });
  return {
    directory,
    logged,
    async start(more = {}, environment = {}) {
      const onDeath = (error: Error) => {
        throw error;
      };
      const collector = await startCollector(testConfig(directory, more), { clock, log, onDeath, environment });
      running.push(collector);
      return collector;
    },
    async metrics({ httpPort }) {
      return (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
    },
    async close() {
      for (const collector of running.splice(0)) await collector.stop();
      rmSync(directory, { recursive: true });
    },
  };
}
