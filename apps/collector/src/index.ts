export { COLLECTOR_VERSION, type Collector, startCollector, type World } from "./collector.ts";
export { type Config, ConfigError, type Listen, loadConfig, type TlsFiles } from "./config.ts";
