export { admitHello, type DroppedFact, type HelloVerdict, type Introduction } from "./admit.ts";
export { COLLECTOR_VERSION, type Collector, startCollector, type World } from "./collector.ts";
export { type Config, ConfigError, type Listen, loadConfig, parseConfig, type TlsFiles } from "./config.ts";
