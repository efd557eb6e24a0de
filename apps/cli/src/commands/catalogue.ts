/** `lifeline catalogue …`: the requirements, with published and effective values. */
import {
  type Catalogue,
  type CatalogueDiff,
  diffCatalogues,
  findRequirement,
  hasDrift,
  listCatalogues,
  loadCatalogue,
  loadCatalogueFile,
  matchesPattern,
  type Requirement,
  requirementJson,
} from "@lifeline/catalogue";
import type { Command } from "commander";
import { closest, noMatch } from "../arguments/requirement-pattern.ts";
import { CliError } from "../cli-error.ts";
import { EXIT } from "../exit-code.ts";
import type { Column } from "../render/table.ts";
import { NONE } from "../render/units.ts";
import { recordsView, type View } from "../render/view.ts";
import { OUTPUT_OPTIONS, type Session, withTraits } from "../session.ts";
import { requirementView } from "./requirement-view.ts";

interface ReleaseFlag {
  readonly release?: string;
}

const RELEASE = [
  "--release <version|file>",
  "a bundled version such as v1.13, or a .yaml file (default the newest)",
] as const;

/** Adds the command and its subcommands to the root. */
export function addCatalogue(root: Command, session: Session): void {
  const group = root.command("catalogue").description("show what must be reachable: published and effective values");
  withTraits(group, { uses: [], examples: [["lifeline catalogue list", "every row of the newest catalogue"]] });
  addList(group, session);
  addShow(group, session);
  addDiff(group, session);
}

function addList(group: Command, session: Session): void {
  const list = group
    .command("list")
    .description("list the bundled versions and the rows of one")
    .option(...RELEASE)
    .action(({ release }: ReleaseFlag) =>
      session.show(async () => listView(catalogueOf(release), session.options().only)),
    );
  withTraits(list, {
    uses: [...OUTPUT_OPTIONS, "only"],
    examples: [
      ["lifeline catalogue list", "every row of the newest catalogue"],
      ["lifeline catalogue list --release v1.13 --only 'siderolink-*'", "some rows of another"],
    ],
  });
}

function addShow(group: Command, session: Session): void {
  const show = group
    .command("show")
    .argument("<id>", "the row's id, as 'catalogue list' shows it")
    .description("show one row: published and effective values, evidence, source")
    .option(...RELEASE)
    .action((id: string, { release }: ReleaseFlag) =>
      session.show(async () => requirementView(rowOf(catalogueOf(release), id))),
    );
  withTraits(show, {
    uses: OUTPUT_OPTIONS,
    examples: [
      ["lifeline catalogue show siderolink-endpoint", "one row, with its evidence"],
      ["lifeline catalogue show siderolink-endpoint --json", "the row as data"],
    ],
  });
}

function addDiff(group: Command, session: Session): void {
  const diff = group
    .command("diff")
    .argument("<from>", "a bundled version such as v1.13, or a .yaml file")
    .argument("<to>", "another")
    .description("show what changed between two catalogues, field by field")
    .action((from: string, to: string) =>
      session.show(async () => diffView(diffCatalogues(catalogueOf(from), catalogueOf(to)), from, to)),
    );
  withTraits(diff, {
    uses: OUTPUT_OPTIONS,
    examples: [
      ["lifeline catalogue diff v1.13 v1.14", "what an upgrade brings"],
      ["lifeline catalogue diff v1.14 ./our-catalogue.yaml --json", "against your own file"],
    ],
  });
}

/** A bundled version, or a file when the name ends as one. @throws CatalogueError. */
function catalogueOf(release: string | undefined): Catalogue {
  return release !== undefined && /\.ya?ml$/.test(release) ? loadCatalogueFile(release) : loadCatalogue(release);
}

function rowOf(catalogue: Catalogue, id: string): Requirement {
  const row = findRequirement(catalogue, id);
  if (row !== undefined) return row;
  const ids = catalogue.requirements.map((requirement) => requirement.id);
  throw new CliError(
    "usage",
    `catalogue ${catalogue.version} has no row '${id}'; the closest: ${closest(id, ids).join(", ")}`,
  );
}

const ROW_COLUMNS: readonly Column<Requirement>[] = [
  { title: "ID", text: ({ id }) => id, shrinkTo: 12 },
  { title: "FROM", text: ({ from }) => from },
  { title: "OBLIGATION", text: ({ obligation }) => obligation },
  { title: "EFFECTIVE", text: ({ effective }) => effective.value, shrinkTo: 12 },
  {
    title: "PUBLISHED",
    text: (row) => publishedText(row),
    tone: (row) => (hasDrift(row) ? "warning" : undefined),
    shrinkTo: 12,
  },
];

