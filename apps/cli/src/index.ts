export { matchesPattern } from "@lifeline/catalogue";
export { noMatch } from "./arguments/requirement-pattern.ts";
export { CliError, type CliErrorCode } from "./cli-error.ts";
export {
  type CollectorAddress,
  type CollectorFlags,
  collectorAddress,
  DEFAULT_COLLECTOR,
} from "./collector/collector-address.ts";
export { CALL_TIMEOUT_MS, openCollector, type QueryClient, withCollector } from "./collector/collector-client.ts";
export { type CollectorSecurity, readPem } from "./collector/collector-security.ts";
export { type FetchOptions, fetchIncidents, fetchStatus, type IncidentOptions } from "./collector/fetch.ts";
export { EXIT, type ExitCode, exitCodeOf } from "./exit-code.ts";
export { proseLines } from "./render/display-width.ts";
export { type StatusJson, type StatusRowJson, statusJson } from "./render/json.ts";
export { renderStatus, type StatusLayout, statusCsv, statusMarkdown } from "./render/status.ts";
export { rowFromVerdict, rowFromWire, type StatusModel, type StatusRow } from "./render/status-row.ts";
export { statusView } from "./render/status-view.ts";
export { type Column, type TableLayout, tableLines } from "./render/table.ts";
export { FORMATS, type Format, layoutOf, type View, viewText } from "./render/view.ts";
export { type Watch, watch } from "./render/watch.ts";
export { run } from "./run.ts";
export { outputOf } from "./stream-output.ts";
export type { CliWorld, Host, Output, ScreenWorld } from "./world.ts";
