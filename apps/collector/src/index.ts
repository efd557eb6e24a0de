export { admitHello, type DroppedFact, type HelloVerdict, type Introduction } from "./admit.ts";
export { COLLECTOR_VERSION, type Collector, STOP_WITHIN_MS, startCollector, type World } from "./collector.ts";
export { type Config, loadConfig, parseConfig, type TlsFiles } from "./config.ts";
export { ConfigError } from "./config-error.ts";
export { createHistory, type HistorySources } from "./history.ts";
export { ROLL_UP_REPORTS } from "./roll-up-rounds.ts";
export type { Listen } from "./settings.ts";
export type { ReportRecord } from "./store/record.ts";
export { openStore, type Store } from "./store/store.ts";
