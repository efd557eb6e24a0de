/** The view of judged rows, for `status` and `check` alike. */
import { exitCodeOf } from "../exit-code.ts";
import { statusJson } from "./json.ts";
import { renderStatus, statusCsv, statusMarkdown } from "./status.ts";
import type { StatusModel } from "./status-row.ts";
import type { View } from "./view.ts";

/** The view of a model. */
export function statusView(model: StatusModel): View {
  return {
    exitCode: exitCodeOf(model),
    text: (layout) => renderStatus(model, layout),
    json: () => statusJson(model),
    csv: () => statusCsv(model),
    markdown: () => statusMarkdown(model),
  };
}
