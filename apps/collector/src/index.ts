export { type Collector, STOP_WITHIN_MS, startCollector, type World } from "./collector.ts";
export { COLLECTOR_PROGRAM, type Config, parseConfig, type TlsFiles } from "./config/config.ts";
export { createHistory, type HistorySources } from "./query/history.ts";
export { ROLL_UP_REPORTS } from "./retention/roll-up-job.ts";
export type { ReportRecord } from "./store/record.ts";
export { openStore, type Store } from "./store/store.ts";
export type { DroppedFact } from "./streams/fact-reader.ts";
export { admitHello, type HelloVerdict } from "./streams/hello.ts";
export type { AdmittedHello } from "./streams/hello-facts.ts";
