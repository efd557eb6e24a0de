/** The connections result as people read it. Pure. */
import { ratioText, textTable } from "@lifeline/harness";
import type { ConnectionsResult, SideFigures } from "./connections.ts";

/** Renders the result. */
export function renderConnections({ connections, reports, sides, ratios }: ConnectionsResult): string {
  const row = (name: string, of: keyof SideFigures, digits: number, ratio: number) => [
    name,
    sides.listener[of].p50.toFixed(digits),
    sides["grpc-js"][of].p50.toFixed(digits),
    ratioText(ratio),
  ];
  return [
    `${connections} connections with mutual TLS, ${reports.toLocaleString("en")} reports; medians of CPU`,
    "",
    textTable([
      ["", "listener", "grpc-js", "ratio"],
      row("a handshake, ms", "handshakeMs", 2, ratios.handshake),
      row("a report and its acknowledgement, µs", "reportUs", 0, ratios.report),
      row("memory of a connection, KB", "connectionKb", 0, ratios.connection),
    ]),
  ].join("\n");
}
