import type { StatusRow } from "@lifeline/cli";
import { describe, expect, it } from "vitest";
import type { LabIncident } from "./collector-observer.ts";
import { drillIncidents } from "./drill-incidents.ts";
import type { FaultDrill } from "./fault-drill.ts";

const drill: FaultDrill = {
  name: "api-refused",
  what: "a reset comes back",
  expected: { cause: "refused", requirement: "api", probe: "tcp" },
  besides: ["timeout"],
  hard: true,
  inject: async () => async () => {},
};

const row = (targetId: string, probe: string, cause: string, followsFrom: string | null) =>
  ({ node: "node1", requirement: "api", targetId, probe, target: "omni:443", cause, followsFrom }) as StatusRow;
const STANDING = [row("a", "tcp", "refused", null), row("b", "tls", "reset", "a"), row("c", "udp", "loss", null)];

/** `d` failed only while the fault cleared. */
const FOLLOWED = [row("b", "tls", "reset", "a"), row("d", "http", "reset", "b")];

const incident = (id: number, targetId: string, cause: string, isOpen = false): LabIncident => {
  return { id, node: "node1", requirement: "api", targetId, cause, isOpen };
};

describe("what the collector keeps of a drill", () => {
  it.each<[string, LabIncident[], object]>([
    ["its fault", [incident(1, "a", "refused")], { closedCause: "refused", incidents: 1, others: [] }],
    ["nothing", [], { closedCause: null, incidents: 0, others: [] }],
    ["an incident that is open", [incident(1, "a", "refused", true)], { closedCause: null, incidents: 1, others: [] }],
    [
      "a symptom with its own cause",
      [incident(1, "a", "refused"), incident(2, "b", "reset")],
      { closedCause: "refused", incidents: 1, others: [] },
    ],
    [
      "a symptom that began late",
      [incident(1, "a", "refused"), incident(2, "d", "reset")],
      { closedCause: "refused", incidents: 1, others: [] },
    ],
    [
      "two incidents of one row",
      [incident(1, "a", "refused"), incident(2, "a", "refused")],
      { closedCause: "refused", incidents: 2, others: [] },
    ],
    [
      "another cause at the fault's row",
      [incident(1, "a", "clock")],
      { closedCause: "clock", incidents: 1, others: ["incident api tcp omni:443: clock"] },
    ],
    [
      "a cause that a symptom got later",
      [incident(1, "a", "refused"), incident(2, "b", "path-mtu")],
      { closedCause: "refused", incidents: 1, others: ["incident api tls omni:443: path-mtu"] },
    ],
    [
      "a fault that follows from none",
      [incident(1, "a", "refused"), incident(2, "c", "loss")],
      { closedCause: "refused", incidents: 1, others: ["incident api udp omni:443: loss"] },
    ],
  ])("reads %s", (_, begun, expected) => {
    expect(drillIncidents(begun, STANDING, FOLLOWED, drill)).toEqual(expected);
  });
});
