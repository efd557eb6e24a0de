/** The largest datagram that a STAMP reflector answers. */
import { emptyTrace, findingOf, outcome } from "./finding.ts";
import type { ProbeProtocol } from "./protocol.ts";

/** Not measured yet. */
export const probeMtu: ProbeProtocol<"mtu"> = async () => findingOf(emptyTrace(), outcome("agent-resource", "plan"));
