/** `lifeline nodes`: a line for each node. */
import type { queryPb } from "@lifeline/wire";
import type { Command } from "commander";
import { fetchNodes } from "../collector/fetch.ts";
import { atMs, isoTime } from "../collector/wire-time.ts";
import { EXIT } from "../exit-code.ts";
import { VERDICT_LOOKS } from "../render/paint.ts";
import { verdictWord } from "../render/status-row.ts";
import type { Column } from "../render/table.ts";
import { ageText, NONE } from "../render/units.ts";
import { recordsView, type View } from "../render/view.ts";
import { COLLECTOR_OPTIONS, OUTPUT_OPTIONS, type Session, withTraits } from "../session.ts";

type Node = queryPb.NodeSummary;

/** Adds the command to the root. */
export function addNodes(root: Command, session: Session): void {
  const command = root
    .command("nodes")
    .description("show every node: the worst verdict of its required rows, and when it last reported")
    .action(() =>
      session.showAnswer(async (client, signal) => {
        const { nodes, generatedAtMs } = await fetchNodes(client, signal);
        return nodesView(nodes, generatedAtMs);
      }),
    );
  withTraits(command, {
    uses: [...COLLECTOR_OPTIONS, ...OUTPUT_OPTIONS, "watch"],
    examples: [
      ["lifeline nodes", "the fleet at a glance"],
      ["lifeline nodes --output csv > nodes.csv", "for a spreadsheet"],
    ],
  });
}

/** The JSON of a node. */
export function nodeJson(node: Node) {
  return {
    node: node.nodeId,
    hostname: node.hostname,
    agentVersion: node.agentVersion,
    connected: node.connected,
    firstSeen: isoTime(atMs(node.firstSeenUnixMs)),
    lastReport: isoTime(atMs(node.lastReportUnixMs)),
    verdict: verdictWord(node.verdict),
    metRows: node.metRows,
    degradedRows: node.degradedRows,
    unmetRows: node.unmetRows,
    unknownRows: node.unknownRows,
    notApplicableRows: node.notApplicableRows,
  };
}

/** The view of the fleet: exit code 0 when every node is met; none at all is no pass (M4). */
export function nodesView(nodes: readonly Node[], generatedAtMs: number): View {
  const count = (title: string, of: (node: Node) => number): Column<Node> => ({
    title,
    text: (node) => String(of(node)),
    align: "right",
    isOwn: true,
  });
  const allMet = nodes.length > 0 && nodes.every(({ verdict }) => verdictWord(verdict) === "met");
  return recordsView<Node>({
    rows: nodes,
    columns: [
      { title: "NODE", text: (node) => node.nodeId, shrinkTo: 8, cut: "middle" },
      { title: "HOSTNAME", text: (node) => node.hostname || NONE, shrinkTo: 8 },
      {
        title: "VERDICT",
        text: (node) => VERDICT_LOOKS[verdictWord(node.verdict)].text,
        tone: (node) => VERDICT_LOOKS[verdictWord(node.verdict)].tone,
        isOwn: true,
      },
      count("MET", (node) => node.metRows),
      count("DEGRADED", (node) => node.degradedRows),
      count("UNMET", (node) => node.unmetRows),
      count("UNKNOWN", (node) => node.unknownRows),
      { title: "CONNECTED", text: (node) => (node.connected ? "yes" : "no"), isOwn: true },
      {
        title: "LAST REPORT",
        text: (node) => ageOf(node.lastReportUnixMs, generatedAtMs),
        align: "right",
        isOwn: true,
      },
    ],
    wideColumns: [
      count("N/A", (node) => node.notApplicableRows),
      { title: "AGENT", text: (node) => node.agentVersion || NONE },
      { title: "FIRST SEEN", text: (node) => isoTime(atMs(node.firstSeenUnixMs)) ?? NONE, isOwn: true },
      { title: "REPORTED AT", text: (node) => isoTime(atMs(node.lastReportUnixMs)) ?? NONE, isOwn: true },
    ],
    fields: NODE_FIELD_NAMES.map((name) => ({ name, value: (node) => nodeJson(node)[name] })),
    json: { generatedAt: isoTime(generatedAtMs), nodes: nodes.map(nodeJson) },
    empty: "No nodes: none has enrolled with this collector yet.",
    exitCode: allMet ? EXIT.met : EXIT.notMet,
  });
}

const NODE_FIELD_NAMES = [
  "node",
  "hostname",
  "agentVersion",
  "connected",
  "firstSeen",
  "lastReport",
  "verdict",
  "metRows",
  "degradedRows",
  "unmetRows",
  "unknownRows",
  "notApplicableRows",
] as const satisfies readonly (keyof ReturnType<typeof nodeJson>)[];

/** `12 s`, or an em dash for never; both ends are wall times of the collector's. */
export function ageOf(time: bigint, nowMs: number): string {
  const ms = atMs(time);
  return ms === null ? NONE : ageText(nowMs - ms);
}
