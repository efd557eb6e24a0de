/** A collector in a directory of its own, for tests. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, systemClock } from "@lifeline/measure";
import { pino } from "pino";
import { type Collector, startCollector } from "../collector.ts";
import type { Config } from "../config.ts";

const SITE = `
version: 1
name: test
kind: on-prem
omni: { api: "https://127.0.0.1:8443", siderolink: ["127.0.0.1:50180"] }
`;

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
  writeFileSync(join(directory, "site.yaml"), SITE);
  const running: Collector[] = [];
  const logged: string[] = [];
  const log = pino({ base: null }, { write: (line: string) => logged.push(line) });
  const anyPort = { host: "127.0.0.1", port: 0 };
  return {
    directory,
    logged,
    async start(more = {}, environment = {}) {
      const config: Config = {
        listen: anyPort,
        httpListen: anyPort,
        dataDir: join(directory, "data"),
        deployment: join(directory, "site.yaml"),
        catalogue: undefined,
        catalogueExtras: [],
        tls: undefined,
        identity: undefined,
        accessTokensFile: undefined,
        allowPlaintext: false,
        retentionDays: 30,
        maxStreams: 8,
        readyFile: undefined,
        ...more,
      };
      const onDeath = (error: Error) => {
        throw error;
      };
      const collector = await startCollector(config, { clock, log, onDeath, environment });
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
