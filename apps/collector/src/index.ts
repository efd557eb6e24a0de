export { COLLECTOR_VERSION, type Collector, STOP_WITHIN_MS, startCollector, type World } from "./collector.ts";
export { type Config, loadConfig, parseConfig, type TlsFiles } from "./config/config.ts";
export { ConfigError } from "./config/config-error.ts";
export type { Listen } from "./config/settings.ts";
export { createHistory, type HistorySources } from "./query/history.ts";
export { ROLL_UP_REPORTS } from "./retention/roll-up-job.ts";
export type { ReportRecord } from "./store/record.ts";
export { openStore, type Store } from "./store/store.ts";
export { admitHello, type DroppedFact, type HelloVerdict, type Introduction } from "./streams/admission.ts";