const ROW_WIDE_COLUMNS: readonly Column<Requirement>[] = [
  { title: "PORT", text: ({ port, protocol }) => `${port}/${protocol}`, align: "right", isOwn: true },
  { title: "PROBES", text: ({ probes }) => probes.map(({ probe }) => probe).join(",") },
  { title: "DEPLOYMENTS", text: ({ deployments }) => deployments.join(",") },
  { title: "PURPOSE", text: ({ purpose }) => purpose },
];

/** The published value where it differs from the effective one; a hyphen in words where nothing is published. */
function publishedText(row: Requirement): string {
  if (row.published === null) return "not published";
  return hasDrift(row) ? `differs: ${row.published.value}` : "the same";
}

function listView({ version, title, requirements }: Catalogue, only: string | undefined): View {
  const rows = only === undefined ? requirements : requirements.filter(({ id }) => matchesPattern(only, id));
  if (only !== undefined && rows.length === 0) {
    throw noMatch(
      only,
      requirements.map(({ id }) => id),
    );
  }
  const versions = listCatalogues();
  return recordsView<Requirement>({
    rows,
    columns: ROW_COLUMNS,
    wideColumns: ROW_WIDE_COLUMNS,
    fields: [
      { name: "id", value: ({ id }) => id },
      { name: "from", value: ({ from }) => from },
      { name: "obligation", value: ({ obligation }) => obligation },
      { name: "protocol", value: ({ protocol }) => protocol },
      { name: "port", value: ({ port }) => port },
      { name: "effective", value: ({ effective }) => effective.value },
      { name: "published", value: ({ published }) => published?.value ?? null },
      { name: "differs", value: hasDrift },
      { name: "purpose", value: ({ purpose }) => purpose },
    ],
    json: { versions, version, title, requirements: rows.map(asData) },
    empty: "No rows.",
    footer: [`${rows.length} rows of ${version}, ${title}`, `bundled versions: ${versions.join(", ")}`],
    exitCode: EXIT.met,
  });
}

/** The row in the key order of the file format. */
function asData(requirement: Requirement): unknown {
  return JSON.parse(requirementJson(requirement));
}

interface Change {
  readonly id: string;
  readonly change: "added" | "removed" | "changed";
  readonly field: string;
  readonly from: string;
  readonly to: string;
}

function diffView(diff: CatalogueDiff, from: string, to: string): View {
  const rows = changesOf(diff);
  const { added, removed, changed } = diff;
  return recordsView<Change>({
    rows,
    columns: [
      { title: "CHANGE", text: ({ change }) => change, tone: ({ change }) => CHANGE_TONES[change] },
      { title: "ID", text: ({ id }) => id, shrinkTo: 12 },
      { title: "FIELD", text: ({ field }) => field, shrinkTo: 8 },
      { title: "FROM", text: (row) => row.from, shrinkTo: 8, maxWidth: CHANGE_COLUMNS },
      { title: "TO", text: (row) => row.to, shrinkTo: 8, maxWidth: CHANGE_COLUMNS },
    ],
    fields: (["change", "id", "field", "from", "to"] as const).map((name) => ({ name, value: (row) => row[name] })),
    json: { from, to, added: added.map(asData), removed: removed.map(asData), changed },
    empty: `No difference between ${from} and ${to}.`,
    footer: [
      `${added.length} added, ${removed.length} removed, ${changed.length} fields changed from ${from} to ${to}`,
    ],
    exitCode: EXIT.met,
  });
}

/** Widest value of a change in a table. Whole lists are compared; `wide` shows them uncut. */
const CHANGE_COLUMNS = 48;

const CHANGE_TONES = { added: "good", removed: "bad", changed: "warning" } as const;

function changesOf({ added, removed, changed }: CatalogueDiff): Change[] {
  const whole = (change: "added" | "removed", { id, effective }: Requirement): Change => ({
    id,
    change,
    field: NONE,
    from: change === "removed" ? effective.value : NONE,
    to: change === "added" ? effective.value : NONE,
  });
  return [
    ...added.map((row) => whole("added", row)),
    ...removed.map((row) => whole("removed", row)),
    ...changed.map(
      ({ id, field, from, to }): Change => ({ id, change: "changed", field, from: shown(from), to: shown(to) }),
    ),
  ];
}

function shown(value: unknown): string {
  if (value === undefined) return NONE;
  return typeof value === "string" ? value : JSON.stringify(value);
}
