/** A collector in a directory of its own, for tests. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, systemClock } from "@lifeline/measure";
import { pino } from "pino";
import { type Collector, startCollector } from "../collector.ts";
import type { Config } from "../config/config.ts";
import { testConfig } from "./config.ts";
import { writeDeployment } from "./deployment-fixture.ts";
import { until } from "./wait.ts";

/** A directory in which to start collectors, one after the other on the same data or side by side. */
export interface CollectorFixture {
  readonly directory: string;
  start(config?: Partial<Config>, environment?: Readonly<Record<string, string>>): Promise<Collector>;
  /** What was logged, line by line. */
  readonly logged: string[];
  metrics(collector: Collector): Promise<string>;
  /** Stops what runs, and leaves nothing behind. */
  close(): Promise<void>;
}

export function openCollectorFixture(clock: Clock = systemClock): CollectorFixture {
  const directory = mkdtempSync(join(tmpdir(), "lifeline-collector-"));
  writeDeployment(directory);
  const running: Collector[] = [];
  const logged: string[] = [];
  const log = pino({ base: null }, { write: (line: string) => logged.push(line) });
  return {
    directory,
    logged,
    async start(more = {}, environment = {}) {
      const onStoreCrash = (error: Error) => {
        throw error;
      };
      const collector = await startCollector(testConfig(directory, more), { clock, log, onStoreCrash, environment });
      running.push(collector);
      return collector;
    },
    async metrics({ httpPort }) {
      return (await fetch(`http://127.0.0.1:${httpPort}/metrics`, { headers: { connection: "close" } })).text();
    },
    async close() {
      for (const collector of running.splice(0)) await collector.stop();
      rmSync(directory, { recursive: true });
    },
  };
}

/** Starts a collector in a directory that {@link writeDeployment} has filled. `lines` takes what it logs. */
export function startIn(
  directory: string,
  clock: Clock,
  lines: string[] = [],
  { config = {}, ...more }: { readonly quotaBytes?: number; readonly config?: Partial<Config> } = {},
): Promise<Collector> {
  const log = pino({ level: "trace" }, { write: (line: string) => void lines.push(line) });
  const onStoreCrash = (error: Error) => {
    throw error;
  };
  return startCollector(testConfig(directory, config), { clock, log, onStoreCrash, ...more });
}

/** The value of one series; 0 where there is none. */
export async function metricOf({ httpPort }: Collector, series: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`, { headers: { connection: "close" } })).text();
  const line = text.split("\n").find((one) => one.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}

/** Waits until one series has that value. */
export function untilMetric(collector: Collector, series: string, value: number): Promise<void> {
  return until(async () => (await metricOf(collector, series)) === value);
}
