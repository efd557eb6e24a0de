/** `lifeline node ID`: all of one node; `revoke` and `readmit` are subcommands. */
import { matchesPattern } from "@lifeline/catalogue";
import { visibleText } from "@lifeline/measure";
import { RpcError, RpcStatus } from "@lifeline/rpc";
import type { queryPb } from "@lifeline/wire";
import type { Command } from "commander";
import { closest, noMatch } from "../arguments/requirement-pattern.ts";
import { CliError } from "../cli-error.ts";
import type { QueryClient } from "../collector/collector-client.ts";
import { fetchNode, fetchNodes } from "../collector/fetch.ts";
import { atMs, isoTime } from "../collector/wire-time.ts";
import { exitCodeOf } from "../exit-code.ts";
import { rowJson } from "../render/json.ts";
import { renderStatus, type StatusLayout, statusCsv, statusMarkdown } from "../render/status.ts";
import { rowFromWire, type StatusModel } from "../render/status-row.ts";
import { tableLines } from "../render/table.ts";
import { tunnelLines } from "../render/tunnel.ts";
import { NONE } from "../render/units.ts";
import type { View } from "../render/view.ts";
import { COLLECTOR_OPTIONS, OUTPUT_OPTIONS, type Session, withTraits } from "../session.ts";
import { incidentColumns, incidentJson } from "./incidents.ts";
import { addNodeAdmission } from "./node-admission.ts";
import { ageOf, nodeJson } from "./nodes.ts";

/** Adds the command to the root. */
export function addNode(root: Command, session: Session): void {
  const command = root
    .command("node")
    .argument("<id>", "the node's id, as 'lifeline nodes' shows it")
    .description("show one node: rows, incidents, and the reports of each boot of its agent")
    .action((id: string) =>
      session.showAnswer(async (client, signal) =>
        nodeView(await orClosest(client, id, signal, () => fetchNode(client, id, signal)), session.options().only),
      ),
    );
  withTraits(command, {
    uses: [...COLLECTOR_OPTIONS, ...OUTPUT_OPTIONS, "watch", "only"],
    examples: [
      ["lifeline node worker-1", "its rows, incidents and boots"],
      ["lifeline node worker-1 --only 'siderolink-*' --watch", "one requirement while it is fixed"],
    ],
  });
  addNodeAdmission(command, session);
}

/**
 * The answer about a node. For an unknown node the error names the closest known ones. @throws CliError `not-found`.
 */
export async function orClosest<Answer>(
  client: QueryClient,
  id: string,
  signal: AbortSignal,
  query: () => Promise<Answer>,
): Promise<Answer> {
  try {
    return await query();
  } catch (error) {
    if (!(error instanceof RpcError) || error.code !== RpcStatus.NOT_FOUND) throw error;
    const { nodes } = await fetchNodes(client, signal);
    const close = closest(
      id,
      nodes.map(({ nodeId }) => nodeId),
    );
    const hint = close.length === 0 ? "it knows none yet" : `the closest: ${close.join(", ")}`;
    throw new CliError("not-found", `the collector knows no node '${id}'; ${hint}`);
  }
}

/** The view of one node. @throws CliError `usage` when `only` matches none of its rows. */
export function nodeView(answer: queryPb.GetNodeResponse, only: string | undefined): View {
  const generatedAtMs = Number(answer.generatedUnixMs);
  const rows = answer.rows.map(rowFromWire);
  const chosen = only === undefined ? rows : rows.filter(({ requirement }) => matchesPattern(only, requirement));
  if (only !== undefined && chosen.length === 0) {
    throw noMatch(
      only,
      rows.map(({ requirement }) => requirement),
    );
  }
  const model: StatusModel = { generatedAtMs, catalogueVersion: "", rows: chosen };
  return {
    exitCode: exitCodeOf(model),
    text: (layout) => nodeText(answer, model, layout),
    json: () => ({
      generatedAt: isoTime(generatedAtMs),
      node: answer.node === undefined ? null : nodeJson(answer.node),
      rows: chosen.map(rowJson),
      incidents: answer.incidents.map(incidentJson),
      boots: answer.boots.map(bootJson),
    }),
    csv: () => statusCsv(model),
    markdown: () => statusMarkdown(model),
  };
}

function nodeText(answer: queryPb.GetNodeResponse, model: StatusModel, layout: StatusLayout): string {
  const { node, incidents, boots } = answer;
  const table = { color: layout.color, width: layout.wide ? undefined : layout.width };
  const lines = node === undefined ? [] : [headline(node, model.generatedAtMs), ""];
  lines.push(renderStatus(model, layout).trimEnd(), "");
  const tunnel = layout.wide ? [] : tunnelLines(model.rows, table);
  // The wide table has these columns itself.
  if (tunnel.length > 0) lines.push("UDP port, and packets lost each way", ...tunnel, "");
  if (incidents.length === 0) lines.push("No incidents.");
  else lines.push("Incidents", ...tableLines(incidentColumns(model.generatedAtMs), incidents, table));
  if (boots.length > 0) lines.push("", "Reports by boot of the agent", ...tableLines(BOOT_COLUMNS, boots, table));
  return `${lines.join("\n")}\n`;
}

function headline(node: queryPb.NodeSummary, generatedAtMs: number): string {
  const state = node.connected ? "connected" : "not connected";
  const agent = node.agentVersion === "" ? "agent version not known" : `agent ${node.agentVersion}`;
  const report =
    atMs(node.lastReportUnixMs) === null
      ? "no report yet"
      : `last report ${ageOf(node.lastReportUnixMs, generatedAtMs)} ago`;
  return visibleText(`${node.nodeId} (${node.hostname || NONE}): ${state}, ${report}, ${agent}`);
}

function bootJson(boot: queryPb.BootCount) {
  return {
    boot: hexOf(boot),
    firstSequence: Number(boot.firstSequence),
    lastSequence: Number(boot.lastSequence),
    reports: Number(boot.reports),
    windows: Number(boot.windows),
    missingReports: Number(boot.missingReports),
    duplicateReports: Number(boot.duplicateReports),
  };
}

function hexOf({ bootId }: queryPb.BootCount): string {
  return Buffer.from(bootId).toString("hex");
}

const BOOT_COLUMNS = [
  { title: "BOOT", text: (boot: queryPb.BootCount) => hexOf(boot).slice(0, 8) },
  { title: "SEQUENCES", text: (boot: queryPb.BootCount) => `${boot.firstSequence}–${boot.lastSequence}` },
  { title: "REPORTS", text: (boot: queryPb.BootCount) => String(boot.reports), align: "right" },
  { title: "WINDOWS", text: (boot: queryPb.BootCount) => String(boot.windows), align: "right" },
  { title: "MISSING", text: (boot: queryPb.BootCount) => String(boot.missingReports), align: "right" },
  { title: "TWICE", text: (boot: queryPb.BootCount) => String(boot.duplicateReports), align: "right" },
] as const;
