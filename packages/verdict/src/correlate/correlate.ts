/**
 * What the targets of a node say of one another. Each question has a file of its own and leaves the other entries alone.
 *
 * 1. A name without an address of one family is no fault while it has one of the other.
 * 2. UDP silence is confirmed only by an answer over the same path. Otherwise it stays an open question (M4).
 * 3. A cause is sharpened only by evidence, which is said.
 * 4. A symptom names the fault it follows from; it keeps its own verdict.
 */
import type { Entry } from "../entry.ts";
import { withCertificateCause } from "./certificate-cause.ts";
import type { CorrelationContext } from "./correlation-context.ts";
import { withDrift } from "./dns-drift.ts";
import { withMissingAddress } from "./missing-address.ts";
import { withPathMtu } from "./path-mtu.ts";
import { withProxyPath } from "./proxy-path.ts";
import { withRandomLoss } from "./random-loss.ts";
import { withRootCause } from "./root-cause.ts";
import { withTunnelFault } from "./tunnel-fault.ts";
import { withConfirmation, withUdpEvidence } from "./udp-evidence.ts";

type CorrelationRule = (entry: Entry, entries: readonly Entry[], context: CorrelationContext) => Entry;

/** In this order: each may rest on what those before it have found. */
const RULES: readonly CorrelationRule[] = [
  withMissingAddress,
  withRandomLoss,
  withCertificateCause,
  withDrift,
  withProxyPath,
  withPathMtu,
  withConfirmation,
  withTunnelFault,
  withUdpEvidence,
  withRootCause,
];

/** The entries as their neighbours let them stand. */
export function correlate(entries: readonly Entry[], context: CorrelationContext): readonly Entry[] {
  return RULES.reduce((known, rule) => known.map((entry) => rule(entry, known, context)), entries);
}
