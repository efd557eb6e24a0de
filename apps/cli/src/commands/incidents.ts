/** `lifeline incidents`: what failed, from when to when. */
import type { queryPb } from "@lifeline/wire";
import { type Command, InvalidArgumentError, Option } from "commander";
import { AGE_WANTED, readAgeMs } from "../arguments/duration.ts";
import { fetchIncidents } from "../collector/fetch.ts";
import { atMs, isoTime } from "../collector/wire-time.ts";
import { EXIT } from "../exit-code.ts";
import { VERDICT_LOOKS } from "../render/paint.ts";
import { verdictWord } from "../render/status-row.ts";
import type { Column } from "../render/table.ts";
import { ageText, failText, NONE, secondsText } from "../render/units.ts";
import { recordsView, type View } from "../render/view.ts";
import { COLLECTOR_OPTIONS, OUTPUT_OPTIONS, type Session, withTraits } from "../session.ts";

type Incident = queryPb.Incident;

interface IncidentFlags {
  readonly node?: string;
  readonly open?: boolean;
  readonly since?: number;
}

/** Adds the command to the root. */
export function addIncidents(root: Command, session: Session): void {
  const command = root
    .command("incidents")
    .description("show incidents, latest first; the exit code is 1 if one of them is open")
    .option("--node <id>", "only this node")
    .option("--open", "only open ones")
    .addOption(
      new Option("--since <age>", "only those open at some time within this age: 90s, 30m, 12h, 7d").argParser(ageMs),
    )
    .action(({ node, open = false, since }: IncidentFlags) =>
      session.showAnswer(async (client, signal) => {
        const sinceMs = since === undefined ? 0 : Math.max(1, session.world.clock.wallMs() - since);
        const chosen = { ...(node === undefined ? {} : { node }), openOnly: open, sinceMs, signal };
        const { incidents, generatedAtMs } = await fetchIncidents(client, chosen);
        return incidentsView(incidents, generatedAtMs);
      }),
    );
  withTraits(command, {
    uses: [...COLLECTOR_OPTIONS, ...OUTPUT_OPTIONS, "watch"],
    examples: [
      ["lifeline incidents --open", "what is wrong now"],
      ["lifeline incidents --since 24h --output markdown", "the day, for a ticket"],
    ],
  });
}

/** The JSON of an incident. */
export function incidentJson(incident: Incident) {
  return {
    id: Number(incident.id),
    node: incident.nodeId,
    requirement: incident.requirementId,
    targetId: incident.targetId || null,
    verdict: verdictWord(incident.verdict),
    cause: incident.cause || null,
    start: isoTime(atMs(incident.startUnixMs)),
    end: isoTime(atMs(incident.endUnixMs)),
    lastedMs: incident.endUnixMs === undefined ? null : Number(incident.endUnixMs - incident.startUnixMs),
    attempts: Number(incident.attempts),
    failures: Number(incident.failures),
    worstMinute: minuteJson(incident.worstMinute),
    evidence: incident.evidence,
    nextStep: incident.nextStep || null,
  };
}

function minuteJson(minute: queryPb.MinuteCount | undefined) {
  if (minute === undefined) return null;
  const { startUnixMs, attempts, failures } = minute;
  return { start: isoTime(atMs(startUnixMs)), attempts: Number(attempts), failures: Number(failures) };
}

/** The view of incidents; exit code 1 if one of them is open. */
export function incidentsView(incidents: readonly Incident[], generatedAtMs: number): View {
  const lasts = incidents.some(({ endUnixMs }) => endUnixMs === undefined);
  return recordsView<Incident>({
    rows: incidents,
    columns: incidentColumns(generatedAtMs),
    wideColumns: [
      { title: "TARGET", text: (incident) => incident.targetId || NONE },
      { title: "END", text: (incident) => isoTime(atMs(incident.endUnixMs)) ?? NONE, isOwn: true },
      { title: "WORST MINUTE", text: ({ worstMinute }) => worstText(worstMinute), isOwn: true },
      { title: "NEXT STEP", text: (incident) => incident.nextStep },
    ],
    fields: [
      ...FIELD_NAMES.map((name) => ({ name, value: (incident: Incident) => incidentJson(incident)[name] })),
      { name: "worstMinuteStart", value: (incident) => incidentJson(incident).worstMinute?.start ?? null },
      { name: "worstMinuteAttempts", value: (incident) => incidentJson(incident).worstMinute?.attempts ?? null },
      { name: "worstMinuteFailures", value: (incident) => incidentJson(incident).worstMinute?.failures ?? null },
    ],
    json: { generatedAt: isoTime(generatedAtMs), incidents: incidents.map(incidentJson) },
    empty: "No incidents.",
    exitCode: lasts ? EXIT.notMet : EXIT.met,
  });
}

/** The columns of an incident table. */
export function incidentColumns(generatedAtMs: number): Column<Incident>[] {
  return [
    { title: "ID", text: (incident) => String(incident.id), align: "right", isOwn: true },
    { title: "NODE", text: (incident) => incident.nodeId, shrinkTo: 8, cut: "middle" },
    { title: "REQUIREMENT", text: (incident) => incident.requirementId, shrinkTo: 12 },
    {
      title: "VERDICT",
      text: (incident) => VERDICT_LOOKS[verdictWord(incident.verdict)].text,
      tone: (incident) => VERDICT_LOOKS[verdictWord(incident.verdict)].tone,
      isOwn: true,
    },
    { title: "CAUSE", text: (incident) => incident.cause, shrinkTo: 5 },
    { title: "START", text: (incident) => secondsText(atMs(incident.startUnixMs)), isOwn: true },
    { title: "LASTED", text: (incident) => lastedText(incident, generatedAtMs), align: "right", isOwn: true },
    {
      title: "FAIL",
      text: ({ failures, attempts }) => failText(Number(failures), Number(attempts)),
      align: "right",
      isOwn: true,
    },
    { title: "EVIDENCE", text: (incident) => incident.evidence, shrinkTo: 8 },
  ];
}

function worstText(minute: queryPb.MinuteCount | undefined): string {
  if (minute === undefined) return NONE;
  return `${isoTime(atMs(minute.startUnixMs))} ${failText(Number(minute.failures), Number(minute.attempts))}`;
}

function lastedText({ startUnixMs, endUnixMs }: Incident, generatedAtMs: number): string {
  const age = ageText((endUnixMs === undefined ? generatedAtMs : Number(endUnixMs)) - Number(startUnixMs));
  return endUnixMs === undefined ? `${age}, open` : age;
}

const FIELD_NAMES = [
  "id",
  "node",
  "requirement",
  "targetId",
  "verdict",
  "cause",
  "start",
  "end",
  "lastedMs",
  "attempts",
  "failures",
  "evidence",
  "nextStep",
] as const satisfies readonly Exclude<keyof ReturnType<typeof incidentJson>, "worstMinute">[];

function ageMs(text: string): number {
  const ms = readAgeMs(text);
  if (ms !== undefined) return ms;
  throw new InvalidArgumentError(`want ${AGE_WANTED}`);
}
