export { matchesPattern } from "@lifeline/catalogue";
export { CliError, type CliErrorCode } from "./cli-error.ts";
export {
  type CollectorAddress,
  type CollectorFlags,
  collectorAddress,
  DEFAULT_COLLECTOR,
} from "./collector-address.ts";
export { CALL_TIMEOUT_MS, openCollector, type QueryClient, withCollector } from "./collector-client.ts";
export { type CollectorSecurity, readPem } from "./collector-security.ts";
export { EXIT, type ExitCode, exitCodeOf } from "./exit-code.ts";
export { type FetchOptions, fetchIncidents, fetchStatus, type IncidentOptions } from "./fetch.ts";
export { proseLines } from "./render/display-width.ts";
export { type StatusJson, type StatusRowJson, statusJson } from "./render/json.ts";
export { renderStatus, type StatusLayout, statusCsv, statusMarkdown } from "./render/status.ts";
export { type Column, type TableLayout, tableLines } from "./render/table.ts";
export { noMatch } from "./requirement-pattern.ts";
export { run } from "./run.ts";
export { rowFromVerdict, rowFromWire, type StatusModel, type StatusRow } from "./status-row.ts";
export { statusView } from "./status-view.ts";
export { outputOf } from "./stream-output.ts";
export { FORMATS, type Format, layoutOf, type View, viewText } from "./view.ts";
export { type Watch, watch } from "./watch.ts";
export type { CliWorld, Host, Output, ScreenWorld } from "./world.ts";
