/** The tunnel's own interface: counters read, nothing sent. */
import { emptyTrace, findingOf, outcome } from "./finding.ts";
import type { ProbeProtocol } from "./protocol.ts";

/** Not measured yet. */
export const probeLink: ProbeProtocol<"link"> = async () => findingOf(emptyTrace(), outcome("agent-resource", "plan"));
