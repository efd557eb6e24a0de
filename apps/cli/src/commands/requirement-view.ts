/** One catalogue row with every field. */
import { hasDrift, type Requirement, requirementJson } from "@lifeline/catalogue";
import { EXIT } from "../exit-code.ts";
import { proseLines } from "../render/display-width.ts";
import type { View } from "../render/view.ts";
import { recordsView } from "../render/view.ts";

interface Entry {
  readonly field: string;
  readonly value: string;
}

/** The view of a row; CSV and Markdown list it as field and value. */
export function requirementView(row: Requirement): View {
  const entries = entriesOf(row);
  const records = recordsView<Entry>({
    rows: entries,
    columns: [
      { title: "FIELD", text: ({ field }) => field, isOwn: true },
      { title: "VALUE", text: ({ value }) => value },
    ],
    fields: [
      { name: "field", value: ({ field }) => field },
      { name: "value", value: ({ value }) => value },
    ],
    json: JSON.parse(requirementJson(row)) as object,
    empty: "",
    exitCode: EXIT.met,
  });
  return { ...records, text: ({ width, wide }) => `${entryLines(entries, wide ? undefined : width).join("\n")}\n` };
}

function entriesOf(row: Requirement): Entry[] {
  const { source, published, effective } = row;
  return [
    { field: "id", value: row.id },
    { field: "purpose", value: row.purpose },
    { field: "obligation", value: row.obligation },
    { field: "from", value: `${row.from} (${row.deployments.join(", ")})` },
    ...(row.conditions ?? []).map(({ fact, is, otherwise }) => ({
      field: "condition",
      value: `${fact} ${is ? "holds" : "does not hold"}; otherwise ${otherwise}`,
    })),
    { field: "published", value: published === null ? "not published" : portedText(published) },
    { field: "effective", value: `${effective.value} (${row.port}/${row.protocol})` },
    { field: "difference", value: hasDrift(row) ? "yes; the effective value is judged" : "none" },
    ...effective.evidence.map((value) => ({ field: "evidence", value })),
    ...(row.errata ?? []).map(({ document, published: says, effective: is, evidence }) => ({
      field: "erratum",
      value: `${document} says ${says}; it is ${is} (${evidence.join("; ")})`,
    })),
    { field: "place", value: placeText(row) },
    ...row.probes.map((plan) => ({ field: "probe", value: JSON.stringify(plan) })),
    { field: "source", value: `${source.document}, ${source.version}, ${source.section}` },
  ];
}

function portedText({ value, port, protocol }: NonNullable<Requirement["published"]>): string {
  const ported = [port, protocol].filter((part) => part !== undefined).join("/");
  return ported === "" ? value : `${value} (${ported})`;
}

function placeText({ place }: Requirement): string {
  switch (place.kind) {
    case "hosts":
      return place.hosts.join(", ");
    case "wildcard":
      return `${place.pattern}, sampled by ${place.known.join(", ") || "no known host"}`;
    case "service":
      return `the deployment's ${place.service}${place.defaults === undefined ? "" : `, else ${place.defaults.join(", ")}`}`;
  }
}

/** Columns of the field names: the longest is `obligation`. */
const LABEL_COLUMNS = 12;

function entryLines(entries: readonly Entry[], width: number | undefined): string[] {
  return entries.flatMap(({ field, value }) => {
    const room = width === undefined ? undefined : Math.max(20, width - LABEL_COLUMNS);
    return proseLines(value, room).map((line, at) => (at === 0 ? field : "").padEnd(LABEL_COLUMNS) + line);
  });
}
